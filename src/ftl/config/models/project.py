"""The sections of ftl.yaml as frozen values, defaults filled in: what the rest of FTL works on.

They are plain dataclasses: importing pydantic alone would take longer than all that `ftl validate` may
(docs/decisions/0002-configuration-without-pydantic.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.config.models import field_types
from ftl.config.models.bindings import Forward, VolumeMount, parse_forward, parse_volume
from ftl.config.models.field_types import CommandLine, ListOf, Nested, StringMap, key
from ftl.config.models.proxy import Proxy, Redirect, Registry
from ftl.config.models.section import Section
from ftl.config.models.service import (
    Build,
    BuildSecret,
    Container,
    ContainerHealthCheck,
    HealthCheck,
    Hook,
    Hooks,
    Route,
    Ulimit,
)
from ftl.config.yaml.places import Places

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "Build",
    "BuildSecret",
    "Container",
    "ContainerHealthCheck",
    "Dependency",
    "HealthCheck",
    "Hook",
    "Hooks",
    "Project",
    "ProjectInfo",
    "Proxy",
    "Redirect",
    "Registry",
    "Route",
    "Section",
    "Server",
    "Service",
    "Ulimit",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectInfo(Section):
    """`project:` who this is."""

    name: str = field(
        metadata=key(field_types.NAME, "Part of the names of all images, containers, networks and volumes.")
    )
    domain: str | None = field(
        default=None,
        metadata=key(
            field_types.DOMAIN,
            "The host name of routes that name none, and the server's if that is not given.",
        ),
    )
    email: str | None = field(
        default=None,
        metadata=key(field_types.EMAIL, "Contact for the authority that signs the certificates."),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(Section):
    """`server:` where it goes; what is not given is left to ssh itself (its config file, the agent).

    A single value is the host.

    Attributes:
        known_hosts: No key of ftl.yaml: the file with the host key of a server that FTL itself made (a sandbox).
    """

    host: str = field(
        metadata=key(
            field_types.SSH_HOST,
            "A name, an address or a Host of ~/.ssh/config; `local` is this machine's own engine, without SSH.",
            optional=True,
            default="`project.domain`",
        )
    )
    port: int | None = field(default=None, metadata=key(field_types.PORT, "SSH port.", default="22"))
    user: str | None = field(
        default=None, metadata=key(field_types.SSH_USER, "Who logs in.", default="the current user")
    )
    ssh_key: str | None = field(
        default=None,
        metadata=key(field_types.PATH, "Private key file.", default="what ssh itself would use"),
    )
    known_hosts: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether this machine's own engine is meant, without SSH."""
        return self.host == "local"

    @property
    def is_sandbox(self) -> bool:
        """Whether it is a throwaway server on this machine, where no visitor comes and no authority."""
        return self.known_hosts is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Section):
    """`services[]:` a container of your own code, or of an image, that FTL replaces without losing a request."""

    name: str = field(
        metadata=key(
            field_types.NAME, "Unique in the project. Other containers of the project reach it by this name."
        )
    )
    port: int | None = field(
        default=None, metadata=key(field_types.PORT, "What the app listens on inside; needed for routes.")
    )
    build: Build | None = field(
        default=None, metadata=key(Nested(Build, "context"), "How the image is built on this machine.")
    )
    image: str | None = field(
        default=None,
        metadata=key(
            field_types.IMAGE,
            "With `build`: tag, push to that registry, pull on the server. Without: pulled only. "
            "Absent: the built image goes to the server over SSH.",
        ),
    )
    routes: tuple[Route, ...] = field(
        default=(), metadata=key(ListOf(Nested(Route, "path")), "Which public requests it gets.")
    )
    health_check: HealthCheck | None = field(
        default=None,
        metadata=key(
            Nested(HealthCheck, "path"),
            "When a new container counts as healthy.",
            default="the port must accept a connection",
        ),
    )
    env: dict[str, str] = field(
        default_factory=dict, metadata=key(StringMap(), "Environment; wins over `env_file`.", private=True)
    )
    volumes: tuple[str, ...] = field(
        default=(),
        metadata=key(ListOf(field_types.VOLUME), "`NAME:/path[:ro]` or `/path/on/server:/path[:ro]`."),
    )
    command: str | tuple[str, ...] | None = field(
        default=None, metadata=key(CommandLine(), "Instead of the image's.", private=True)
    )
    entrypoint: str | tuple[str, ...] | None = field(
        default=None, metadata=key(CommandLine(), "Instead of the image's.", private=True)
    )
    forwards: tuple[str, ...] = field(
        default=(),
        metadata=key(
            ListOf(field_types.FORWARD),
            "Ports of the server that lead past the proxy: `[ADDRESS:]HOST_PORT:CONTAINER_PORT[/udp]`.",
        ),
    )
    recreate: bool = field(
        default=False,
        metadata=key(
            field_types.BOOLEAN, "Stop the old container before the new one starts (a short outage)."
        ),
    )
    replicas: int = field(
        default=1, metadata=key(field_types.COUNT, "How many containers share the requests.")
    )
    hooks: Hooks = field(default=Hooks(), metadata=key(Nested(Hooks), "Commands around the switch."))
    container: Container = field(
        default=Container(), metadata=key(Nested(Container), "Settings of the container itself.")
    )
    stop_timeout: float = field(
        default=10.0, metadata=key(field_types.DURATION, "Between the stop signal and SIGKILL.")
    )
    drain_timeout: float = field(
        default=30.0, metadata=key(field_types.DURATION, "How long the old release may finish its requests.")
    )

    @property
    def mounts(self) -> tuple[VolumeMount, ...]:
        """`volumes`, taken apart."""
        return tuple(parse_volume(text) for text in self.volumes)

    @property
    def published(self) -> tuple[Forward, ...]:
        """`forwards`, taken apart."""
        return tuple(parse_forward(text) for text in self.forwards)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency(Section):
    """`dependencies[]:` a database or cache that the services need, presets filled in."""

    name: str = field(
        metadata=key(field_types.NAME, "Unique in the project. Services reach it by this name.")
    )
    image: str = field(metadata=key(field_types.IMAGE, "Used if the server has it, else pulled."))
    volumes: tuple[str, ...] = field(
        default=(),
        metadata=key(ListOf(field_types.VOLUME), "`NAME:/path[:ro]` or `/path/on/server:/path[:ro]`."),
    )
    env: dict[str, str] = field(default_factory=dict, metadata=key(StringMap(), "Environment.", private=True))
    ports: tuple[int, ...] = field(
        default=(),
        metadata=key(
            ListOf(field_types.PORT), "Published on the server's 127.0.0.1 alone; what `ftl tunnels` reaches."
        ),
    )
    container: Container = field(
        default=Container(), metadata=key(Nested(Container), "Settings of the container itself.")
    )

    @property
    def mounts(self) -> tuple[VolumeMount, ...]:
        """`volumes`, taken apart."""
        return tuple(parse_volume(text) for text in self.volumes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Section):
    """The keys at the top of ftl.yaml.

    Attributes:
        masked: "services.0.command" -> its text with what came from variables made unreadable, for the values
            that are shown when secrets are not. No part of the file and of no plain form.
        places: Where its values stand in the file; likewise.
    """

    project: ProjectInfo = field(metadata=key(Nested(ProjectInfo), "Who this is."))
    server: Server = field(metadata=key(Nested(Server, "host"), "Where it goes.", optional=True))
    services: tuple[Service, ...] = field(
        metadata=key(ListOf(Nested(Service)), "What is deployed; at least one.")
    )
    dependencies: tuple[Dependency, ...] = field(
        default=(),
        metadata=key(
            ListOf(Nested(Dependency)), "What the services need: texts like `postgres:16`, or mappings."
        ),
    )
    volumes: tuple[str, ...] = field(
        default=(),
        metadata=key(
            ListOf(field_types.VOLUME_NAME),
            "Named volumes. They need not be listed to be used, and FTL never removes one.",
        ),
    )
    proxy: Proxy = field(default=Proxy(), metadata=key(Nested(Proxy), "The proxy of the server."))
    registries: tuple[Registry, ...] = field(
        default=(),
        metadata=key(
            ListOf(Nested(Registry)),
            "How to log in to registries; those that are not listed go by `docker login` and its helpers.",
        ),
    )
    masked: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    places: Places = field(default=Places(), repr=False, compare=False)

    @property
    def name(self) -> str:
        """The project's name."""
        return self.project.name
