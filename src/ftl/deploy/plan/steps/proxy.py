"""Steps about the proxy, and the network it reaches the containers by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.deploy.plan.steps.base import ServiceStep, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.proxy import Certificate, Site


@dataclass(frozen=True, slots=True)
class EnsureNetwork(Step):
    """The project's private network exists."""

    project: str
    name: str

    @property
    def text(self) -> str:
        return f"create network {self.name}"


@dataclass(frozen=True, slots=True)
class EnsureProxy(Step):
    """The server's proxy runs."""

    image: str

    @property
    def text(self) -> str:
        return f"start the proxy ({self.image})"


@dataclass(frozen=True, slots=True)
class Attach(Step):
    """The proxy is in the project's network, under the names by which services call each other."""

    network: str
    aliases: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"join the proxy to {self.network}"


@dataclass(frozen=True, slots=True)
class ApplySite(Step):
    """The proxy knows the project's routes; it is reloaded only if they changed."""

    site: Site
    certificate: Certificate | None = None

    @property
    def text(self) -> str:
        hosts = sorted({route.host for route in self.site.routes})
        return "set routes" + (f" of {', '.join(hosts)}" if hosts else "")


@dataclass(frozen=True, slots=True)
class UpgradeProxy(Step):
    """The server's proxy runs the newest image of this name; if it did not, visitors wait a second or two."""

    image: str

    @property
    def text(self) -> str:
        return f"bring the proxy to {self.image} as it is now"


@dataclass(frozen=True, slots=True)
class AwaitCertificates(Step):
    """An authority was asked about new hosts: say whether it gave certificates. No release depends on it.

    Attributes:
        files: By host, the file that its certificate will be.
    """

    files: Mapping[str, str]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts."""
        return tuple(self.files)

    @property
    def text(self) -> str:
        return f"get certificates for {', '.join(self.hosts)}"


@dataclass(frozen=True, slots=True)
class OpenName(ServiceStep):
    """A service that nobody outside can reach and that was not live before answers by its name from here on."""

    project: str
    alias: str

    @property
    def text(self) -> str:
        return f"let the project reach {self.service} by its name"


@dataclass(frozen=True, slots=True)
class PointAgain(Step):
    """The proxy learns anew which release is live: it lost its volume, or its file says something else."""

    project: str
    aliases: Mapping[str, str]

    @property
    def text(self) -> str:
        return f"point the proxy at {', '.join(sorted(self.aliases))} again"


@dataclass(frozen=True, slots=True)
class Switch(Step):
    """New requests go to the new release: the moment the deploy is decided."""

    project: str
    release: str
    aliases: Mapping[str, str]

    @property
    def text(self) -> str:
        return f"switch {', '.join(sorted(self.aliases))} to {self.release}"


@dataclass(frozen=True, slots=True)
class Drain(ServiceStep):
    """Old containers finish the requests in flight on them, for at most `timeout` seconds."""

    addresses: tuple[str, ...]
    timeout: float

    @property
    def text(self) -> str:
        return f"let the old {self.service} finish its requests (up to {self.timeout:g} s)"


@dataclass(frozen=True, slots=True)
class Forget(Step):
    """The proxy forgets services that are no longer in the project."""

    project: str
    services: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"forget {', '.join(self.services)}"
