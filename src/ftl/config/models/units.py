"""Services, dependencies and jobs of a project."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, Literal

from ftl.config.models import field_types
from ftl.config.models.container import ContainerSettings
from ftl.config.models.field_types import (
    Alternatives,
    CommandLine,
    ListOf,
    Nested,
    Section,
    key,
    key_metadata,
    string_map,
)
from ftl.config.models.secret import ServiceSecret
from ftl.config.models.service import (
    Build,
    ContainerOptions,
    HealthCheck,
    Hooks,
    Route,
)
from ftl.config.values.bindings import Forward, VolumeMount, parse_forward, parse_volume
from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSection(ContainerSettings):
    """Keys of a service and of a dependency about command, image settings and volumes."""

    volumes: tuple[str, ...] = key(
        ListOf(field_types.VOLUME), "`NAME:/path[:ro]` or `/path/on/server:/path[:ro]`.", ()
    )
    command: str | tuple[str, ...] | None = key(
        CommandLine(), "Command, in place of the image's.", None, sensitive=True
    )
    entrypoint: str | tuple[str, ...] | None = key(
        CommandLine(), "Entrypoint, in place of the image's.", None, sensitive=True
    )

    @property
    def mounts(self) -> tuple[VolumeMount, ...]:
        """`volumes`, parsed."""
        return tuple(parse_volume(text) for text in self.volumes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(ContainerSection):
    """`services[]:` an app, built or from an image, that is replaced without losing a request."""

    name: str = field(
        metadata=key_metadata(
            field_types.NAME, "Unique in the project. Other containers of the project reach it by this name."
        )
    )
    port: int | None = key(
        field_types.PORT, "Port that the app listens on in the container; required for routes.", None
    )
    protocol: Literal["http", "h2c", "tcp"] = key(
        field_types.PROTOCOL,
        "Protocol on the port: `http` is HTTP/1.1, `h2c` is HTTP/2 without TLS (gRPC), `tcp` is any other: "
        "its name resolves to its containers, not to the proxy, and it has no routes.",
        "http",
    )
    build: Build | None = key(
        Nested(Build, "context"), "How to build the image.", None, default_text="`.` without `image`"
    )
    image: str | None = key(
        field_types.IMAGE,
        "With `build`: the built image is pushed to this reference and pulled by the server. "
        "Without `build`: the server pulls it. If missing, the built image is sent to the server over SSH.",
        None,
    )
    routes: tuple[Route, ...] = key(
        ListOf(Nested(Route, "path")), "Public requests that the service receives.", ()
    )
    on: tuple[str, ...] = key(
        ListOf(field_types.PLACE),
        "With `servers`: where its containers run; a role, a host of `servers`, or a list of these.",
        (),
        default_text="all servers; with a named volume the first one",
    )
    depends_on: tuple[str, ...] = key(
        ListOf(field_types.NAME),
        "Services that are healthy before this one starts for the first time. Dependencies always are.",
        (),
    )
    health_check: HealthCheck | None = key(
        Nested(HealthCheck, "path"),
        "When a new container is healthy.",
        None,
        default_text="the port must answer a request",
    )
    env: dict[str, str] = string_map("Environment variables; override those of `env_file`.", sensitive=True)
    forwards: tuple[str, ...] = key(
        ListOf(field_types.FORWARD),
        "Ports of the server that are published without the proxy: `[ADDRESS:]HOST_PORT:CONTAINER_PORT[/udp]`.",
        (),
    )
    recreate: bool = key(
        field_types.BOOLEAN, "Stop the old container before the new one starts (a short outage).", False
    )
    replicas: int = key(field_types.COUNT, "Number of containers that share the requests.", 1)
    secrets: tuple[ServiceSecret, ...] = key(
        ListOf(Nested(ServiceSecret, "name")),
        "`secrets` of the project that the containers get, as variables or as files.",
        (),
    )
    hooks: Hooks = key(Nested(Hooks), "Commands before and after the switch to the new release.", Hooks())
    container: ContainerOptions = key(
        Nested(ContainerOptions), "Settings of the container.", ContainerOptions()
    )
    stop_timeout: float = key(field_types.DURATION, "Time between the stop signal and SIGKILL.", 10.0)
    drain_timeout: float = key(
        field_types.DURATION, "Time that the old release has to finish its requests.", 30.0
    )

    @property
    def proxied_port(self) -> int | None:
        """Port to which the proxy sends requests; None where there are none."""
        return None if self.protocol == "tcp" else self.port

    @property
    def published(self) -> tuple[Forward, ...]:
        """`forwards`, parsed."""
        return tuple(parse_forward(text) for text in self.forwards)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency(ContainerSection):
    """`dependencies[]:` a database or cache that the services need."""

    ALTERNATIVES: ClassVar = (Alternatives(("image", "build")),)

    name: str = field(
        metadata=key_metadata(field_types.NAME, "Unique in the project. Services reach it by this name.")
    )
    image: str = field(
        metadata=key_metadata(
            field_types.IMAGE, "Pulled if the server does not have it. Left out where `build` is given."
        )
    )
    on: str | None = key(
        field_types.PLACE,
        "With `servers`: the server that it runs on, with its data; a host of `servers`, or a role of only one.",
        None,
        default_text="the first server",
    )
    build: Build | None = key(
        Nested(Build, "context"),
        "How to build the image, in place of `image`: a database with an extension, for example.",
        None,
    )
    env: dict[str, str] = string_map("Environment variables.", sensitive=True)
    ports: tuple[int, ...] = key(
        ListOf(field_types.PORT),
        "Published on 127.0.0.1 of the server only; `ftl tunnels` forwards them.",
        (),
    )
    container: ContainerOptions = key(
        Nested(ContainerOptions), "Settings of the container.", ContainerOptions()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Section):
    """`jobs[]:` a command that runs on a schedule, in the live release of a service."""

    name: str = field(metadata=key_metadata(field_types.NAME, "Unique among the jobs of the project."))
    service: str = field(
        metadata=key_metadata(
            field_types.NAME, "Service whose image, env, volumes and network the command gets."
        )
    )
    command: str | tuple[str, ...] = field(
        metadata=key_metadata(CommandLine(), "Command, in place of the service's.", sensitive=True)
    )
    schedule: str = field(
        metadata=key_metadata(
            field_types.SCHEDULE,
            "Minute, hour, day of month, month and day of week, as in crontab(5): `15 3 * * *`.",
        )
    )
    timeout: float = key(field_types.INTERVAL, "Time after which a run is stopped.", 3600.0)
    timezone: str = key(field_types.TIMEZONE, "Time zone of the schedule, like `Europe/Berlin`.", "UTC")
