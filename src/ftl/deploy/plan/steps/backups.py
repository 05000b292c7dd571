"""Step that backs up a database before a deploy changes it (`ftl deploy --backup`)."""

from __future__ import annotations

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import GivenServersStep, ServiceStep


@dataclass(frozen=True, slots=True)
class BackUp(GivenServersStep, ServiceStep):
    """Back up a dependency into the user's own state folder, if it is a database.

    `ftl.operations.databases.deploy_backup` plans and runs it.
    """

    kind = "back_up"
    sentence = "back up {0.service}, if it is a database"
