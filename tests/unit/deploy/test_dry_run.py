"""Dry runs: what the server lacks is said before a deploy finds out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ftl.common.next_step import plain
from ftl.config.models.project import Job
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import CommandLine
from ftl.deploy.operation import Operation, run
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.world import INFO, plan, project, server

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.ssh.machine import Machine

NIGHTLY = Job(name="nightly", service="web", command="cleanup", schedule="15 3 * * *")


@pytest.mark.parametrize("jobs", [(), (NIGHTLY,)], ids=["no job", "a job"])
def test_a_server_without_cron_is_noticed_if_there_are_jobs(jobs: tuple[Job, ...]) -> None:
    """A deploy would be refused."""
    asked = project(jobs=jobs)
    machine = FakeMachine()
    machine.answer("ftl-crontab check", answer=CommandOutput(3, b"cron does not run\n"))
    session = Session("server", cast("Machine", machine), cast("Engine", None), INFO)
    operation = Operation(
        CommandLine("deploy"),
        asked,
        Path(),
        "me@here",
        lambda observed: plan(asked, observed),
        DOCKER,
        dry_run=True,
    )
    made = asyncio.run(run(operation, Fleet([session]), server(asked, ready=False), emit=lambda _: None)).plan
    text = "cannot run jobs (cron does not run): `ftl setup` installs cron"
    assert any(text in plain(note) for note in made.notes) == bool(jobs)
