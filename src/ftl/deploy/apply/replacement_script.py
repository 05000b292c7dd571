"""Script on a server that replaces containers; without FTL it takes that back by itself.

It runs from the first replacement of a plan until that is decided, undone or given up. See docs/decisions/0039.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import ceil
from typing import TYPE_CHECKING, Literal

from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.errors import EngineError, ServerError
from ftl.proxy.docker_script import NO_DOCKER, docker_script
from ftl.proxy.names import ProxyNames

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from ftl.deploy.plan.replacements import Proof
    from ftl.locks.script_lines import ScriptLock
    from ftl.ssh.machine import Machine

READY_SECONDS = 30.0

_CALL_SECONDS = 120.0
"""For the other calls of a replacement, besides the stops."""

_CAUSE_BYTES = 4096
"""Of what it prints where it does not run."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A container that stops.

    Attributes:
        seconds: To stop.
        again: It is started again where the others do not start.
        name: Its name, if it gives that up.
        parked: The one that it has afterwards.
    """

    id: str
    seconds: float
    again: bool = True
    name: str = ""
    parked: str = ""

    @property
    def word(self) -> str:
        """Word of the script's input."""
        fields = (
            self.id,
            str(ceil(self.seconds)),
            str(int(self.again)),
            self.name or "-",
            self.parked or "-",
        )
        return ":".join(("old", *fields))


@dataclass(frozen=True, slots=True)
class Incoming:
    """A container that starts in the place of others.

    Attributes:
        seconds: To stop, where it has to give way again.
        name: The name that it takes over.
        fresh: The one that it has before, and where it has to give way again.
    """

    id: str
    seconds: float
    name: str = ""
    fresh: str = ""

    @property
    def word(self) -> str:
        """Word of the script's input."""
        return ":".join(("new", self.id, str(ceil(self.seconds)), self.name or "-", self.fresh or "-"))


@dataclass(frozen=True, slots=True)
class Replacement:
    """Containers that stop, and those that start in their place."""

    subject: str
    old: tuple[Outgoing, ...]
    new: tuple[Incoming, ...]

    @property
    def words(self) -> str:
        """Words of the script's input."""
        return " ".join((*(each.word for each in self.old), *(each.word for each in self.new)))

    @property
    def limit(self) -> float:
        """Seconds within which the server has done it, or taken it back."""
        return 2 * max(each.seconds for each in self.old) + _CALL_SECONDS


class ReplacementScript:
    """A running script, by its local half; `open` starts one."""

    def __init__(self, machine: Machine, process: Process) -> None:
        self._machine = machine
        self._process = process
        self._sent: list[Replacement] = []
        self._answers: dict[tuple[str, int], asyncio.Future[str]] = {}
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, machine: Machine, lock: ScriptLock, proof: Proof) -> ReplacementScript | None:
        """Start the script; None where the server has no docker command.

        It keeps the lock; there is none where the server takes nothing back by itself. `proof` tells the server that
        the plan was decided.

        Raises:
            ServerError: It cannot be started.
        """
        text = program("ftl.locks", "lock_file.sh") + program("ftl.deploy", "apply/replacement.sh")
        words = (ProxyNames().container, proof.record, *proof.live)
        process = await machine.start(docker_script(machine, text, "ftl-replace", *words))
        assert process.stdin is not None
        assert process.stdout is not None
        cause = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                with suppress(ConnectionError):
                    process.stdin.write(lock.lines)
                    await process.stdin.drain()
                if await process.stdout.readline() == b"ready\n":
                    script = cls(machine, process)
                    script._reading = asyncio.create_task(script._read())
                    return script
                if await process.wait() == NO_DOCKER:
                    return None
                assert process.stderr is not None
                cause = (await process.stderr.read(_CAUSE_BYTES)).decode("utf-8", "replace").strip()
        process.stdin.close()
        raise ServerError(f"{machine.name} cannot replace containers", cause=cause or "it does not answer")

    def begin(self, replacement: Replacement) -> int:
        """Note a replacement that is about to be asked for; returns its number."""
        self._sent.append(replacement)
        return len(self._sent)

    async def replace(self, number: int) -> None:
        """Replace containers.

        Raises:
            EngineError: The new ones do not start; the old ones run again, or the cause says that they do not.
            ServerError: The server does not say whether it was done.
        """
        replacement = self._sent[number - 1]
        answer = await self._answer("replace", number, replacement.words)
        word, _, reason = answer.partition(" ")
        if word == "failed":
            raise EngineError(f"{replacement.subject} does not start", cause=reason or None)

    async def back(self, number: int) -> None:
        """Let the old containers of a replacement run again.

        Raises:
            EngineError: They do not.
            ServerError: The server does not say whether it was done.
        """
        word, _, reason = (await self._answer("back", number)).partition(" ")
        if word == "stuck":
            subject = self._sent[number - 1].subject
            raise EngineError(f"what {subject} replaced does not run again", cause=reason or None)

    def end(self, *, completed: bool = True) -> None:
        """End it.

        Unless the plan is `completed`, decided or undone, the server is left to take back what is not.
        """
        if self._reading is not None:
            self._reading.cancel()
        assert self._process.stdin is not None
        with suppress(OSError, RuntimeError):
            if completed:
                self._process.stdin.write(b"end\n")
            self._process.stdin.close()

    async def _answer(self, word: Literal["replace", "back"], number: int, rest: str = "") -> str:
        replacement = self._sent[number - 1]
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._answers[word, number] = answer
        assert self._process.stdin is not None
        problem = "the connection to the server broke"
        try:
            async with asyncio.timeout(replacement.limit):
                self._process.stdin.write(f"{word} {number} {rest}".rstrip().encode() + b"\n")
                await self._process.stdin.drain()
                return await answer
        except TimeoutError:
            problem = f"it does not answer for {replacement.limit:.0f} s"
        except (OSError, EOFError):
            pass
        raise ServerError(
            f"{self._machine.name} does not say whether {replacement.subject} was replaced", cause=problem
        )

    async def _read(self) -> None:
        assert self._process.stdout is not None
        with suppress(OSError):
            while line := await self._process.stdout.readline():
                word, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
                number, _, reason = rest.partition(" ")
                asked = (
                    "back" if word in ("back", "stuck") else "replace",
                    int(number) if number.isdigit() else 0,
                )
                if (answer := self._answers.get(asked)) is not None and not answer.done():
                    answer.set_result(f"{word} {reason}")
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(EOFError())
