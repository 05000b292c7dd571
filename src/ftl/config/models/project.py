"""The project: top sections of ftl.yaml as frozen values, with defaults.

They are plain dataclasses: importing pydantic alone would take longer than the whole of `ftl validate` may take
(docs/decisions/0002-configuration-without-pydantic.md).
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ftl.common.suggestions import select_names
from ftl.config.models import field_types
from ftl.config.models.backup import ScheduledBackup
from ftl.config.models.field_types import Alternatives, ListOf, Nested, Section, key, key_metadata
from ftl.config.models.notification import Notification
from ftl.config.models.proxy import Proxy, Redirect, Registry
from ftl.config.models.secret import Secret
from ftl.config.models.server import ClusterServer, Server, servers_on
from ftl.config.models.service import (
    Build,
    BuildSecret,
    ContainerHealthCheck,
    ContainerOptions,
    HealthCheck,
    Hook,
    Hooks,
    Route,
    UlimitOption,
)
from ftl.config.models.units import Dependency, Job, Service
from ftl.config.yaml.locations import Locations
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.common.secret_texts import SecretTexts
    from ftl.config.yaml.locations import KeyPath

__all__ = [
    "Build",
    "BuildSecret",
    "ClusterServer",
    "ContainerHealthCheck",
    "ContainerOptions",
    "Dependency",
    "HealthCheck",
    "Hook",
    "Hooks",
    "Job",
    "Project",
    "ProjectInfo",
    "Proxy",
    "Redirect",
    "Registry",
    "Route",
    "Secret",
    "Server",
    "Service",
    "UlimitOption",
]


PREVIEW = "preview"
"""Name of the overlay that all previews share: ftl.preview.yaml."""


KEEP_RELEASES = 5
"""Default of `keep_releases`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectInfo(Section):
    """`project:` name, domain and contact of the project."""

    name: str = field(
        metadata=key_metadata(
            field_types.NAME, "Part of the names of all images, containers, networks and volumes."
        )
    )
    domain: str | None = key(
        field_types.DOMAIN,
        "Host name of the routes without `host`; also the server's address if `server.host` is not given.",
        None,
    )
    email: str | None = key(
        field_types.EMAIL, "Contact address for the authority that issues the certificates.", None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Section):
    """Keys at the top of ftl.yaml.

    Attributes:
        environment: Name of the environment, of which ftl.NAME.yaml and .env.NAME were read; empty: none.
            Not part of the file, and not of the plain form.
        preview_of: For a preview, the project's name in ftl.yaml; ftl.preview.yaml and .env.preview were read for
            `environment`. Empty: it is none; likewise.
        secret_users: Secrets that are used, with the services, dependencies or sections that use them; likewise.
        secret_values: Values of the secrets that were fetched; likewise.
        secret_texts: Service -> its texts with secrets in them; likewise. None: not known, by a record of FTL 0.1.
        secret_words: Words of commands with the names of the secrets in them, by key path; likewise.
        masked: Masked texts of sensitive values that come from variables, by key path; likewise.
        locations: Places of the values in their files; likewise.
    """

    ALTERNATIVES: ClassVar = (Alternatives(("server", "servers")),)

    project: ProjectInfo = field(metadata=key_metadata(Nested(ProjectInfo), "The project."))
    server: Server = field(
        metadata=key_metadata(Nested(Server, "host"), "The server to deploy to.", optional=True)
    )
    servers: tuple[ClusterServer, ...] = key(
        ListOf(Nested(ClusterServer, "host")),
        "In place of `server`: several servers that share the work, as one cluster (Docker's Swarm mode). "
        "Dependencies and volumes are on the first one, unless `on` names another.",
        (),
    )
    services: tuple[Service, ...] = field(
        metadata=key_metadata(ListOf(Nested(Service)), "The apps to deploy; at least one.")
    )
    dependencies: tuple[Dependency, ...] = key(
        ListOf(Nested(Dependency)), "Databases and caches: texts like `postgres:16`, or mappings.", ()
    )
    jobs: tuple[Job, ...] = key(ListOf(Nested(Job)), "Commands that run on a schedule.", ())
    backups: tuple[ScheduledBackup, ...] = key(
        ListOf(Nested(ScheduledBackup)), "Backups that the server makes on a schedule.", ()
    )
    volumes: tuple[str, ...] = key(
        ListOf(field_types.VOLUME_NAME),
        "Named volumes. Volumes can be used without being listed here, and FTL never removes one.",
        (),
    )
    secrets: tuple[Secret, ...] = key(
        ListOf(Nested(Secret)),
        "Secrets for `${NAME}`, `services[].secrets` and `build.secrets`: `{API_KEY: {command: op read ...}}`. "
        "They are fetched when they are used, and masked in all output.",
        (),
    )
    keep_releases: int = key(
        field_types.COUNT,
        "Number of different releases whose images and records stay on the server, for `ftl rollback`: one that runs "
        "the same as a newer one does not count.",
        KEEP_RELEASES,
    )
    proxy: Proxy = key(Nested(Proxy), "The proxy of the server.", Proxy())
    registries: tuple[Registry, ...] = key(
        ListOf(Nested(Registry)),
        "Credentials for registries. For other registries, those of `docker login` and its helpers are used.",
        (),
    )
    notify: tuple[Notification, ...] = key(
        ListOf(Nested(Notification, "url")),
        "Places that get a message about deploys, rollbacks, failures, jobs and certificates.",
        (),
    )
    protected: bool = key(
        field_types.BOOLEAN,
        "Whether commands that change the server need `-e NAME` on the command line (`$FTL_ENV` is not enough), "
        "and a deploy needs a checkout without changes.",
        False,
    )
    environment: str = field(default="", compare=False)
    preview_of: str = field(default="", compare=False)
    secret_users: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)
    secret_values: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    secret_texts: Mapping[str, SecretTexts] | None = field(default_factory=dict, repr=False, compare=False)
    secret_words: Mapping[KeyPath, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)
    masked: Mapping[KeyPath, str] = field(default_factory=dict, repr=False, compare=False)
    locations: Locations = field(default=Locations(), repr=False, compare=False)

    @classmethod
    def bare(cls, name: str, server: Server, servers: tuple[ClusterServer, ...] = ()) -> Self:
        """A project of which only the name and the servers are known."""
        return cls(project=ProjectInfo(name=name), server=server, servers=servers, services=())

    @property
    def name(self) -> str:
        """The project's name."""
        return self.project.name

    @property
    def overlay(self) -> str:
        """The NAME of the ftl.NAME.yaml and .env.NAME that were read; empty: none."""
        return PREVIEW if self.preview_of else self.environment

    @property
    def unfetched(self) -> frozenset[str]:
        """Services, dependencies and sections that lack a secret, and have a placeholder."""
        missing = self.secret_users.keys() - self.secret_values.keys()
        return frozenset(user for name in missing for user in self.secret_users[name])

    @property
    def is_cluster(self) -> bool:
        """Whether it is deployed to `servers`, as one cluster."""
        return bool(self.servers)

    def servers_on(self, on: Sequence[str]) -> tuple[str, ...]:
        """Hosts that an `on` names, by host or role, in the order of the file; all if it is empty."""
        return servers_on(self.servers, on)

    def servers_for(self, service: Service) -> tuple[str, ...]:
        """Hosts of the servers where a service's containers may run."""
        servers = self.servers_on(service.on)
        pinned = not service.on and any(mount.is_named for mount in service.mounts)
        return servers[:1] if pinned else servers

    def server_for(self, dependency: Dependency) -> str:
        """Host of the server that a dependency runs on; empty without `servers`."""
        return next(iter(self.servers_on((dependency.on,) if dependency.on else ())), "")

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values; without `servers` there is nothing about places in them."""
        plain = Section.to_dict(self)
        if not self.servers:
            del plain["servers"]
            for section in (*plain["services"], *plain["dependencies"]):
                del section["on"]
        return plain

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs of its routes."""
        scheme = "http" if self.proxy.tls == "off" else "https"
        addresses = {
            f"{scheme}://{route.host or self.project.domain}{'' if route.path == '/' else route.path}"
            for service in self.services
            for route in service.routes
        }
        return tuple(sorted(addresses))

    @property
    def built_dependencies(self) -> tuple[Service, ...]:
        """The dependencies with a `build`, as the builder takes services."""
        return tuple(
            Service(name=dependency.name, build=dependency.build)
            for dependency in self.dependencies
            if dependency.build is not None
        )

    def select_services(self, names: Sequence[str]) -> tuple[Service, ...]:
        """The services with these names; all of them if none is given.

        Raises:
            UsageError: As `select_names`.
        """
        selected = select_names(names, [service.name for service in self.services], kind="service")
        return tuple(service for service in self.services if service.name in selected)
