"""Mark of a release as bad."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.config.models.project import Server
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.operation import OperationRequest
from ftl.host.session import Session
from ftl.operations.changes.mark_bad import mark_bad
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import read_history, write_record
from tests.support.clock import run
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.deploy.world import INFO
from tests.unit.operations.changes.test_lock_first import backend_of, deployed

if TYPE_CHECKING:
    from ftl.releases.store import History


def test_a_release_that_is_no_longer_kept_is_marked() -> None:
    """The deploy after a failed one empties its record, and it is still the one to warn of."""
    deploys = deployed()
    session = Session("server", ModelMachine(deploys.engine), deploys.engine, INFO)
    failed = ReleaseRecord("r2", "failed", 2.0, error="web is unhealthy").without_values()
    marking = GivenCommand("releases", options=("--mark-bad", "r2", "-m", "loses sessions"))
    request = OperationRequest("u", Server(host="server"), Path(), backend_of(session), marking)

    async def work() -> tuple[str, History]:
        await write_record(deploys.engine, "u", failed)
        await mark_bad(request, [session.machine], "r2", "loses sessions", emit=lambda _: None)
        marked = (await read_history(deploys.engine, "u")).records[-1].bad
        taken_back = replace(request, command=GivenCommand("releases", options=("--unmark-bad", "r2")))
        await mark_bad(taken_back, [session.machine], "r2", "", emit=lambda _: None)
        return marked, await read_history(deploys.engine, "u")

    marked, history = run(work())
    assert marked == "loses sessions"
    assert history.records[-1] == replace(failed, changes=2)
    commands = [entry.command for entry in history.audit]
    assert commands == ["deploy", "releases --mark-bad r2 -m 'loses sessions'", "releases --unmark-bad r2"]
