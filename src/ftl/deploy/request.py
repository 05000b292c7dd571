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


@dataclass(frozen=True, slots=True)
class Purpose:
    """Purpose of a plan: base of deploy, rollback, restart and others, with their defaults.

    Attributes:
        restored: The earlier release that is restored; empty: none.
        hooks: Run the hooks of the services that change.
        upgrade_proxy: Replace a running proxy, too, where it is another than the project names.
        adopt: A project of this name may be that of another repository or environment, and is taken over.
        hold: Stop deploys afterwards, for this reason; empty: do not.
        end_hold: Let deploys go on again.
        preview: The preview that the project shall be, until its end; None: the purpose says nothing of it.
        watch: Seconds for which the server watches the release, and switches back by itself; 0: it does not.
        restart: Replace containers that did not change, too.
        same_release: Containers of the live release are adjusted, and no release is made.
        from_record: The project is that of a release's record, without the files of its checkout.
    """

    restored: str = ""
    hooks: bool = False
    upgrade_proxy: bool = False
    adopt: bool = True
    hold: str = ""
    end_hold: bool = False
    preview: PreviewRequest | None = None
    watch: float = 0.0
    restart: bool = False
    same_release: bool = False
    from_record: bool = True


@dataclass(frozen=True, slots=True)
class NewRelease(Purpose):
    """Purpose of a plan: deploy the project of ftl.yaml."""

    hooks: bool = True
    adopt: bool = False
    from_record: bool = False


@dataclass(frozen=True, slots=True)
class RestoredRelease(Purpose):
    """Purpose of a plan: restore an earlier release from its record.

    Dependencies stay as they are; one that does not run is started, unless it was stopped on purpose.
    """


@dataclass(frozen=True, slots=True)
class AdjustedRelease(Purpose):
    """Purpose of a plan: adjust containers of the live release, and make no new one.

    The routes stay, and so do dependencies that the request does not name. Hooks do not run.
    """

    same_release: bool = True


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
