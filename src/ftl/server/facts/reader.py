"""Reads the output of facts.sh into values."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.common.proc_net import ListeningSocket, parse_local_address
from ftl.common.programs import program
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence


def facts_script() -> str:
    """The shell functions of facts.sh, to be followed by the script that calls them."""
    return program("ftl.server.facts", "facts.sh")


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """Capacity and free part of a file system, without root's reserve: bytes, or inodes."""

    total: int
    free: int

    @property
    def share(self) -> float:
        """The free part of the total, 0 to 1."""
        return self.free / self.total if self.total else 1.0


class FactLines:
    """The facts that a script printed: name -> values, in their order."""

    def __init__(self, output: str) -> None:
        """Read them; a line without a tab (a login script's chatter) is skipped."""
        self._values: dict[str, list[str]] = {}
        for line in output.split("\n"):
            name, tab, value = line.partition("\t")
            if tab:
                self._values.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def all(self, name: str) -> Sequence[str]:
        """All values of a fact."""
        return self._values.get(name, ())

    def first(self, name: str) -> str:
        """The first value of a fact; empty where there is none."""
        return next(iter(self.all(name)), "")

    def blob(self, name: str) -> bytes | None:
        """A value in base64, decoded; None where there is none.

        Raises:
            ValueError: It is not base64.
        """
        return base64.b64decode(self.first(name), validate=True) if name in self else None

    def blob_lines(self, name: str) -> tuple[str, ...]:
        """The lines of a value in base64."""
        return tuple((self.blob(name) or b"").decode(errors="replace").splitlines())

    def os_release(self) -> dict[str, str]:
        """The variables of /etc/os-release.

        It is shell text that is not run: NAME=value or NAME="value" (os-release(5)). Characters that could move a
        terminal's cursor are removed.
        """
        pairs = (line.partition("=") for line in self.all("os-release"))
        return {name.strip(): _printable(value.strip().strip("\"'")) for name, _, value in pairs}

    def memory(self) -> dict[str, int]:
        """Bytes, by the names of /proc/meminfo: "MemTotal", "MemAvailable", "SwapTotal"."""
        rows = [row.split() for row in self.all("memory")]
        return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) > 1 and row[1].isdecimal()}

    def disk(self) -> FreeSpace | None:
        """The disk that the folder given to machine_facts is on."""
        return df_space(self.first("disk"), 1024)

    def sockets(self, protocol: str) -> list[ListeningSocket]:
        """The listening sockets, "tcp" or "udp"; values of another form are skipped."""
        sockets = []
        for text in self.all(protocol):
            with suppress(ValueError):
                sockets.append(parse_local_address(text))
        return sockets


def df_space(row: str, unit: int) -> FreeSpace | None:
    """A row of `df -P`: file system, total, used, free, capacity, mount point."""
    columns = row.split()
    if len(columns) < 6 or not (columns[2].isdecimal() and columns[3].isdecimal()):
        return None
    used, free = int(columns[2]) * unit, int(columns[3]) * unit
    return FreeSpace(used + free, free)  # what is reserved for root is in neither


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
