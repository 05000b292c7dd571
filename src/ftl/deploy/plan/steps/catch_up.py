"""Steps about servers of a cluster that were away: they follow what the Swarm says is live."""

from __future__ import annotations

from typing import ClassVar

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import Step


@dataclass(frozen=True, slots=True)
class HoldCatchUp(Step):
    """Take what is live from the Swarm: no server follows it while it is about to change."""

    kind: ClassVar[str] = "hold_catch_up"
    together: ClassVar[bool] = True
    project: str

    @property
    def text(self) -> str:
        return "servers that come back wait until the release is decided"


@dataclass(frozen=True, slots=True)
class AnnounceLive(Step):
    """Tell the Swarm what is live, and let the servers look for it each minute.

    Attributes:
        proxies: All servers that have a proxy, also those that do not answer.
        issuer: The server whose proxy gets certificates.
        gone: Services that the proxies forget later in the plan.
    """

    kind: ClassVar[str] = "publish_live"
    together: ClassVar[bool] = True
    project: str
    proxies: tuple[str, ...] = ()
    issuer: str = ""
    gone: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "publish what is live, for servers that come back"


@dataclass(frozen=True, slots=True)
class ShareCertificates(Step):
    """Have the proxies share certificates at once, as they do each minute.

    Attributes:
        issuer: The server whose proxy gets them.
    """

    kind: ClassVar[str] = "share_certificates"
    together: ClassVar[bool] = True
    project: str
    issuer: str

    @property
    def text(self) -> str:
        return "share certificates between the proxies"


@dataclass(frozen=True, slots=True)
class EndCatchUp(Step):
    """Have the servers look no more: the project is removed."""

    kind: ClassVar[str] = "end_catch_up"
    together: ClassVar[bool] = True
    project: str

    @property
    def text(self) -> str:
        return "servers look for what is live no more"
