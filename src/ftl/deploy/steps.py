"""The steps of a plan: what will be done, as data. `ftl plan` prints them, `ftl.deploy.apply` does them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ftl.events import type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.deploy.health import Check
    from ftl.deploy.records import ReleaseRecord
    from ftl.engine import ContainerSpec
    from ftl.proxy import Certificate, Site


@dataclass(frozen=True, slots=True)
class Step:
    """The root of all steps."""

    @property
    def kind(self) -> str:
        """Its stable name: "start_containers"."""
        return type_name(type(self))

    @property
    def text(self) -> str:
        """What it does, for people, in the imperative."""
        raise NotImplementedError

    @property
    def subject(self) -> str | None:
        """The service or dependency it is about, if it is about one."""
        return None


@dataclass(frozen=True, slots=True)
class ServiceStep(Step):
    """The root of the steps that are about one service or dependency."""

    service: str

    @property
    def subject(self) -> str:
        return self.service


@dataclass(frozen=True, slots=True)
class EnsureNetwork(Step):
    """The project's private network exists."""

    project: str
    name: str

    @property
    def text(self) -> str:
        return f"create network {self.name}"


@dataclass(frozen=True, slots=True)
class EnsureVolume(Step):
    """A named volume exists; what is there is kept as it is."""

    project: str
    name: str

    @property
    def text(self) -> str:
        return f"create volume {self.name}"


@dataclass(frozen=True, slots=True)
class BringImage(Step):
    """An image that FTL did not build is on the server: pulled there, else sent from here."""

    reference: str
    platform: str

    @property
    def text(self) -> str:
        return f"bring image {self.reference}"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A built image on its way: its ID here, and what it will be called there."""

    service: str
    local: str
    tag: str
    content: str


@dataclass(frozen=True, slots=True)
class SendImages(Step):
    """Built images travel over SSH, each layer once and only if the server lacks it."""

    images: tuple[Outgoing, ...]

    @property
    def text(self) -> str:
        return "send " + ", ".join(image.tag for image in self.images)


@dataclass(frozen=True, slots=True)
class PushPull(ServiceStep):
    """A built image goes through the registry that the user named: pushed from here, pulled there.

    Attributes:
        local: The image's ID here.
    """

    local: str
    reference: str
    tag: str
    platform: str

    @property
    def text(self) -> str:
        return f"push {self.reference}, pull it on the server"


@dataclass(frozen=True, slots=True)
class EnsureProxy(Step):
    """The server's proxy runs."""

    image: str

    @property
    def text(self) -> str:
        return f"start the proxy ({self.image})"


@dataclass(frozen=True, slots=True)
class AwaitCertificates(Step):
    """An authority was asked about new hosts: say whether it gave certificates. No release depends on it."""

    hosts: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"get certificates for {', '.join(self.hosts)}"


@dataclass(frozen=True, slots=True)
class EnsureStore(Step):
    """There is a place for release records."""

    image: str

    @property
    def text(self) -> str:
        return "make room for release records"


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
class StartDependency(ServiceStep):
    """A dependency's container is created, in place of `replaces` if there is one."""

    container: str
    spec: ContainerSpec
    replaces: str | None
    why: str

    @property
    def text(self) -> str:
        return f"{'replace' if self.replaces else 'start'} {self.service} ({self.why})"


@dataclass(frozen=True, slots=True)
class StartContainers(ServiceStep):
    """The containers of a new release, beside the old ones."""

    names: tuple[str, ...]
    spec: ContainerSpec
    why: str

    @property
    def text(self) -> str:
        return f"start {', '.join(self.names)} ({self.why})"


@dataclass(frozen=True, slots=True)
class StartAgain(ServiceStep):
    """Containers that are right but stopped are started again."""

    names: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"start {', '.join(self.names)} again"


@dataclass(frozen=True, slots=True)
class WaitHealthy(ServiceStep):
    """Every one of these containers answers its check."""

    names: tuple[str, ...]
    check: Check

    @property
    def text(self) -> str:
        return f"wait until {self.service} is healthy ({self.check})"


@dataclass(frozen=True, slots=True)
class StopOld(ServiceStep):
    """The old containers stop before the new ones start (`recreate`, or a port that only one can hold)."""

    names: tuple[str, ...]
    timeout: float

    @property
    def text(self) -> str:
        return f"stop {', '.join(self.names)} first"


@dataclass(frozen=True, slots=True)
class RunHook(ServiceStep):
    """A hook runs: in a container of the new image, or on this machine."""

    hook: Literal["pre", "post"]
    where: Literal["remote", "local"]
    command: str
    spec: ContainerSpec
    container: str

    @property
    def text(self) -> str:
        # Not the command: values of env may be in it.
        where = "here" if self.where == "local" else "in the new image"
        return f"run the {self.hook} hook of {self.service} {where}"


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
class PointAgain(Step):
    """The proxy learns anew which release is live: it lost its volume, or its file says something else."""

    project: str
    aliases: Mapping[str, str]

    @property
    def text(self) -> str:
        return f"point the proxy at {', '.join(sorted(self.aliases))} again"


@dataclass(frozen=True, slots=True)
class OpenName(ServiceStep):
    """A service that nobody outside can reach and that was not live before answers by its name from here on."""

    project: str
    alias: str

    @property
    def text(self) -> str:
        return f"let the project reach {self.service} by its name"


@dataclass(frozen=True, slots=True)
class Record(Step):
    """The release record is written; `outcome` is what it says."""

    project: str
    record: ReleaseRecord

    @property
    def text(self) -> str:
        return f"record {self.record.release} as {self.record.outcome}"


@dataclass(frozen=True, slots=True)
class Drain(ServiceStep):
    """Old containers finish the requests in flight on them, for at most `timeout` seconds."""

    addresses: tuple[str, ...]
    timeout: float

    @property
    def text(self) -> str:
        return f"let the old {self.service} finish its requests (up to {self.timeout:g} s)"


@dataclass(frozen=True, slots=True)
class StopAndRemove(ServiceStep):
    """Containers get their stop signal, `timeout` seconds to end, and are removed."""

    names: tuple[str, ...]
    timeout: float
    why: str = "replaced"

    @property
    def text(self) -> str:
        return f"stop and remove {', '.join(self.names)} ({self.why})"


@dataclass(frozen=True, slots=True)
class Forget(Step):
    """The proxy forgets services that are no longer in the project."""

    project: str
    services: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"forget {', '.join(self.services)}"


@dataclass(frozen=True, slots=True)
class DropTags(Step):
    """Images of releases that are too old to go back to lose their names, and with them their room."""

    tags: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"drop {len(self.tags)} old image{'s' if len(self.tags) != 1 else ''}"
