"""Faults: what is broken while a command runs, and how it ends without FTL."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from lab.relay import Relay

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from types import TracebackType

    from lab.servers import Server

Kind = Literal["kill", "cut", "slow_link", "rival", "full_disk", "engine_restart", "proxy_kill", "reboot"]
"""What is broken; `rival` is a second run of the same command by the same user."""

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

SERVER_FAULTS: tuple[Kind, ...] = ("engine_restart", "proxy_kill", "reboot")
"""Kinds that take the site away themselves: requests that fail meanwhile are not counted."""

HARMLESS: tuple[Kind, ...] = ("slow_link",)
"""Kinds beside which a command ends well all the same."""

STALL_SECONDS = 20.0

SLOW_SECONDS = 0.25
"""Each way, over a slow link."""


class Link:
    """Relay to a server's sshd in a thread of its own, which can be cut, stalled or slow; a context manager."""

    def __init__(self, server: Server) -> None:
        self._relay = Relay(("127.0.0.1", server.port))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""
        return self._relay.port

    @property
    def is_used(self) -> bool:
        """Whether a connection is open."""
        return self._relay.is_used

    def cut(self) -> None:
        """End every connection; new ones work."""
        self._loop.call_soon_threadsafe(self._relay.cut)

    def stall(self, seconds: float) -> None:
        """Deliver nothing for some seconds, then end every connection."""
        self._relay.delay = 10 * seconds

        def over() -> None:
            self._relay.delay = 0.0
            self.cut()

        threading.Timer(seconds, over).start()

    def delay(self, seconds: float) -> None:
        """Deliver everything so much later, each way, from now on."""
        self._relay.delay = seconds

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._relay.__aenter__(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._relay.__aexit__(None, None, None), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


class Faults:
    """The faults of one server.

    Args:
        server: The server.
        link: Relay that leads to its sshd.
    """

    def __init__(self, server: Server, link: Link | None) -> None:
        self._server = server
        self._link = link

    def of(self, kind: Kind, chance: random.Random, rival: Callable[[], None]) -> Callable[[int], bool]:
        """What breaks something while a process of this ID runs; it returns whether it met the process.

        Args:
            kind: What is broken.
            chance: Chooses among the ways to do so.
            rival: Starts the second run of the command.
        """
        number, stalls = chance.choice(SIGNALS), chance.random() >= 0.7

        def strike(process: int) -> bool:
            if not is_running(process) or (kind in ("cut", "slow_link") and not self._used_link):
                return False
            match kind:
                case "kill":
                    return send(process, number)
                case "cut":
                    self._require_link().stall(STALL_SECONDS) if stalls else self._require_link().cut()
                case "slow_link":
                    self._require_link().delay(SLOW_SECONDS)
                case "rival":
                    rival()
                case "full_disk":
                    fill(self._server)
                    return is_running(process)
                case "engine_restart":
                    kill_engine(self._server)
                case "proxy_kill":
                    return kill_proxy(self._server)
                case "reboot":
                    self._server.kill()
            return True

        return strike

    def end(self, kind: Kind) -> None:
        """End a fault, as an operator or the machine itself would, without FTL."""
        if kind == "slow_link":
            self._require_link().delay(0.0)
        elif kind == "full_disk":
            make_room(self._server)
        elif kind == "engine_restart":
            self._server.start_engine()
        elif kind == "reboot":
            with suppress(Exception):
                self._server.kill()  # where the moment never came
            self._server.start()

    @property
    def _used_link(self) -> bool:
        return self._link is not None and self._link.is_used

    def _require_link(self) -> Link:
        assert self._link is not None
        return self._link


def is_running(process: int) -> bool:
    """Whether a process of this ID runs: one that has ended, and waits for its parent, does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def send(process: int, number: int) -> bool:
    """Send a signal to a process; whether there was one."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


def fill(server: Server) -> None:
    """Leave no room on the disk of a server's engine."""
    server.run("sh", "-c", "dd if=/dev/zero of=/var/lib/docker/filler bs=1M 2>/dev/null; true", timeout=60)


def make_room(server: Server) -> None:
    """Undo `fill`."""
    server.run("rm", "-f", "/var/lib/docker/filler")


def kill_engine(server: Server) -> None:
    """`kill -9` of the engine's daemon, as a crash or the kernel's OOM killer does it."""
    server.run("pkill", "-9", "-x", "dockerd", check=False)


def kill_proxy(server: Server) -> bool:
    """`kill -9` of the proxy's process, likewise; whether it ran."""
    return server.run("pkill", "-9", "-x", "caddy", check=False).returncode == 0
