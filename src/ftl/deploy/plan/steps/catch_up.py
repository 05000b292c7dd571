"""Steps about servers that were away: they catch up with the live state in a Swarm config."""

from __future__ import annotations

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import GivenServersStep


@dataclass(frozen=True, slots=True)
class PauseCatchUp(GivenServersStep):
    """Remove the config of the live state: none catches up with it while it is about to change."""

    kind = "hold_catch_up"
    runs_once = True
    sentence = "make returning servers wait until the release is live"
    project: str


@dataclass(frozen=True, slots=True)
class PublishLiveState(GivenServersStep):
    """Store the live state in a Swarm config, with which servers catch up by cron each minute.

    The live state is the proxies' site, configuration and live files of the project.

    Attributes:
        proxies: All servers that have a proxy, also those that do not answer.
        gone: Services that the proxies forget later in the plan.
    """

    kind = "publish_live"
    runs_once = True
    sentence = "publish the live release for servers that come back"
    project: str
    proxies: tuple[str, ...] = ()
    issuer: str = ""
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShareCertificates(GivenServersStep):
    """Have the proxies share certificates at once, as they do each minute."""

    kind = "share_certificates"
    runs_once = True
    sentence = "share certificates between the proxies"
    project: str
    issuer: str


@dataclass(frozen=True, slots=True)
class EndCatchUp(GivenServersStep):
    """Remove the config, and the cron entries of the catch-up: the project is removed."""

    kind = "end_catch_up"
    runs_once = True
    sentence = "end the catch-up of servers"
    project: str
