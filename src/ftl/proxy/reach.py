"""Reach: whether a proxy finds the containers behind an alias, and connects to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.errors import FtlError

if TYPE_CHECKING:
    from ftl.engine.values import ExecResult

MOST = 8
"""Largest number of addresses that an alias has to have.

An answer of DNS in 512 bytes has no room for many more.
"""


@dataclass(frozen=True, slots=True)
class Reach:
    """A failed try: numbers of addresses that an alias has and shall have, and the silent ones."""

    found: int
    expected: int
    silent: tuple[str, ...] = ()


def read_reach(done: ExecResult, expected: int) -> Reach | None:
    """Read the output of scripts/reach.sh; None: the proxy reaches all.

    Raises:
        FtlError: It says nothing of the kind.
    """
    if done.exit_code == 0:
        return None
    first, *silent = done.text.split() or [""]
    if not first.isdecimal():
        message = done.message
        raise FtlError("the proxy could not try its way", cause=message or f"status {done.exit_code}")
    return Reach(int(first), expected, tuple(silent))
