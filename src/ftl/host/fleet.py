"""Fleet: the open sessions of a command, by server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.host.session import Session


class Fleet:
    """The sessions of a project's servers. With one server it holds one."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self._first = sessions[0]
        self._by_name = {session.name: session for session in sessions}

    def __iter__(self) -> Iterator[Session]:
        return iter(self._by_name.values())

    def at(self, host: str) -> Session:
        """The session of a server; of the first one where `host` is empty.

        Raises:
            KeyError: The fleet has no such server; a plan names none.
        """
        return self._by_name[host] if host else self._first
