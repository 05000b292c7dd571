"""Deploy request: what the user asks for, as one value from the command line to the planner."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.config import Project


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """A deploy as the user asks for it.

    Attributes:
        project: The resolved ftl.yaml.
        root: Its folder, which relative paths start from.
        services: Only these, and nothing else is touched or removed; empty for all.
        build: Build first; otherwise the images of the last build are used.
        upgrade_proxy: Replace a running proxy, too, where it is another than the project names.
        lock_wait: Seconds to wait for another deploy of the project to end.
        adopt: Take over a project of this name that another repository deployed.
        hooks: Run the hooks of the services that change.
        keep_dependencies: Leave dependencies as they are; one that does not run is started.
        leave_stopped: Not even that: a dependency that was stopped on purpose stays so.
        keep_tls: Leave certificates as the proxy has them: the project's files for TLS are not at hand.
        same_release: Change containers of the live release, and make no new one. The routes stay, and so do
            dependencies that `services` does not name.
        restart: Replace the containers of `services`, whether they changed or not.
        rollback_of: The earlier release that is restored.
        hold: Stop deploys afterwards, for this reason; empty: do not.
        end_hold: Let deploys go on again.
    """

    project: Project
    root: Path
    services: tuple[str, ...] = ()
    build: bool = True
    upgrade_proxy: bool = False
    lock_wait: float = 0.0
    adopt: bool = False
    hooks: bool = True
    keep_dependencies: bool = False
    leave_stopped: bool = False
    keep_tls: bool = False
    same_release: bool = False
    restart: bool = False
    rollback_of: str | None = None
    hold: str = ""
    end_hold: bool = False


@dataclass(frozen=True, slots=True)
class Author:
    """Author of a release and its source, as the release record keeps them.

    Attributes:
        origin: Repository of the project; see `ftl.deploy.origin`.
        subject: First line of the commit's message.
    """

    name: str
    commit: str | None = None
    version: str = ""
    time: float = 0.0
    origin: Mapping[str, str] = field(default_factory=dict)
    subject: str = ""
