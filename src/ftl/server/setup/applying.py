"""Running a plan on a server, step by step; what could lock us out is proved by a new connection before it stays."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ftl.errors import FtlError, ServerError, at
from ftl.events import Emit, StepFailed, StepFinished, StepStarted, StepUndone
from ftl.server.setup.hand import Hand
from ftl.server.setup.steps import HardenSsh, Keep, Revert
from ftl.ssh import connect

if TYPE_CHECKING:
    from ftl.server.setup.login import Login
    from ftl.server.setup.planning import SetupPlan
    from ftl.server.setup.steps import Step
    from ftl.ssh import Target


async def apply(plan: SetupPlan, login: Login, deployer: Target, *, emit: Emit) -> None:
    """Do all steps of a plan.

    Args:
        plan: What is to be done; nothing is done where it has no steps.
        login: Our way in.
        deployer: The way in of the user who deploys: it is tried at the end, and before others are closed.
        emit: Hears of each step.

    Raises:
        FtlError: A step failed; what was done before it stays.
        ServerError: The connection broke, or a new one was not let in: then what closed it out was taken back.
    """
    if not plan.steps:
        return
    async with Hand(login.machine, user=login.user, password=login.password, emit=emit) as hand:
        for step in plan.steps:
            with at(server=plan.server, step=step.kind):
                await _run(step, hand, login, deployer, emit)
    with at(server=plan.server, step="prove"):
        await _prove_deployer(deployer)


async def _run(step: Step, hand: Hand, login: Login, deployer: Target, emit: Emit) -> None:
    emit(StepStarted(step.kind, step.text))
    began = time.monotonic()
    if isinstance(step, HardenSsh):
        await _prove_deployer(deployer)
    try:
        await hand.do(step)
    except BaseException:
        emit(StepFailed(step.kind, step.text))
        raise
    if step.guarded:
        await _confirm(step, hand, deployer if isinstance(step, HardenSsh) else login.target, emit)
    emit(StepFinished(step.kind, step.text, time.monotonic() - began))


async def _confirm(step: Step, hand: Hand, way: Target, emit: Emit) -> None:
    """Keep what a step did if a new connection is let in after it, else take it back.

    Raises:
        ServerError: It was taken back.
    """
    try:
        async with connect(way):
            pass
    except FtlError as error:
        await hand.do(Revert())
        emit(StepUndone(step.kind, step.text))
        raise ServerError(
            f"a new connection to {way.host} was not let in after this step, which was taken back: {step.text}",
            cause=error.message,
            hint=error.hint,
        ) from error
    await hand.do(Keep())


async def _prove_deployer(way: Target) -> None:
    """See that the user who deploys is let in and may use Docker.

    Raises:
        ServerError: Why not.
    """
    async with connect(way) as machine:
        await machine.engine_url()
