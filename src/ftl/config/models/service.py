"""Sections below a service or dependency: build, routes, health checks, hooks, container.

All durations are in seconds.
"""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from ftl.config.models import field_types
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
from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSecret(Section):
    """`build.secrets[]:` a BuildKit secret, never part of the image.

    The Dockerfile reads it in `RUN --mount=type=secret,id=ID`. A single value is the name of a variable; `ID=FILE` is
    a file; docker's `id=ID,src=FILE` and `id=ID,env=NAME` work too.
    """

    ALTERNATIVES: ClassVar = (Alternatives(("env", "file")),)

    id: str = field(metadata=key_metadata(field_types.TEXT, "ID of the secret in the Dockerfile."))
    env: str | None = key(
        field_types.TEXT, "Variable (of the environment or .env) that contains the secret.", None
    )
    file: str | None = key(field_types.PATH, "File that contains the secret, relative to ftl.yaml.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build(Section):
    """`build:` how to build the image. A single value is the context."""

    ALTERNATIVES: ClassVar = (Alternatives(("platform", "platforms")),)

    context: str = key(field_types.PATH, "Folder that is sent to the builder, relative to ftl.yaml.", ".")
    dockerfile: str = key(field_types.PATH, "Dockerfile, relative to the context.", "Dockerfile")
    target: str | None = key(field_types.TEXT, "Stage to build.", None, default_text="the last")
    args: dict[str, str] = string_map(
        "Build arguments. They stay visible in the image: use `secrets` for secrets.", sensitive=True
    )
    secrets: tuple[BuildSecret, ...] = key(ListOf(Nested(BuildSecret)), "BuildKit secrets.", ())
    platform: str | None = key(
        field_types.PLATFORM, "`linux/amd64`, `linux/arm64`, ...", None, default_text="the server's platform"
    )
    platforms: tuple[str, ...] = key(
        ListOf(field_types.PLATFORM),
        "With `image`, in place of `platform`: the platforms that the registry gets an image for. One of them is "
        "the server's.",
        (),
    )
    on: str | None = key(
        field_types.BUILD_HOST,
        "Where to build: `server` (of several the first), a host that ssh reaches and that has Docker, "
        "or `local`, this machine.",
        None,
        default_text="this machine",
    )
    cache: tuple[str, ...] = key(
        ListOf(field_types.BUILD_CACHE),
        "Build caches for machines that keep none, such as CI runners: `gha` (GitHub's), a folder (`./cache`, "
        "relative to ftl.yaml) or a repository of a registry. All are read; they are written where `$CI` is set.",
        (),
    )

    @property
    def place(self) -> str:
        """Machine that builds: "server", a host, or empty for this machine."""
        return self.on if self.on not in (None, "local") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Section):
    """`routes[]:` public requests for `host` below `path`; the longest path wins.

    A single value is the path.
    """

    path: str = key(field_types.URL_PATH, "Path prefix of the requests.", "/")
    strip_prefix: bool = key(
        field_types.BOOLEAN,
        "Whether to remove the path from the requests that the service receives; "
        "it is then in `X-Forwarded-Prefix`.",
        False,
    )
    host: str | None = key(field_types.ROUTE_HOST, "Host name.", None, default_text="`project.domain`")


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck(Section):
    """`health_check:` a probe over the network, which needs no program inside the image.

    A single value is the path.
    """

    path: str | None = key(
        field_types.PROBE_PATH,
        "Path that must respond with a status from 200 to 299.",
        None,
        sensitive=True,
        default_text="the port must answer a request",
    )
    interval: float = key(field_types.INTERVAL, "Time between two probes.", 1.0)
    timeout: float = key(field_types.INTERVAL, "Maximum duration of one probe.", 5.0)
    retries: int = key(field_types.COUNT, "Number of failures after which the container is unhealthy.", 30)
    start_period: float = key(
        field_types.DURATION, "Time after the start in which failures do not count.", 0.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook(Section):
    """A command in a container of the new image, on this machine, or both.

    A single value is `remote`.
    """

    local: str | tuple[str, ...] | None = key(
        CommandLine(for_shell=True),
        "Runs on this machine, with tunnels open and the variables of .env; a text with `sh -c`, "
        "a list without a shell.",
        None,
        sensitive=True,
    )
    remote: str | tuple[str, ...] | None = key(
        CommandLine(for_shell=True),
        "Runs on the server in a container of the new image; a text with `sh -c`, a list without a shell.",
        None,
        sensitive=True,
    )
    timeout: float = key(
        field_types.INTERVAL, "Time that each command may take; then it is stopped, and failed.", 3600.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks(Section):
    """`hooks:` commands before the new containers start, and after the switch to them."""

    pre: Hook | None = key(
        Nested(Hook, "remote"),
        "Runs before the new containers start; if it fails, the old release stays.",
        None,
    )
    post: Hook | None = key(Nested(Hook, "remote"), "Runs after the switch.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerHealthCheck(Section):
    """`container.health_check:` a check that Docker runs inside the container."""

    cmd: str | tuple[str, ...] = field(
        metadata=key_metadata(
            CommandLine(), "A text runs in the image's shell, a list without a shell.", sensitive=True
        )
    )
    interval: float = key(field_types.INTERVAL, "Time between two checks.", 10.0)
    timeout: float = key(field_types.INTERVAL, "Maximum duration of one check.", 5.0)
    retries: int = key(
        field_types.COUNT, "Number of consecutive failures after which the container is unhealthy.", 3
    )
    start_period: float = key(
        field_types.DURATION, "Time after the start in which failures do not count.", 0.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UlimitOption(Section):
    """`container.ulimits[]:` one limit of the container's processes; -1 is no limit."""

    name: str = field(
        metadata=key_metadata(field_types.LIMIT_NAME, "Name of the limit: `nofile`, `nproc`, `memlock`, ...")
    )
    soft: int = field(metadata=key_metadata(field_types.LIMIT, "Effective limit."))
    hard: int = field(
        metadata=key_metadata(field_types.LIMIT, "Maximum to which a process may raise the limit.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions(Section):
    """`container:` settings of the container."""

    health_check: ContainerHealthCheck | None = key(
        Nested(ContainerHealthCheck), "A check that Docker runs inside the container.", None
    )
    ulimits: tuple[UlimitOption, ...] = key(
        ListOf(Nested(UlimitOption)), "Limits: a list, or a map as in Compose (`nofile: 65535`).", ()
    )
