"""Steps about servers that were away: they follow the live state in a Swarm config."""

from __future__ import annotations

from typing import ClassVar

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import RunsOn, Step


@dataclass(frozen=True, slots=True)
class HoldCatchUp(Step):
    """Remove the config of the live state: no server follows it while it is about to change."""

    kind: ClassVar[str] = "hold_catch_up"
    runs_on: ClassVar[RunsOn] = "named"
    together: ClassVar[bool] = True
    project: str

    @property
    def text(self) -> str:
        return "servers that come back wait until the release is decided"


@dataclass(frozen=True, slots=True)
class PublishLiveState(Step):
    """Store the live state in a Swarm config, which servers follow by cron each minute.

    The live state is the proxies' site, configuration and live files of the project.

    Attributes:
        proxies: All servers that have a proxy, also those that do not answer.
        issuer: The server whose proxy gets certificates.
        gone: Services that the proxies forget later in the plan.
    """

    kind: ClassVar[str] = "publish_live"
    runs_on: ClassVar[RunsOn] = "named"
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
    runs_on: ClassVar[RunsOn] = "named"
    together: ClassVar[bool] = True
    project: str
    issuer: str

    @property
    def text(self) -> str:
        return "share certificates between the proxies"


@dataclass(frozen=True, slots=True)
class EndCatchUp(Step):
    """Remove the config, and the cron entries that follow it: the project is removed."""

    kind: ClassVar[str] = "end_catch_up"
    runs_on: ClassVar[RunsOn] = "named"
    together: ClassVar[bool] = True
    project: str

    @property
    def text(self) -> str:
        return "servers no longer follow what is live"
