"""Dry runs: what the server lacks is said before a deploy finds out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ftl.common.next_step import plain
from ftl.config.models.project import Job
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.operation import Operation, OperationRequest, run
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.world import INFO, plan, project, server
from tests.unit.locks.managers import managers

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
    request = replace(OperationRequest.of(asked, Path(), DOCKER, GivenCommand("deploy")), dry_run=True)
    operation = Operation(request, asked, "me@here", lambda observed: plan(asked, observed))
    made = asyncio.run(run(operation, Fleet([session]), server(asked, ready=False), emit=lambda _: None)).plan
    text = "cannot run jobs (cron does not run): `ftl setup` installs cron"
    assert any(text in plain(note) for note in made.notes) == bool(jobs)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("free", None),
        (
            "held ann",
            "the project has been locked by ann; this plan assumes that the other command stops now",
        ),
        (
            "goes-on the server (takes back the deploy of ann)",
            "the project is still being changed by the server (takes back the deploy of ann); a change waits for that",
        ),
        ("foreign /tmp/ftl-1.lock fifo of eve", "cannot take the deploy lock on shop.example.com"),
    ],
)
def test_who_has_the_lock_is_said(answer: str, text: str | None) -> None:
    """A deploy would wait for it, or be refused."""
    asked, machine = project(), FakeMachine()
    machine.answer("ftl-deploy-lock look", answer=CommandOutput(0, f"{answer}\n".encode()))
    session = Session("server", cast("Machine", machine), cast("Engine", None), INFO)
    request = replace(OperationRequest.of(asked, Path(), DOCKER, GivenCommand("deploy")), dry_run=True)
    operation = Operation(request, asked, "me@here", lambda observed: plan(asked, observed))
    made = asyncio.run(run(operation, Fleet([session]), server(asked, ready=False), emit=lambda _: None)).plan
    said = [note for note in made.notes if "lock" in note or "changed by" in note]
    assert [note.startswith(text or "-") for note in said] == ([True] if text else [])


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        (("free", "free", "held ann"), "the project has been locked by ann"),
        (("failed no flock", "free", "free"), None),
        (("free", "failed no flock", "failed no flock"), "cannot take the deploy lock on b"),
    ],
)
def test_the_locks_of_all_managers_count(answers: tuple[str, ...], text: str | None) -> None:
    """A change needs all that can be had, and most of them."""
    asked = project()
    request = replace(OperationRequest.of(asked, Path(), DOCKER, GivenCommand("deploy")), dry_run=True)
    operation = Operation(request, asked, "me@here", lambda observed: plan(asked, observed))
    work = run(operation, managers(*answers), server(asked, ready=False), emit=lambda _: None)
    said = [note for note in asyncio.run(work).plan.notes if "lock" in note]
    assert [note.startswith(text or "-") for note in said] == ([True] if text else [])
