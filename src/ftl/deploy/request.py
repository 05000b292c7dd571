"""Deploy request: project, services and purpose, as one value for the planner."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.models.project import Project


@dataclass(frozen=True, slots=True)
class PreviewRequest:
    """A preview that the project shall be.

    Attributes:
        name: Its name, that of its environment.
        of: The project's name in ftl.yaml, without that of the preview.
        lifetime: Seconds from the deploy until the server removes it.
        url: Where it answers; empty: it has no routes.
    """

    name: str
    of: str
    lifetime: float
    url: str = ""


class Purpose:
    """Purpose of a plan: base of deploy, rollback, restart and others, with defaults."""

    __slots__ = ()

    @property
    def same_release(self) -> bool:
        """Whether containers of the live release are adjusted, and no release is made."""
        return False

    @property
    def from_record(self) -> bool:
        """Whether the project is that of a release's record, without the files of its checkout."""
        return True

    @property
    def restored(self) -> str:
        """The earlier release that is restored; empty: none."""
        return ""

    @property
    def restart(self) -> bool:
        """Whether containers are replaced that did not change."""
        return False

    @property
    def hooks(self) -> bool:
        """Whether the hooks of services that change are run."""
        return False

    @property
    def upgrade_proxy(self) -> bool:
        """Whether a running proxy is replaced, too."""
        return False

    @property
    def adopt(self) -> bool:
        """Whether a project of this name may be that of another repository or environment."""
        return True

    @property
    def hold(self) -> str:
        """The reason for which deploys are stopped afterwards; empty: they are not."""
        return ""

    @property
    def end_hold(self) -> bool:
        """Whether a hold on deploys ends."""
        return False

    @property
    def preview(self) -> PreviewRequest | None:
        """The preview that the project shall be; None: the purpose says nothing of it."""
        return None

    @property
    def watch(self) -> float:
        """Seconds for which the server watches the release; 0: it does not."""
        return 0.0


@dataclass(frozen=True, slots=True)
class NewRelease(Purpose):
    """Purpose of a plan: deploy the project of ftl.yaml.

    Attributes:
        hooks: Run the hooks of the services that change.
        upgrade_proxy: Replace a running proxy, too, where it is another than the project names.
        adopt: Take over a project of this name that another repository or environment deployed.
        end_hold: Let deploys go on again.
        watch: Seconds for which the server watches the release, and switches back by itself; 0: it does not.
        preview: The preview that the project shall be, until its end; None: it is none.
    """

    hooks: bool = True
    upgrade_proxy: bool = False
    adopt: bool = False
    end_hold: bool = False
    watch: float = 0.0
    preview: PreviewRequest | None = None

    @property
    def from_record(self) -> bool:
        """False: the project is that of ftl.yaml."""
        return False


@dataclass(frozen=True, slots=True)
class RestoredRelease(Purpose):
    """Purpose of a plan: restore an earlier release from its record.

    Dependencies stay as they are; one that does not run is started, unless it was stopped on purpose.

    Attributes:
        release: The earlier release.
        hooks: Run the hooks of the services that change.
        hold: Stop deploys afterwards, for this reason; empty: do not.
    """

    release: str
    hooks: bool = False
    hold: str = ""

    @property
    def restored(self) -> str:
        """The earlier release."""
        return self.release


@dataclass(frozen=True, slots=True)
class AdjustedRelease(Purpose):
    """Purpose of a plan: adjust containers of the live release, and make no new one.

    The routes stay, and so do dependencies that the request does not name. Hooks do not run.

    Attributes:
        restart: Replace the containers of the services, whether they changed or not.
    """

    restart: bool = False

    @property
    def same_release(self) -> bool:
        """True: no release is made."""
        return True


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A plan that is asked for: a project, and the purpose.

    Attributes:
        project: The project as it shall be: the resolved ftl.yaml, or a release's record of it.
        services: Only these, and nothing else is touched or removed; empty for all.
        purpose: The purpose, with the options that only it has.
        build: Build first; otherwise the images of the last build are used.
    """

    project: Project
    services: tuple[str, ...] = ()
    purpose: Purpose = NewRelease()
    build: bool = True


@dataclass(frozen=True, slots=True)
class Author:
    """Author of a release and its source, as the release record keeps them.

    Attributes:
        origin: Repository of the project; see `ftl.deploy.origin`.
    """

    name: str
    commit: str | None = None
    version: str = ""
    time: float = 0.0
    origin: Mapping[str, str] = field(default_factory=dict)
    subject: str = ""
