"""Wait for a container to become healthy, within the allowance of its health spec."""

from __future__ import annotations

import asyncio
from dataclasses import field, replace
from math import ceil
from typing import TYPE_CHECKING

from ftl.aio import loop_time
from ftl.dataclass import dataclass
from ftl.events import Probed
from ftl.health.diagnosis import (
    Exited,
    Unresponsive,
    diagnose,
    explain_refusal,
    has_exited,
    listeners_in,
    outlook,
)
from ftl.health.probe import ACCEPTED, REFUSED, ROOT_SECONDS, ProbeResult, ask_for_root, at_gateway, probe

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.engine.values import ContainerState
    from ftl.errors import FtlError
    from ftl.events import Emit
    from ftl.health.spec import HealthSpec
    from ftl.ssh.machine import Machine

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0
"""Seconds between probes: most containers are up at once, so pauses start short and grow."""

RESTART_PAUSE = 1.0
"""Seconds between an exit within `start_period` and the next start."""

_LISTENERS_FROM = 1.0
"""Seconds of refused connections after which the container's sockets are read: most programs listen by then."""


@dataclass(frozen=True, slots=True)
class Healthy:
    """A container that is healthy.

    Attributes:
        restarts: How often the engine has restarted it.
        settled_at: When it has run for `HealthSpec.settle` seconds, by the event loop's clock. In the future only where
            requests may be sent early.
        check: The check that it has passed.
    """

    restarts: int
    settled_at: float
    check: HealthSpec


async def wait_healthy(
    engine: Engine,
    machine: Machine,
    service: str,
    container: str,
    check: HealthSpec,
    emit: Emit,
    *,
    through_gateway: bool = False,
) -> Healthy:
    """Return when the container is healthy and has settled, or may get requests early.

    One that exits within `check.start_period` is started again. Without that, a program that waits for its database by
    exiting could not be deployed.

    `emit` receives the result of each probe. `through_gateway`: it is in an overlay, whose addresses its own node does
    not reach.

    Raises:
        Unhealthy: It exited, or the allowance is over; gives the reason of the first exit and its last log lines.
    """
    return await _Wait(engine, machine, service, container, check, emit, through_gateway).run()


@dataclass(slots=True)
class _Wait:
    engine: Engine
    machine: Machine
    service: str
    container: str
    check: HealthSpec
    emit: Emit
    through_gateway: bool = False
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    running_since: float = 0.0
    restarts: int = 0
    first_exit: FtlError | None = None
    refused_since: float | None = None
    settling: bool = False  # it passes, but has not run long enough: the allowance may be shorter than that
    asked: bool = False  # for `/`, where there is no path
    answered: bool = False
    cause: str = ""
    cause_since: float = 0.0

    async def run(self) -> Healthy:
        self.running_since = loop_time()
        pause = FIRST_PAUSE
        while True:
            state = await self.engine.container(self.container)
            if state is None or has_exited(state, restarts=self.restarts):
                await self._start_again(state)
                continue
            if self.through_gateway:
                state = await at_gateway(self.engine, state)
            result = await self._probe(state)
            waited = self._waited()
            allowance = self.check.allowance_of(state)
            self.emit(Probed(self.service, self.container, result.text, result.ok, waited, allowance))
            if result.ok:
                return Healthy(state.restarts, self.running_since + self.check.settle, self.check)
            if (waited >= allowance and not self.settling) or result.final:
                symptom = Unresponsive(self.check.ports, result)
                raise self.first_exit or await self._diagnosis(symptom)
            await asyncio.sleep(min(pause, self.check.interval))
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _waited(self) -> float:
        return loop_time() - self.began

    async def _start_again(self, state: ContainerState | None) -> None:
        """Start a container that has exited, or let the engine do it; only within its `start_period`."""
        error = await self._diagnosis(Exited())
        self.first_exit = self.first_exit or error
        waited = self._waited()
        if state is None or waited >= self.check.start_period:
            raise self.first_exit
        text = f"{error.cause}; it is started again"
        self.emit(Probed(self.service, self.container, text, False, waited, self.check.allowance))
        await asyncio.sleep(RESTART_PAUSE)
        now = await self.engine.container(self.container)
        if now is not None and not now.running:  # created without a restart policy
            await self.engine.start(self.container)
        self.restarts = now.restarts if now is not None else 0
        self.running_since = loop_time()
        self.asked = self.answered = False  # what it answered before its end says nothing of this run

    async def _probe(self, state: ContainerState) -> ProbeResult:
        result = await probe(self.engine, self.machine, state, self.check)
        running = loop_time() - self.running_since
        self.settling = result.ok and running < self.check.settle and not await self._early(state)
        if result.text == REFUSED:
            return await self._refused(state, result)
        self.refused_since = None
        if self.settling:
            return replace(result, ok=False, text=f"{result.text}, started just now")
        if result.ok and self.check.needs_answer and not self.answered:
            return await self._first_answer(state, result)
        return result

    async def _early(self, state: ContainerState) -> bool:
        """Whether it may get requests before it has settled.

        An accepted connection says little: gunicorn listens before it loads the app, and exits if it cannot.
        """
        if not self.check.needs_answer:
            return self.check.early
        answer = await self._ask(state, min(self.check.timeout, ROOT_SECONDS))
        return answer.status is not None and answer.status < 500

    async def _first_answer(self, state: ContainerState, accepted: ProbeResult) -> ProbeResult:
        """Wait for any answer to `GET /`, until the allowance is over: a program that hangs accepts connections, too.

        The request is one, since the first answer of a program may take long. An error is an answer; that it suits the
        visitors only a path can say.
        """
        left = self.check.allowance_of(state) - self._waited()
        is_last = self.asked or left <= self.check.timeout
        answer = await self._ask(state, max(self.check.timeout, ceil(left)) if is_last else ROOT_SECONDS)
        if not answer.silent and answer.text != REFUSED:
            return accepted
        # Refused: it may have exited meanwhile, which is looked at next.
        return replace(answer, text=f"{ACCEPTED}, but does not answer `GET /`: {answer.text}")

    async def _ask(self, state: ContainerState, seconds: float) -> ProbeResult:
        answer = await ask_for_root(self.machine, state.endpoints, self.check, timeout=seconds)
        self.asked = True
        self.answered = self.answered or not answer.silent
        return answer

    async def _refused(self, state: ContainerState, result: ProbeResult) -> ProbeResult:
        """A refused connection, with its cause; final once a cause that does not pass has lasted a while."""
        now = loop_time()
        self.refused_since = now if self.refused_since is None else self.refused_since
        if now - self.refused_since < _LISTENERS_FROM:
            return result
        listeners = await listeners_in(self.machine, state)
        patience = outlook(self.check.ports, listeners)
        if patience is None:
            self.cause = ""
            return result
        cause, _ = explain_refusal(self.check.ports, listeners)
        if cause != self.cause:
            self.cause, self.cause_since = cause, now
        lasting = now - self.cause_since >= patience and self._waited() >= self.check.start_period
        return replace(result, text=f"{REFUSED}: {cause}", final=lasting)

    async def _diagnosis(self, symptom: Exited | Unresponsive) -> FtlError:
        return await diagnose(self.engine, self.machine, self.service, self.container, symptom)
