"""The sections of ftl.yaml as frozen values, defaults filled in: what the rest of FTL works on."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """What all sections share: no unknown keys, no change after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProjectInfo(Model):
    """`project:` who this is."""

    name: str
    domain: str | None = None
    email: str | None = None


class Server(Model):
    """`server:` where it goes; what is None is left to ssh itself (its config file, the agent)."""

    host: str
    port: int | None = None
    user: str | None = None
    ssh_key: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether this machine's own engine is meant, without SSH."""
        return self.host == "local"


class Build(Model):
    """`build:` how an image is made."""

    context: str = "."
    dockerfile: str = "Dockerfile"
    target: str | None = None
    args: dict[str, str] = Field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    platform: str | None = None


class Route(Model):
    """`routes[]:` public requests for `host` (default: the project's domain) below `path`."""

    path: str = "/"
    strip_prefix: bool = False
    host: str | None = None


class HealthCheck(Model):
    """`health_check:` probed from the network. Durations are seconds. Without a path the port must accept."""

    path: str | None = None
    interval: float = 1.0
    timeout: float = 5.0
    retries: int = 30
    start_period: float = 0.0


class Hook(Model):
    """One hook: a command in a container of the new image, or on this machine."""

    local: str | None = None
    remote: str | None = None


class Hooks(Model):
    """`hooks:` before and after the switch."""

    pre: Hook | None = None
    post: Hook | None = None


class ContainerHealthCheck(Model):
    """`container.health_check:` Docker's own, run inside the container. Durations are seconds."""

    cmd: str | tuple[str, ...]
    interval: float = 10.0
    timeout: float = 5.0
    retries: int = 3
    start_period: float = 0.0


class Ulimit(Model):
    """One limit of the container's processes."""

    name: str
    soft: int
    hard: int


class Container(Model):
    """`container:` settings of the container itself."""

    health_check: ContainerHealthCheck | None = None
    ulimits: tuple[Ulimit, ...] = ()


class Service(Model):
    """One of `services[]`."""

    name: str
    port: int | None = None
    build: Build | None = None
    image: str | None = None
    routes: tuple[Route, ...] = ()
    health_check: HealthCheck | None = None
    env: dict[str, str] = Field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    command: str | tuple[str, ...] | None = None
    entrypoint: str | tuple[str, ...] | None = None
    forwards: tuple[str, ...] = ()
    recreate: bool = False
    replicas: int = 1
    hooks: Hooks = Hooks()
    container: Container = Container()
    stop_timeout: float = 10.0
    drain_timeout: float = 30.0


class Dependency(Model):
    """One of `dependencies[]`: a database or cache that the services need, presets filled in."""

    name: str
    image: str
    volumes: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    ports: tuple[int, ...] = ()
    container: Container = Container()


class Proxy(Model):
    """`proxy:` the one proxy of the server."""

    image: str = "caddy:2"
    tls: Literal["auto", "internal", "off"] = "auto"
    certificate: str | None = None
    key: str | None = None
    acme_ca: str | None = None


class Project(Model):
    """A whole ftl.yaml, resolved."""

    project: ProjectInfo
    server: Server
    services: tuple[Service, ...]
    dependencies: tuple[Dependency, ...] = ()
    volumes: tuple[str, ...] = ()
    proxy: Proxy = Proxy()

    @property
    def name(self) -> str:
        """The project's name."""
        return self.project.name
