"""Log in and become root: as the deploy user, or as root where that user cannot do so yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.errors import LoginRefused, ServerError
from ftl.events import Emit, Note
from ftl.server.setup import scripts
from ftl.server.setup.observe import reader, sudo
from ftl.ssh.openssh import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.server.setup.observe.state import ObservedServer
    from ftl.server.setup.observe.sudo import SudoResult
    from ftl.ssh.machine import Machine
    from ftl.ssh.target import Target

AskPassword = Callable[[str], Awaitable[str | None]]
"""Asks for a password on the terminal with this prompt; None: there is no terminal."""

_OBSERVE_SECONDS = 90.0
ROOT = "root"


@dataclass(frozen=True, slots=True)
class ObserveQuery:
    """Arguments of observe.sh: the deploy user, and the bodies of our public keys, a line each."""

    user: str
    keys: str


@dataclass(frozen=True, slots=True)
class RootLogin:
    """A connection over which root access works, with the observed state of the server.

    Attributes:
        user: The user before sudo.
        password: For sudo; empty if none is needed.
        deployer_logged_in: Whether the deploy user was able to log in meanwhile.
    """

    machine: Machine
    user: str
    password: str = field(repr=False)
    observed: ObservedServer
    deployer_logged_in: bool = False


@asynccontextmanager
async def log_in(
    target: Target, query: ObserveQuery, *, login: str | None, password: str, ask: AskPassword, emit: Emit
) -> AsyncIterator[RootLogin]:
    """Connect, become root and observe the server.

    `login` is the only user to log in as; None: the deploy user, else root. `password` is for sudo, if it was given
    beforehand; `ask` gets it if it is needed.

    Raises:
        ServerError: The server cannot be reached, accepts no login, or root access is not possible.
    """
    connector = _Connector(query, password, ask)
    async with AsyncExitStack() as stack:
        if login is not None:
            root = await connector.require_root(await connector.connect(stack, replace(target, user=login)))
            yield replace(root, deployer_logged_in=login == query.user)
            return
        try:
            attempt = await connector.connect(stack, target)
        except LoginRefused as error:
            if target.user == ROOT:
                raise
            root = await connector.connect_as_root(stack, target, error)
            emit(Note(f"logged in as root: {query.user} cannot log in yet"))
            yield root
            return
        if isinstance(attempt, RootLogin) or attempt.sudo.is_wrong_password or attempt.user == ROOT:
            yield replace(await connector.require_root(attempt), deployer_logged_in=True)
            return
        try:
            root = await connector.require_root(await connector.connect(stack, replace(target, user=ROOT)))
        except LoginRefused:
            yield replace(await connector.require_root(attempt), deployer_logged_in=True)
            return
        emit(Note(f"logged in as root: {query.user} may not use sudo, or only with a password"))
        yield replace(root, deployer_logged_in=True)


@dataclass(frozen=True, slots=True)
class _UserLogin:
    """A connection over which root access does not work."""

    machine: Machine
    target: Target
    user: str
    sudo: SudoResult


class _Connector:
    """Logs in and observes; asks for the password at most once."""

    def __init__(self, query: ObserveQuery, password: str, ask: AskPassword) -> None:
        self._query = query
        self._password = password
        self._ask = ask

    async def connect(self, stack: AsyncExitStack, target: Target) -> RootLogin | _UserLogin:
        """Log in and observe; ask for a password where there is likely to be one."""
        machine = await stack.enter_async_context(connect(target))
        attempt = await self._observe(machine, target)
        if isinstance(attempt, _UserLogin) and attempt.sudo.should_ask:
            return await self._with_password(attempt)
        return attempt

    async def connect_as_root(
        self, stack: AsyncExitStack, target: Target, refused: LoginRefused
    ) -> RootLogin:
        """Log in as root instead of a user who is not let in."""
        try:
            return await self.require_root(await self.connect(stack, replace(target, user=ROOT)))
        except LoginRefused as error:
            raise LoginRefused(
                f"{refused.message}, nor root",
                cause=refused.cause,
                hint=f"{error.hint}; or name a user who may log in and use sudo: `--as USER`",
            ) from None

    async def require_root(self, attempt: RootLogin | _UserLogin) -> RootLogin:
        """Become root over this connection: there is no other.

        Raises:
            ServerError: Root access is not possible.
        """
        if isinstance(attempt, _UserLogin) and attempt.sudo.outcome == "password" and not self._password:
            attempt = await self._with_password(attempt)
        if isinstance(attempt, _UserLogin):
            raise sudo.sudo_error(attempt.sudo, user=attempt.user, server=attempt.machine.name)
        return attempt

    async def _with_password(self, attempt: _UserLogin) -> RootLogin | _UserLogin:
        password = await self._ask(f"{attempt.user}'s password for sudo on {attempt.machine.name}")
        if not password:
            return attempt
        self._password = password
        again = await self._observe(attempt.machine, attempt.target)
        if isinstance(again, _UserLogin):
            raise sudo.sudo_error(again.sudo, user=again.user, server=again.machine.name)
        return again

    async def _observe(self, machine: Machine, target: Target) -> RootLogin | _UserLogin:
        """Run observe.sh, as root if that is possible with the password that we have."""
        argv = sudo.root_command(scripts.observe(), self._query.user, self._query.keys)
        stdin = sudo.password_line(self._password)
        done = await machine.run(argv, stdin=stdin, timeout=_OBSERVE_SECONDS)
        lines = done.text.split("\n")
        answer = sudo.read_result(lines)
        if answer is None:
            message = f"{machine.name} does not run commands as expected"
            raise ServerError(message, cause=done.complaint)
        result, taken = answer
        if result.outcome != "ok":
            return _UserLogin(machine, target, target.user or self._query.user, result)
        observed = reader.read("\n".join(lines[taken:]), name=machine.name)
        return RootLogin(machine, observed.login, self._password, observed)
