"""Certificates for servers that catch up: given by the managers, taken once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.apply.steps.catch_up import RUNNERS, share_certificates
from ftl.deploy.apply.steps.proxy import RUNNERS as PROXY_RUNNERS
from ftl.deploy.plan.steps.catch_up import EndCatchUp, PublishLiveState, ShareCertificates
from ftl.deploy.plan.steps.proxy import RemoveSite
from ftl.engine.values import ExecResult
from ftl.errors import ServerError
from ftl.events import Note
from ftl.proxy.names import ProxyNames
from tests.support.clock import run
from tests.support.fake_machine import CommandOutput
from tests.unit.deploy.apply.steps.test_catch_up import SITE, perform, put_site, two_servers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.deploy.plan.steps.base import Step
    from ftl.proxy.site import TlsMode


@pytest.mark.parametrize(("tls", "commands"), [("auto", 1), ("internal", 0), ("off", 0)])
def test_a_worker_looks_for_certificates_where_there_are_any(tls: TlsMode, commands: int) -> None:
    """It cannot read what is live, but tasks of the Swarm bring it what an authority has issued."""
    context, manager, machines, _ = two_servers(worker="b")
    site = replace(SITE, tls=tls)

    run(put_site(manager, site))
    perform(context, PublishLiveState("shop", ("a", "b"), "a", servers=("a", "b")))
    assert [len(machine.commands) for machine in machines] == [1, commands]


@pytest.mark.parametrize("step", [EndCatchUp("shop", servers=("a", "b")), RemoveSite("shop")])
def test_keys_that_nobody_has_taken_go_with_the_site(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of the Swarm has left them in the proxy, and cron does not run there."""
    context, manager, _, _ = two_servers()
    run(put_site(manager, SITE))
    run(manager.start(ProxyNames().container))
    executed: list[list[str]] = []

    def execute(_: str, argv: Sequence[str]) -> ExecResult:
        executed.append([*argv])
        return ExecResult(0, b"", b"")

    monkeypatch.setattr(manager, "on_execute", execute)
    runners = RUNNERS if isinstance(step, EndCatchUp) else PROXY_RUNNERS

    async def perform_step() -> None:
        await runners.of(step)(context, step)

    run(perform_step())
    assert executed[-1] == ["rm", "-rf", "/data/.ftl-handed-shop"]


def test_certificates_are_given_before_they_are_taken() -> None:
    """The issuer's proxy has them; each other server takes them at once."""
    context, _, machines, _ = two_servers()
    perform(context, ShareCertificates("shop", "b", servers=("a", "b")))
    assert [machine.commands[0][-1] for machine in machines] == ["get", "give"]


def test_a_server_that_is_no_manager_is_given_the_certificates() -> None:
    """They travel on stdin; a manager reads them from the Swarm, and what a server cannot do is a warning."""
    context, manager, machines, events = two_servers(worker="b")
    label_map = {"ftl.project": "shop", "ftl.role": "certificates", "ftl.content": "digest"}
    run(manager.kept.create("one", b"keys", label_map))
    for host in ("a", "b"):
        run(share_certificates(context.at(host), "shop"))
    assert [machine.inputs for machine in machines] == [[None], [b"keys"]]
    assert machines[0].commands[0][-1] == "get"
    assert machines[1].commands[0][-2:] == ("take", "digest")
    assert not any("keys" in word for word in machines[1].commands[0])
    machines[1].answer("take", answer=CommandOutput(1, b"", b"caddy refuses"))
    run(share_certificates(context.at("b"), "shop"))
    (note,) = events
    assert isinstance(note, Note)
    assert (note.level, note.text) == ("warning", "b cannot share certificates: caddy refuses")


def test_a_server_that_does_not_answer_while_certificates_are_shared_is_a_warning() -> None:
    """A deploy is not undone for it: cron shares them, too."""
    context, _, machines, events = two_servers()
    machines[1].answer("get", answer=CommandOutput(error=ServerError("b took longer than 60 s")))
    run(share_certificates(context.at("b"), "shop"))
    (note,) = events
    assert isinstance(note, Note)
    assert (note.level, note.text) == ("warning", "b cannot share certificates: b took longer than 60 s")
