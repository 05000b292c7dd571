"""Steps about the proxy and the network between it and the containers."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import GivenServersStep, ServiceStep, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.deploy.plan.steps.base import ServerLookup
    from ftl.proxy.project_site import UserCertificate
    from ftl.proxy.site import Site


@dataclass(frozen=True, slots=True)
class EnsureNetwork(Step):
    """Create the project's private network if it does not exist."""

    kind = "ensure_network"
    runs_on = "one manager"
    sentence = "create network {0.name}"
    project: str
    name: str


@dataclass(frozen=True, slots=True)
class EnsureProxy(GivenServersStep):
    """Start the server's proxy if it does not run.

    Attributes:
        interrupted: It runs, but a replacement of it was not finished, or is under way.
    """

    kind = "ensure_proxy"
    image: str
    interrupted: bool = False

    @property
    def text(self) -> str:
        if self.interrupted:
            return "finish the replacement of the proxy"
        return f"start the proxy ({self.image})"


@dataclass(frozen=True, slots=True)
class ConnectProxy(GivenServersStep):
    """Connect the proxy to the project's network, under the names of its services.

    Attributes:
        without: Names of services that lead to their containers and not to the proxy.
    """

    kind = "attach"
    sentence = "connect the proxy to {0.network}"
    network: str
    aliases: tuple[str, ...]
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApplySite(Step):
    """Give the proxy the project's routes; it reloads only if they changed.

    Attributes:
        keeps: Subnets of the network that the project leaves: its old containers call other services from there.
    """

    kind = "apply_site"
    runs_on = "computed"
    proxy_effect = "changes"
    site: Site
    certificate: UserCertificate | None = None
    issuer: str = ""
    keeps: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        hosts = sorted({route.host for route in self.site.routes})
        stopped = " (in maintenance)" if self.site.maintenance is not None else ""
        return "set routes" + (f" of {', '.join(hosts)}" if hosts else "") + stopped

    def at(self, lookup: ServerLookup) -> Iterable[Step]:
        # The others forward first: the issuer asks for certificates at once, and the authority any server.
        issuer = lookup.issuer
        others = tuple(server for server in lookup.proxies_for(self) if server != issuer)
        groups = (others, (issuer,)) if others else ((issuer,),)
        return [replace(self, servers=servers, issuer=issuer) for servers in groups]


@dataclass(frozen=True, slots=True)
class UpgradeProxy(GivenServersStep):
    """Replace the server's proxy if a newer image has this name; visitors wait a moment."""

    kind = "upgrade_proxy"
    sentence = "upgrade the proxy to the current {0.image}"
    image: str


@dataclass(frozen=True, slots=True)
class AwaitCertificates(Step):
    """Wait for certificates of new hosts and report them. No release depends on it.

    Attributes:
        files: Host -> path of the file that its certificate will be.
    """

    kind = "await_certificates"
    runs_on = "issuer"
    files: Mapping[str, str]

    @property
    def domains(self) -> tuple[str, ...]:
        """The host names that certificates are for."""
        return tuple(self.files)

    @property
    def text(self) -> str:
        return f"get certificates for {', '.join(self.domains)}"


@dataclass(frozen=True, slots=True)
class PublishName(ServiceStep):
    """Make the name of a service without routes answer before the release is decided."""

    kind = "open_name"
    runs_on = "proxies"
    proxy_effect = "changes"
    sentence = "make {0.service} reachable by its name in the project"
    project: str
    alias: str


@dataclass(frozen=True, slots=True)
class RepairSwitch(Step):
    """Write again which release is live, where the proxy says something else."""

    kind = "point_again"
    runs_on = "proxies"
    proxy_effect = "repairs"
    project: str
    aliases: Mapping[str, str]

    @property
    def text(self) -> str:
        return f"point the proxy at {', '.join(sorted(self.aliases))} again"


@dataclass(frozen=True, slots=True)
class ReachFromProxies(GivenServersStep):
    """Try the way from each proxy of a cluster to new containers, before it is switched.

    Attributes:
        alias: Their name in the network, which the proxies are about to be switched to.
        replicas: Number of them.
    """

    kind = "reach"
    sentence = "try whether the proxies reach {0.service}"
    service: str
    alias: str
    port: int
    replicas: int

    @property
    def subject(self) -> str:
        return self.service


@dataclass(frozen=True, slots=True)
class Switch(Step):
    """Send new requests to the new release: the moment that decides the deploy.

    Attributes:
        aliases: Service -> network alias of its new containers; also of services without a port, which get no requests.
        with_port: The services that get requests, sorted.
        replacements: New container -> the one that it replaces, where a restart goes from one to the next; empty where
            all of a release are switched to.
    """

    kind = "switch"
    runs_on = "proxies"
    proxy_effect = "changes"
    runs_once = True
    project: str
    release: str
    aliases: Mapping[str, str]
    with_port: tuple[str, ...]
    replacements: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        if self.replacements:
            return ", ".join(f"replace {old} with {new}" for new, old in self.replacements.items())
        if not self.with_port:
            return f"make {self.release} the live release of {', '.join(sorted(self.aliases))}"
        return f"switch {', '.join(self.with_port)} to {self.release}"


@dataclass(frozen=True, slots=True)
class Drain(ServiceStep):
    """Let old containers finish the requests in flight, for at most `timeout` seconds."""

    kind = "drain"
    runs_on = "proxies"
    runs_once = True
    sentence = "let the old {0.service} finish its requests (up to {0.timeout:g} s)"
    addresses: tuple[str, ...]
    timeout: float


@dataclass(frozen=True, slots=True)
class RemoveRoutes(Step):
    """Remove services that are no longer in the project from the proxy."""

    kind = "forget"
    runs_on = "proxies"
    proxy_effect = "removes"
    project: str
    services: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"remove {', '.join(self.services)} from the proxy"


@dataclass(frozen=True, slots=True)
class RemoveSite(Step):
    """Remove the project from the proxy: routes, names, and the connection to its network."""

    kind = "remove_site"
    runs_on = "computed"
    proxy_effect = "removes"
    sentence = "remove the routes of {0.project} from the proxy"
    project: str

    def at(self, lookup: ServerLookup) -> Iterable[Step]:
        # A project can be removed while no proxy answers.
        return (replace(self, servers=lookup.proxies),) if lookup.proxies else ()


@dataclass(frozen=True, slots=True)
class RemoveNetworks(Step):
    """Remove networks of the project."""

    kind = "remove_networks"
    runs_on = "computed"
    networks: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"remove network {', '.join(self.networks)}"

    def at(self, lookup: ServerLookup) -> Iterable[Step]:
        """A manager removes those of the cluster; a single server's own is removed on that server."""
        single = set[str]()
        for server, names in lookup.networks.items():
            if own := tuple(name for name in self.networks if name in names):
                single |= names
                yield replace(self, networks=own, servers=(server,))
        if shared := tuple(name for name in self.networks if name not in single):
            yield replace(self, networks=shared)
