"""The shell of a server in memory: deploy lock, and scripts that use its docker command."""

from __future__ import annotations

from asyncio import StreamWriter
from typing import TYPE_CHECKING

from ftl.child import Completed
from tests.support.fake_machine import CommandOutput, FakeMachine, FakeProcess

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence

    from tests.unit.deploy.model_server import ModelEngine


class ModelScript(FakeProcess):
    """The script that replaces containers.

    Attributes:
        record: The record that proves a decision.
        proof: The live files that do.
        replacements: Number -> containers, each the fields of its word.
        ended: It was told that the plan has ended.
    """

    def __init__(self, engine: ModelEngine, argv: Sequence[str]) -> None:
        super().__init__(CommandOutput(stdout=b"ready\n", stays=True))
        self.record, self.proof = argv[6], argv[7:]
        self.replacements: dict[str, list[list[str]]] = {}
        self.ended = False
        self.engine = engine
        self.stdin = _ScriptInput(self)

    async def take(self, line: str) -> None:
        """Do what a line says, and answer."""
        assert self.stdout is not None
        word, number, *containers = line.split()
        if word == "replace":
            self.replacements[number] = [one.split(":") for one in containers]
            word, _, reason = (await self.engine.replace(self.replacements[number])).partition(" ")
            self.stdout.feed_data(f"{word} {number} {reason}\n".encode())
        else:
            await self.engine.back(self.replacements[number])
            self.stdout.feed_data(f"back {number}\n".encode())


class _ScriptInput(StreamWriter):
    def __init__(self, script: ModelScript) -> None:
        self._script = script
        self._lines: list[str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._lines += bytes(data).decode().splitlines()

    async def drain(self) -> None:
        lines, self._lines = self._lines, []
        for line in lines:
            if line.startswith(("replace ", "back ")):
                await self._script.take(line)

    def close(self) -> None:
        # What is undone by an FTL that was killed does not happen.
        self._script.ended = self._lines == ["end"] and not self._script.engine.killed
        self._script.end()

    def __del__(self) -> None:
        """Nothing to close."""


class ModelMachine(FakeMachine):
    """The server's shell: the deploy lock, and scripts that use its docker command."""

    def __init__(self, engine: ModelEngine) -> None:
        super().__init__()
        self.engine = engine

    async def start(self, argv: Sequence[str]) -> Process:
        """Take the deploy lock, or start the script that replaces containers."""
        if argv[3] == "ftl-replace":
            script = ModelScript(self.engine, argv)
            self.engine.scripts.append(script)
            return script
        process = FakeProcess(CommandOutput(stdout=b"mine\n", stays=True))
        self.processes.append(process)
        return process

    async def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
    ) -> Completed:
        """Run a script."""
        return Completed(tuple(argv), await self.engine.script(argv), b"", b"")
