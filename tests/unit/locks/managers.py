"""Managers of a cluster, each with a lock that somebody has or not."""

from __future__ import annotations

from dataclasses import replace

from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.world import INFO


def managers(*answers: str) -> Fleet:
    """One for each answer, which it gives to whoever looks at its lock."""
    return Fleet([_manager(name, answer) for name, answer in zip("abc", answers, strict=False)])


def _manager(name: str, answer: str) -> Session:
    machine = FakeMachine(name)
    machine.answer("ftl-deploy-lock look", answer=CommandOutput(0, f"{answer}\n".encode()))
    info = replace(INFO, node=name, is_manager=True, has_leader=True, times_begun=1)
    return Session(name, machine, FakeEngine(images=["web"], name=name), info)
