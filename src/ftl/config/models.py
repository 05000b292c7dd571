"""The sections of ftl.yaml as frozen values, defaults filled in: what the rest of FTL works on.

They are dataclasses and no pydantic models because `ftl validate` has 15 times the time of an empty Python
program, of which importing pydantic alone takes more (docs/decisions/0002-configuration-without-pydantic.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from ftl.config import kinds
from ftl.config.bindings import Forward, VolumeMount, parse_forward, parse_volume
from ftl.config.kinds import Kind, Many, Nested, Pairs, Words, key, keys_of

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Section:
    """What all sections share: a plain form that JSON can carry (release records), and the way back."""

    def to_dict(self) -> dict[str, Any]:
        """Every key under its name; tuples become lists, sections become maps."""
        return {name: _plain(getattr(self, name)) for name in keys_of(type(self))}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The section that `to_dict` was called on; names it does not know are left out."""
        known = keys_of(cls)
        return cls(
            **{name: _restored(value, known[name].kind) for name, value in data.items() if name in known}
        )


def _plain(value: object) -> Any:
    if isinstance(value, Section):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _restored(value: Any, kind: Kind) -> Any:
    if isinstance(kind, Nested) and isinstance(value, Mapping):
        return kind.section.from_dict(value)
    if isinstance(value, list):
        item = kind.item if isinstance(kind, Many) else None
        return tuple(item.section.from_dict(one) if isinstance(item, Nested) else one for one in value)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectInfo(Section):
    """`project:` who this is."""

    name: str = field(
        metadata=key(kinds.NAME, "Part of the names of all images, containers, networks and volumes.")
    )
    domain: str | None = field(
        default=None,
        metadata=key(
            kinds.DOMAIN, "The host name of routes that name none, and the server's if that is not given."
        ),
    )
    email: str | None = field(
        default=None, metadata=key(kinds.EMAIL, "Contact for the authority that signs the certificates.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(Section):
    """`server:` where it goes; what is None is left to ssh itself (its config file, the agent).

    Attributes:
        known_hosts: No key of ftl.yaml: the file with the host key of a server that FTL itself made (a sandbox).
    """

    host: str = field(
        metadata=key(
            kinds.SSH_HOST,
            "A name, an address or a Host of ~/.ssh/config; `local` is this machine's own engine, without SSH.",
            optional=True,
            default="`project.domain`",
        )
    )
    port: int | None = field(default=None, metadata=key(kinds.PORT, "SSH port.", default="22"))
    user: str | None = field(
        default=None, metadata=key(kinds.SSH_USER, "Who logs in.", default="the current user")
    )
    ssh_key: str | None = field(
        default=None,
        metadata=key(kinds.PATH, "Private key file.", default="what ssh itself would use"),
    )
    known_hosts: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether this machine's own engine is meant, without SSH."""
        return self.host == "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSecret(Section):
    """`build.secrets[]:` a BuildKit secret, for `RUN --mount=type=secret,id=ID`; never part of the image.

    A single value is an environment variable under its own name; `ID=FILE` is a file.
    """

    id: str = field(metadata=key(kinds.TEXT, "What the Dockerfile calls it."))
    env: str | None = field(
        default=None, metadata=key(kinds.TEXT, "The environment variable (or line of .env) that holds it.")
    )
    file: str | None = field(
        default=None, metadata=key(kinds.PATH, "The file that holds it, relative to ftl.yaml.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Build(Section):
    """`build:` how an image is made. A single value is the context."""

    context: str = field(
        default=".", metadata=key(kinds.PATH, "The folder that is sent to the builder, relative to ftl.yaml.")
    )
    dockerfile: str = field(
        default="Dockerfile", metadata=key(kinds.PATH, "The Dockerfile, relative to the context.")
    )
    target: str | None = field(
        default=None, metadata=key(kinds.TEXT, "The stage to build.", default="the last")
    )
    args: dict[str, str] = field(
        default_factory=dict,
        metadata=key(
            Pairs(), "Build arguments. They stay visible in the image: use secrets for secrets.", private=True
        ),
    )
    secrets: tuple[BuildSecret, ...] = field(
        default=(), metadata=key(Many(Nested(BuildSecret)), "BuildKit secrets.")
    )
    platform: str | None = field(
        default=None,
        metadata=key(kinds.PLATFORM, "`linux/amd64`, `linux/arm64`, ...", default="the server's platform"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Section):
    """`routes[]:` public requests for `host` below `path`; the longest path wins. A single value is the path."""

    path: str = field(default="/", metadata=key(kinds.URL_PATH, "Requests for it and for all below it."))
    strip_prefix: bool = field(
        default=False, metadata=key(kinds.BOOLEAN, "Whether the service sees its requests without the path.")
    )
    host: str | None = field(
        default=None, metadata=key(kinds.ROUTE_HOST, "The host name.", default="`project.domain`")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck(Section):
    """`health_check:` probed from the network, never by a program inside the image.

    Durations are seconds. A single value is the path.
    """

    path: str | None = field(
        default=None,
        metadata=key(
            kinds.PROBE_PATH,
            "Must answer with a status from 200 to 299.",
            private=True,
            default="the port must accept a connection",
        ),
    )
    interval: float = field(default=1.0, metadata=key(kinds.INTERVAL, "Between two probes."))
    timeout: float = field(default=5.0, metadata=key(kinds.INTERVAL, "How long one probe may take."))
    retries: int = field(default=30, metadata=key(kinds.COUNT, "So many failures make it unhealthy."))
    start_period: float = field(
        default=0.0, metadata=key(kinds.DURATION, "Failures this soon after the start do not count.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook(Section):
    """A command in a container of the new image, or on this machine, or both. A single value is `remote`."""

    local: str | None = field(
        default=None,
        metadata=key(kinds.TEXT, "Runs on this machine by `sh -c`, with tunnels open.", private=True),
    )
    remote: str | None = field(
        default=None,
        metadata=key(
            kinds.TEXT, "Runs on the server by `sh -c` in a container of the new image.", private=True
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
    """`container.health_check:` Docker's own, run inside the container. Durations are seconds."""

    cmd: str | tuple[str, ...] = field(
        metadata=key(Words(), "A text runs by the image's shell, a list runs as it is.", private=True)
    )
    interval: float = field(default=10.0, metadata=key(kinds.INTERVAL, "Between two checks."))
    timeout: float = field(default=5.0, metadata=key(kinds.INTERVAL, "How long one check may take."))
    retries: int = field(default=3, metadata=key(kinds.COUNT, "So many failures make it unhealthy."))
    start_period: float = field(
        default=0.0, metadata=key(kinds.DURATION, "Failures this soon after the start do not count.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit(Section):
    """`container.ulimits[]:` one limit of the container's processes; -1 is none."""

    name: str = field(metadata=key(kinds.LIMIT_NAME, "`nofile`, `nproc`, `memlock`, ..."))
    soft: int = field(metadata=key(kinds.LIMIT, "The limit that holds."))
    hard: int = field(metadata=key(kinds.LIMIT, "How far a process may raise it."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Container(Section):
    """`container:` settings of the container itself."""

    health_check: ContainerHealthCheck | None = field(
        default=None,
        metadata=key(Nested(ContainerHealthCheck), "A check that Docker runs inside the container."),
    )
    ulimits: tuple[Ulimit, ...] = field(
        default=(), metadata=key(Many(Nested(Ulimit)), "A list, or a map as in Compose (`nofile: 65535`).")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Section):
    """`services[]:` a container of your own code, or of an image, that FTL replaces without losing a request."""

    name: str = field(
        metadata=key(
            kinds.NAME, "Unique in the project. Other containers of the project reach it by this name."
        )
    )
    port: int | None = field(
        default=None, metadata=key(kinds.PORT, "What the app listens on inside; needed for routes.")
    )
    build: Build | None = field(
        default=None, metadata=key(Nested(Build, "context"), "How the image is built on this machine.")
    )
    image: str | None = field(
        default=None,
        metadata=key(
            kinds.IMAGE,
            "With `build`: tag, push to that registry, pull on the server. Without: pulled only. "
            "Absent: the built image goes to the server over SSH.",
        ),
    )
    routes: tuple[Route, ...] = field(
        default=(), metadata=key(Many(Nested(Route, "path")), "Which public requests it gets.")
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
        default_factory=dict, metadata=key(Pairs(), "Environment; wins over `env_file`.", private=True)
    )
    volumes: tuple[str, ...] = field(
        default=(), metadata=key(Many(kinds.VOLUME), "`NAME:/path[:ro]` or `/path/on/server:/path[:ro]`.")
    )
    command: str | tuple[str, ...] | None = field(
        default=None, metadata=key(Words(), "Instead of the image's.", private=True)
    )
    entrypoint: str | tuple[str, ...] | None = field(
        default=None, metadata=key(Words(), "Instead of the image's.", private=True)
    )
    forwards: tuple[str, ...] = field(
        default=(),
        metadata=key(
            Many(kinds.FORWARD),
            "Ports of the server that lead past the proxy: `[ADDRESS:]HOST_PORT:CONTAINER_PORT[/udp]`.",
        ),
    )
    recreate: bool = field(
        default=False,
        metadata=key(kinds.BOOLEAN, "Stop the old container before the new one starts (a short outage)."),
    )
    replicas: int = field(default=1, metadata=key(kinds.COUNT, "How many containers share the requests."))
    hooks: Hooks = field(default=Hooks(), metadata=key(Nested(Hooks), "Commands around the switch."))
    container: Container = field(
        default=Container(), metadata=key(Nested(Container), "Settings of the container itself.")
    )
    stop_timeout: float = field(
        default=10.0, metadata=key(kinds.DURATION, "Between the stop signal and SIGKILL.")
    )
    drain_timeout: float = field(
        default=30.0, metadata=key(kinds.DURATION, "How long the old release may finish its requests.")
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

    name: str = field(metadata=key(kinds.NAME, "Unique in the project. Services reach it by this name."))
    image: str = field(metadata=key(kinds.IMAGE, "Used if the server has it, else pulled."))
    volumes: tuple[str, ...] = field(
        default=(), metadata=key(Many(kinds.VOLUME), "`NAME:/path[:ro]` or `/path/on/server:/path[:ro]`.")
    )
    env: dict[str, str] = field(default_factory=dict, metadata=key(Pairs(), "Environment.", private=True))
    ports: tuple[int, ...] = field(
        default=(),
        metadata=key(
            Many(kinds.PORT), "Published on the server's 127.0.0.1 alone; what `ftl tunnels` reaches."
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
class Proxy(Section):
    """`proxy:` the one proxy of the server."""

    image: str = field(default="caddy:2", metadata=key(kinds.IMAGE, "A Caddy 2 image."))
    tls: Literal["auto", "internal", "off"] = field(
        default="auto",
        metadata=key(
            kinds.TLS, "Certificates from an ACME authority, from the proxy's own authority, or no HTTPS."
        ),
    )
    certificate: str | None = field(
        default=None, metadata=key(kinds.PATH, "A certificate of your own (PEM); needs `key`.")
    )
    key: str | None = field(default=None, metadata=key(kinds.PATH, "The certificate's private key (PEM)."))
    acme_ca: str | None = field(
        default=None,
        metadata=kinds.key(
            kinds.ACME_URL, "The directory of another ACME authority.", default="Let's Encrypt"
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Section):
    """A whole ftl.yaml, resolved.

    Attributes:
        masked: "services.0.command" -> its text with what came from variables made unreadable, for the values
            that are shown when secrets are not. No part of the file and of no plain form.
    """

    project: ProjectInfo = field(metadata=key(Nested(ProjectInfo), "Who this is."))
    server: Server = field(metadata=key(Nested(Server, "host"), "Where it goes.", optional=True))
    services: tuple[Service, ...] = field(metadata=key(Many(Nested(Service)), "What is deployed."))
    dependencies: tuple[Dependency, ...] = field(
        default=(),
        metadata=key(Many(Nested(Dependency)), "What the services need: `postgres:16` or a mapping."),
    )
    volumes: tuple[str, ...] = field(
        default=(),
        metadata=key(
            Many(kinds.VOLUME_NAME),
            "Named volumes. They need not be listed to be used, and are kept for ever unless "
            "`ftl remove --volumes` is called.",
        ),
    )
    proxy: Proxy = field(default=Proxy(), metadata=key(Nested(Proxy), "The proxy of the server."))
    masked: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The project's name."""
        return self.project.name
