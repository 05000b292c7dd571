"""The sections below a service or a dependency: how it is built, reached, checked and run.

All durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ftl.config.models import field_types
from ftl.config.models.field_types import CommandLine, ListOf, Nested, StringMap, key
from ftl.config.models.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSecret(Section):
    """`build.secrets[]:` a BuildKit secret, for `RUN --mount=type=secret,id=ID`; never part of the image.

    A single value is the name of a variable; `ID=FILE` is a file, and `id=ID,src=FILE` and `id=ID,env=NAME` are
    docker's own way to say it.
    """

    id: str = field(metadata=key(field_types.TEXT, "What the Dockerfile calls it."))
    env: str | None = field(
        default=None,
        metadata=key(field_types.TEXT, "The environment variable (or line of .env) that holds it."),
    )
    file: str | None = field(
        default=None, metadata=key(field_types.PATH, "The file that holds it, relative to ftl.yaml.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Build(Section):
    """`build:` how an image is made. A single value is the context."""

    context: str = field(
        default=".",
        metadata=key(field_types.PATH, "The folder that is sent to the builder, relative to ftl.yaml."),
    )
    dockerfile: str = field(
        default="Dockerfile", metadata=key(field_types.PATH, "The Dockerfile, relative to the context.")
    )
    target: str | None = field(
        default=None, metadata=key(field_types.TEXT, "The stage to build.", default="the last")
    )
    args: dict[str, str] = field(
        default_factory=dict,
        metadata=key(
            StringMap(),
            "Build arguments. They stay visible in the image: use secrets for secrets.",
            private=True,
        ),
    )
    secrets: tuple[BuildSecret, ...] = field(
        default=(), metadata=key(ListOf(Nested(BuildSecret)), "BuildKit secrets.")
    )
    platform: str | None = field(
        default=None,
        metadata=key(
            field_types.PLATFORM, "`linux/amd64`, `linux/arm64`, ...", default="the server's platform"
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Section):
    """`routes[]:` public requests for `host` below `path`; the longest path wins. A single value is the path."""

    path: str = field(
        default="/", metadata=key(field_types.URL_PATH, "Requests for it and for all below it.")
    )
    strip_prefix: bool = field(
        default=False,
        metadata=key(field_types.BOOLEAN, "Whether the service sees its requests without the path."),
    )
    host: str | None = field(
        default=None, metadata=key(field_types.ROUTE_HOST, "The host name.", default="`project.domain`")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck(Section):
    """`health_check:` probed from the network, never by a program inside the image.

    A single value is the path.
    """

    path: str | None = field(
        default=None,
        metadata=key(
            field_types.PROBE_PATH,
            "Must answer with a status from 200 to 299.",
            private=True,
            default="the port must accept a connection",
        ),
    )
    interval: float = field(default=1.0, metadata=key(field_types.INTERVAL, "Between two probes."))
    timeout: float = field(default=5.0, metadata=key(field_types.INTERVAL, "How long one probe may take."))
    retries: int = field(default=30, metadata=key(field_types.COUNT, "So many failures make it unhealthy."))
    start_period: float = field(
        default=0.0, metadata=key(field_types.DURATION, "Failures this soon after the start do not count.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook(Section):
    """A command in a container of the new image, or on this machine, or both. A single value is `remote`."""

    local: str | None = field(
        default=None,
        metadata=key(field_types.TEXT, "Runs on this machine by `sh -c`, with tunnels open.", private=True),
    )
    remote: str | None = field(
        default=None,
        metadata=key(
            field_types.TEXT, "Runs on the server by `sh -c` in a container of the new image.", private=True
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks(Section):
    """`hooks:` before and after the switch."""

    pre: Hook | None = field(
        default=None,
        metadata=key(Nested(Hook, "remote"), "Before the switch; when it fails, the old release stays."),
    )
    post: Hook | None = field(default=None, metadata=key(Nested(Hook, "remote"), "After the switch."))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerHealthCheck(Section):
    """`container.health_check:` Docker's own, run inside the container."""

    cmd: str | tuple[str, ...] = field(
        metadata=key(CommandLine(), "A text runs by the image's shell, a list runs as it is.", private=True)
    )
    interval: float = field(default=10.0, metadata=key(field_types.INTERVAL, "Between two checks."))
    timeout: float = field(default=5.0, metadata=key(field_types.INTERVAL, "How long one check may take."))
    retries: int = field(default=3, metadata=key(field_types.COUNT, "So many failures make it unhealthy."))
    start_period: float = field(
        default=0.0, metadata=key(field_types.DURATION, "Failures this soon after the start do not count.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit(Section):
    """`container.ulimits[]:` one limit of the container's processes; -1 is none."""

    name: str = field(metadata=key(field_types.LIMIT_NAME, "`nofile`, `nproc`, `memlock`, ..."))
    soft: int = field(metadata=key(field_types.LIMIT, "The limit that holds."))
    hard: int = field(metadata=key(field_types.LIMIT, "How far a process may raise it."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Container(Section):
    """`container:` settings of the container itself."""

    health_check: ContainerHealthCheck | None = field(
        default=None,
        metadata=key(Nested(ContainerHealthCheck), "A check that Docker runs inside the container."),
    )
    ulimits: tuple[Ulimit, ...] = field(
        default=(), metadata=key(ListOf(Nested(Ulimit)), "A list, or a map as in Compose (`nofile: 65535`).")
    )
