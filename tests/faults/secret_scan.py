"""Scan for planted secrets in /proc, 100 times a second, while commands run.

A lab server's processes are processes of this machine, too: one scan sees both sides.
"""

from __future__ import annotations

import base64
import os
import secrets
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

INTERVAL = 0.01
"""Seconds between two looks at the processes."""

YOUNG = 25
"""Looks at a new process at every interval, since its arguments change with its exec; later ones are rare."""

SELDOM = 100
"""Intervals between two looks at an old process."""


def planted() -> str:
    """A secret that nothing contains by chance, with characters that are quoted in shells, JSON and URLs."""
    return f"p'l\"n {secrets.token_hex(12)}$x"


def core(value: str) -> bytes:
    """The part of a planted secret that no shell, JSON or URL quotes."""
    return value.split()[-1].removesuffix("$x").encode()


def needles(value: str) -> frozenset[bytes]:
    """The forms of a planted secret: as it is or quoted, in base64 at each alignment, and in base64 of that.

    base64 at each alignment is also that of `user:password`, as Docker's configuration has it, and of the JSON in the
    header X-Registry-Auth, in the alphabet for URLs too: a core in hexadecimal digits has neither + nor / there.
    """
    part = core(value)
    once = _in_base64(part)
    return frozenset((part, *once, *(twice for text in once for twice in _in_base64(text))))


def _in_base64(data: bytes) -> list[bytes]:
    """The base64 of data at each alignment, less what depends on its neighbours."""
    return [base64.b64encode(b"-" * shift + data)[4:-4] for shift in range(3)]


class SecretScan:
    """A thread that looks for secrets in arguments and environments; a context manager.

    Arguments are looked at everywhere. An environment is read by its own user and root alone, and containers have
    secrets there on purpose, and so has a docker command that builds: looked at are those of ssh here, those of
    everything on a server that is not inside of a container, and, for secrets of the running services only, those of
    `ftl` and `docker` here.

    Args:
        values: To be found nowhere.
        services: Those among them that no build needs.
        apart: IDs of containers on this machine whose processes have the secrets on purpose, such as a registry.

    Attributes:
        found: One line for each finding.
        looks: Number of looks at all processes.
    """

    def __init__(self, *values: str, services: Iterable[str] = (), apart: Iterable[str] = ()) -> None:
        self.found: set[str] = set()
        self.looks = 0
        self._needles = frozenset().union(*map(needles, values))
        self._service_needles = frozenset().union(*map(needles, services))
        self._apart = tuple(apart)
        self._present: set[str] = set()
        self._young: dict[str, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            self.look()
            self._over.wait(max(0.0, INTERVAL - (time.monotonic() - began)))

    def look(self) -> None:
        """Look at the processes that there are now."""
        self.looks += 1
        present = {name for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208 - as `_read`
        new, self._present = present - self._present, present
        self._young = {name: looks for name, looks in self._young.items() if name in present}
        self._young.update(dict.fromkeys(new, 0))
        ending = f"{self.looks % SELDOM:02d}"  # of the IDs whose turn it is
        old = {name for name in present if name.zfill(2).endswith(ending)}
        for name in {*self._young, *old}:
            self.found.update(self._in_process(name))
        self._young = {name: looks + 1 for name, looks in self._young.items() if looks + 1 < YOUNG}

    def _in_process(self, number: str) -> Iterator[str]:
        try:
            arguments = _read(number, "cmdline")
            cgroup = _read(number, "cgroup").decode(errors="replace")
            if any(container in cgroup for container in self._apart):
                return
            if _has(arguments, self._needles):
                yield f"arguments of {_name(arguments)}"
            unwanted = self._unwanted(arguments, cgroup)
            if unwanted and _has(_read(number, "environ"), unwanted):
                yield f"environment of {_name(arguments)}"
        except OSError:
            return  # it has ended

    def _unwanted(self, arguments: bytes, cgroup: str) -> frozenset[bytes]:
        """The secrets that a process must not have in its environment."""
        on_server = "/docker/" in cgroup and "/engine/" not in cgroup
        if on_server or _name(arguments) == "ssh":
            return self._needles
        words = {Path(word.decode(errors="replace")).name for word in arguments.split(b"\0")[:2]}
        is_ours = "/engine/" not in cgroup and words & {"ftl", "docker", "docker-buildx"}
        return self._service_needles if is_ours else frozenset()


def _read(number: str, name: str) -> bytes:
    """A file of a process in /proc; pathlib would take longer than all the rest."""
    with open(f"/proc/{number}/{name}", "rb", buffering=0) as file:  # noqa: PTH123
        return file.read()


def _has(data: bytes, wanted: frozenset[bytes]) -> bool:
    return any(needle in data for needle in wanted)


def _name(arguments: bytes) -> str:
    return Path(arguments.partition(b"\0")[0].decode(errors="replace")).name or "a kernel thread"
