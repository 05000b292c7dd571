"""Running a plan on a server, step by step; what could lock us out is proved by a new connection before it stays."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ftl.errors import FtlError, LoginRefused, ServerError, at
from ftl.events import Emit, StepFailed, StepFinished, StepStarted, StepUndone
from ftl.server.setup.apply.root_shell import RootShell
from ftl.server.setup.plan.steps import HardenSsh, Keep, Revert
from ftl.ssh.openssh import connect

if TYPE_CHECKING:
    from ftl.server.setup.observe.login import RootLogin
    from ftl.server.setup.plan.planner import SetupPlan
    from ftl.server.setup.plan.steps import SetupStep
    from ftl.ssh.machine import Machine
    from ftl.ssh.target import Target

_ATTEMPTS = 2
_PAUSE = 3.0
"""Tries of a new connection, and seconds between two: together well within GUARD_SECONDS of steps/guarded.py."""


async def apply(plan: SetupPlan, login: RootLogin, deployer: Target, *, emit: Emit) -> None:
    """Do all steps of a plan.

    Args:
        plan: What is to be done; where it has no steps, it is only seen that the user who deploys is let in.
        login: Our way in.
        deployer: The way in of the user who deploys, by which new connections are made: to see that the firewall lets
            them through, before other ways in are closed, and at the end.
        emit: Hears of each step.

    Raises:
        FtlError: A step failed; what was done before it stays.
        ServerError: The connection broke, or a new one was not let in: then what closed it out was taken back.
    """
    proof = _Proof(deployer)
    if not plan.steps:
        if not login.deployer_enters:
            with at(server=plan.server, step="prove"):
                await proof.complete()
        return
    async with RootShell(login.machine, user=login.user, password=login.password, emit=emit) as hand:
        for step in plan.steps:
            with at(server=plan.server, step=step.kind):
                await _run(step, hand, proof, emit)
    with at(server=plan.server, step="prove"):
        await proof.complete()


async def _run(step: SetupStep, hand: RootShell, proof: _Proof, emit: Emit) -> None:
    emit(StepStarted(step.kind, step.text))
    began = time.monotonic()
    if isinstance(step, HardenSsh):
        await proof.complete()
    try:
        await hand.do(step)
    except BaseException:
        emit(StepFailed(step.kind, step.text))
        raise
    if step.guarded:
        await _confirm(step, hand, proof, emit)
    emit(StepFinished(step.kind, step.text, time.monotonic() - began))


async def _confirm(step: SetupStep, hand: RootShell, proof: _Proof, emit: Emit) -> None:
    """Keep what a step did if a new connection is let in after it, else take it back.

    Raises:
        ServerError: It was taken back.
    """
    try:
        await proof.renew(refusal_will_do=not isinstance(step, HardenSsh))
    except FtlError as error:
        await hand.do(Revert())
        emit(StepFailed(step.kind, step.text))
        emit(StepUndone(step.kind, step.text))
        raise ServerError(
            f"{proof.way.host} let no new connection in after this step, which was taken back: {step.text}",
            cause=error.message,
            hint=error.hint,
        ) from error
    await hand.do(Keep())


class _Proof:
    """That the user who deploys is let in by a connection made now, and may use Docker."""

    def __init__(self, way: Target) -> None:
        self.way = way
        self._missing: FtlError | None = None
        self._tried = False

    async def renew(self, *, refusal_will_do: bool) -> None:
        """Connect anew.

        Args:
            refusal_will_do: Whether it is enough that the SSH server answers, even if it lets this user not in:
                then no firewall stands between.

        Raises:
            ServerError: It was not possible; twice, for a server that takes only so many connections at a time.
        """
        self._tried, self._missing = True, None
        for attempt in range(_ATTEMPTS):
            try:
                async with connect(self.way) as machine:
                    await self._look(machine)
            except LoginRefused as error:
                if not refusal_will_do:
                    raise
                self._missing = error
            except ServerError:
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(_PAUSE)
                continue
            return

    async def complete(self) -> None:
        """See to it that a connection was made since the last change, and that nothing was missing.

        Raises:
            ServerError: The user who deploys is not let in, or may not use Docker.
        """
        if not self._tried or self._missing is not None:
            await self.renew(refusal_will_do=False)
        if self._missing is not None:
            raise self._missing

    async def _look(self, machine: Machine) -> None:
        try:
            await machine.engine_url()
        except ServerError as error:
            self._missing = error
