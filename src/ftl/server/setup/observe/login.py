"""Who logs in to set a server up: the user who deploys, or root where that one cannot yet, or is not there yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ftl.errors import LoginRefused, ServerError
from ftl.events import Emit, Note
from ftl.server.setup import scripts
from ftl.server.setup.observe import state, sudo
from ftl.ssh.openssh import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.server.setup.observe.state import ObservedServer
    from ftl.server.setup.observe.sudo import SudoResult
    from ftl.ssh.machine import Machine
    from ftl.ssh.target import Target

AskPassword = Callable[[str], Awaitable[str | None]]
"""Asks for a password on the terminal, given the words to ask with; None: there is no terminal."""

_OBSERVE_SECONDS = 60.0
ROOT = "root"


@dataclass(frozen=True, slots=True)
class ObserveQuery:
    """What a server is asked about: its deploy user, and whether one of these keys (bodies, a line each) is known."""

    user: str
    keys: str


@dataclass(frozen=True, slots=True)
class RootLogin:
    """We are on the server, can be root there, and know what it has.

    Attributes:
        target: How we came in; a new connection that is to prove something takes the same way.
        user: Who we are before sudo.
        password: For sudo; empty if none is needed.
        deployer_enters: Whether the user who deploys was let in on the way.
    """

    machine: Machine
    target: Target
    user: str
    password: str = field(repr=False)
    observed: ObservedServer
    deployer_enters: bool = False


@asynccontextmanager
async def log_in(
    target: Target, question: ObserveQuery, *, login: str | None, password: str, ask: AskPassword, emit: Emit
) -> AsyncIterator[RootLogin]:
    """Connect, become root and look.

    Args:
        target: The server, as the user who deploys reaches it.
        question: What to ask it.
        login: Log in as this user and no other; None: as the one who deploys, else as root.
        password: For sudo, if it was given beforehand.
        ask: Where to get one if it is needed.
        emit: Hears who logs in where that is not the obvious.

    Raises:
        ServerError: It cannot be reached, lets nobody in, or nobody becomes root there.
    """
    visitor = _Visitor(question, password, ask)
    async with AsyncExitStack() as stack:
        if login is not None:
            there = await visitor.insist(await visitor.enter(stack, replace(target, user=login)))
            yield replace(there, deployer_enters=login == question.user)
            return
        try:
            found = await visitor.enter(stack, target)
        except LoginRefused as error:
            if target.user == ROOT:
                raise
            instead = await visitor.enter_as_root(stack, target, error)
            emit(Note(f"logged in as root: {question.user} cannot log in yet"))
            yield instead
            return
        if isinstance(found, RootLogin) or found.answer.is_wrong or found.user == ROOT:
            yield replace(await visitor.insist(found), deployer_enters=True)
            return
        try:
            instead = await visitor.insist(await visitor.enter(stack, replace(target, user=ROOT)))
        except LoginRefused:
            yield replace(await visitor.insist(found), deployer_enters=True)
            return
        emit(Note(f"logged in as root: {question.user} cannot use sudo without a password, if at all"))
        yield replace(instead, deployer_enters=True)


@dataclass(frozen=True, slots=True)
class _Unable:
    """A connection over which we are not root."""

    machine: Machine
    target: Target
    user: str
    answer: SudoResult


class _Visitor:
    """Goes to a server and asks; the password is asked for once at most."""

    def __init__(self, question: ObserveQuery, password: str, ask: AskPassword) -> None:
        self._question = question
        self._password = password
        self._ask = ask

    async def enter(self, stack: AsyncExitStack, target: Target) -> RootLogin | _Unable:
        """Log in and look; a password is asked for where there is likely to be one."""
        machine = await stack.enter_async_context(connect(target))
        found = await self._look(machine, target)
        if isinstance(found, _Unable) and found.answer.may_ask:
            return await self._with_password(found)
        return found

    async def enter_as_root(self, stack: AsyncExitStack, target: Target, refused: LoginRefused) -> RootLogin:
        """Log in as root in place of a user who is not let in."""
        try:
            return await self.insist(await self.enter(stack, replace(target, user=ROOT)))
        except LoginRefused as error:
            raise LoginRefused(
                f"{refused.message}, nor root",
                cause=refused.cause,
                hint=f"{error.hint}; or name a user who may log in and use sudo: `--as USER`",
            ) from None

    async def insist(self, found: RootLogin | _Unable) -> RootLogin:
        """Be root here; there is no other way.

        Raises:
            ServerError: We are not.
        """
        if isinstance(found, _Unable) and found.answer.outcome == "password" and not self._password:
            found = await self._with_password(found)
        if isinstance(found, _Unable):
            raise sudo.refusal(found.answer, user=found.user, server=found.machine.name)
        return found

    async def _with_password(self, found: _Unable) -> RootLogin | _Unable:
        password = await self._ask(f"{found.user}'s password for sudo on {found.machine.name}")
        if not password:
            return found
        self._password = password
        again = await self._look(found.machine, found.target)
        if isinstance(again, _Unable):
            raise sudo.refusal(again.answer, user=again.user, server=again.machine.name)
        return again

    async def _look(self, machine: Machine, target: Target) -> RootLogin | _Unable:
        """Ask the server our question, as root if that is possible with what we know."""
        argv = sudo.root_command(scripts.observe(), self._question.user, self._question.keys)
        stdin = sudo.password_line(self._password)
        done = await machine.run(argv, stdin=stdin, timeout=_OBSERVE_SECONDS)
        lines = done.stdout.decode(errors="replace").splitlines()
        found = sudo.read_result(lines)
        if found is None:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise ServerError(
                f"{machine.name} does not run commands as it should", cause=said[-1] if said else None
            )
        answer, taken = found
        if answer.outcome != "ok":
            return _Unable(machine, target, target.user or self._question.user, answer)
        seen = state.read("\n".join(lines[taken:]).encode(), name=machine.name)
        return RootLogin(machine, target, seen.login, self._password, seen)
