"""Apply a setup plan, step by step.

A change that could lock us out is kept only if a new connection works after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.errors import FtlError, LoginRefused, ServerError, at
from ftl.events import Emit, Note, StepUndone
from ftl.execution.reporting import reported
from ftl.server.setup.apply.offered import WITHOUT_ANYTHING, offered_logins
from ftl.server.setup.apply.root_shell import RootShell
from ftl.server.setup.plan.guarded import HardenSsh, KeepChange, RevertChange
from ftl.ssh import openssh

if TYPE_CHECKING:
    from ftl.server.setup.observe.login import RootLogin
    from ftl.server.setup.plan.planner import SetupPlan
    from ftl.server.setup.plan.steps import SetupStep
    from ftl.ssh.machine import Machine
    from ftl.ssh.target import Target

_ATTEMPTS = 2
_PAUSE = 3.0
"""Attempts of a new connection, and seconds between two: together well within GUARD_SECONDS of plan/guarded.py."""

PROVE = "prove"
"""Name of the final check in errors, as if it were a step."""


MachineConnector = Callable[["Target"], AbstractAsyncContextManager["Machine"]]
"""Connects to a server; a new connection for each call."""

OfferedLogins = Callable[["Target"], Awaitable[Sequence[str]]]
"""Asks the running SSH server how its user may log in."""

_BY_KEY = frozenset({"publickey", "hostbased", "gssapi-with-mic", "gssapi-keyex"})


async def apply(
    plan: SetupPlan,
    login: RootLogin,
    deployer: Target,
    *,
    emit: Emit,
    connect: MachineConnector = openssh.connect,
    offered: OfferedLogins = offered_logins,
) -> None:
    """Run all steps of a plan; without any, only the deploy user's login is checked.

    `login` has root access. Over new connections of the `deployer`, which `connect` makes, it is checked that the
    firewall lets them through, before other logins are disabled, and at the end; `offered` asks how one may log in.

    Raises:
        FtlError: A step failed; the steps before it stay applied. Or the SSH server accepts passwords, whatever its
            files say.
        ServerError: The connection broke, or a new one does not work: then the change that prevents it was reverted.
    """
    check = _DeployerCheck(deployer, connect, offered, emit)
    if plan.steps:
        async with RootShell(login.machine, user=login.user, password=login.password, emit=emit) as shell:
            for step in plan.steps:
                await _run(step, plan.server, shell, check, emit)
    with at(server=plan.server, step=PROVE):
        if plan.steps or not login.deployer_logged_in:
            await check.complete()
        if plan.hardened and not any(isinstance(step, HardenSsh) for step in plan.steps):
            await check.refuses_passwords()


async def _run(step: SetupStep, server: str, shell: RootShell, check: _DeployerCheck, emit: Emit) -> None:
    reverted: FtlError | None = None
    try:
        async with reported(emit, step, server=server):
            if isinstance(step, HardenSsh):
                await check.complete()
            await shell.run(step)
            if step.guarded:
                reverted = await _kept_or_reverted(step, shell, check)
            if reverted is not None:
                raise reverted
    finally:
        if reverted is not None:
            emit(StepUndone(step.kind, step.text))


async def _kept_or_reverted(step: SetupStep, shell: RootShell, check: _DeployerCheck) -> FtlError | None:
    """Keep a guarded step's change if a new connection works, else revert it; returns why it was reverted."""
    try:
        await check.connect(accept_refusal=not isinstance(step, HardenSsh))
        if isinstance(step, HardenSsh):
            await check.refuses_passwords()
    except PasswordsAccepted as error:
        await shell.run(RevertChange())
        return error
    except FtlError as error:
        await shell.run(RevertChange())
        return ServerError(
            f"{check.target.host} accepted no new connection after this step, which was reverted: {step.text}",
            cause=error.message,
            hint=error.hint,
        )
    await shell.run(KeepChange())
    return None


def _no_sshd(host: str, user: str | None) -> str:
    return (
        f"{host} lets {user} in with neither key nor password: what answers here is not its sshd but something that "
        f"knows you otherwise, as Tailscale SSH does; what sshd itself offers could not be asked"
    )


class PasswordsAccepted(FtlError):
    """An SSH server lets in by password, whatever its files say."""


class _DeployerCheck:
    """Checks over new connections: that the deploy user can log in and use Docker, and that nobody can by password."""

    def __init__(self, target: Target, connect: MachineConnector, offered: OfferedLogins, emit: Emit) -> None:
        self.target = target
        self._open = connect
        self._offered = offered
        self._emit = emit
        self._problem: FtlError | None = None
        self._connected = False

    async def connect(self, *, accept_refusal: bool) -> None:
        """Make a new connection.

        With `accept_refusal` an SSH server that answers and refuses the user is good enough: then no firewall is in
        between.

        Raises:
            ServerError: No connection; after two attempts, for a server that limits the rate of connections.
        """
        self._connected, self._problem = True, None
        for attempt in range(_ATTEMPTS):
            try:
                async with self._open(self.target) as machine:
                    await self._check_docker(machine)
            except LoginRefused as error:
                if not accept_refusal:
                    raise
                self._problem = error
            except ServerError:
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(_PAUSE)
                continue
            return

    async def complete(self) -> None:
        """Make sure that a connection was made since the last change, without any problem.

        Raises:
            ServerError: The deploy user cannot log in, or may not use Docker.
        """
        if not self._connected or self._problem is not None:
            await self.connect(accept_refusal=False)
        if self._problem is not None:
            raise self._problem

    async def refuses_passwords(self) -> None:
        """Make sure that the running SSH server offers no login by password, from here.

        Raises:
            PasswordsAccepted: It does, also after a second look: it reads its files a moment after it was told.
            ServerError: It cannot be reached; after two attempts, too.
        """
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_PAUSE)
            try:
                problem = await self._passwords_accepted()
            except ServerError:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            if problem is None:
                return
        assert problem is not None
        raise problem

    async def _passwords_accepted(self) -> PasswordsAccepted | None:
        """Ask for the deploy user, and only if that answer is good for root."""
        for user in dict.fromkeys((self.target.user, "root")):
            offered = await self._offered(replace(self.target, user=user))
            if WITHOUT_ANYTHING in offered:
                # No sshd does so after the settings above: there is no password to refuse, and nothing to revert.
                self._emit(Note(_no_sshd(self.target.host, user), "warning"))
                return None
            if not _BY_KEY.issuperset(offered):
                return PasswordsAccepted(
                    f"the SSH server of {self.target.host} still lets {user} in by other means than a key",
                    cause=f"it offers {', '.join(offered)}, whatever its files say",
                    hint="is it one that `systemctl restart ssh` on the server does not reach, or does a `Match` in "
                    "its files say otherwise?",
                )
        return None

    async def _check_docker(self, machine: Machine) -> None:
        try:
            await machine.engine_url()
        except ServerError as error:
            self._problem = error
