"""What the steps of a plan work with: the server, this machine's engine, and what to take back on failure."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.engine import Engine, local_url
from ftl.errors import FtlError
from ftl.events import StepUndone
from ftl.image.registry.keyring import Keyring
from ftl.proxy import ProxyControl

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from pathlib import Path

    from ftl.config import Project
    from ftl.deploy.plan.steps import Step
    from ftl.engine import EngineInfo
    from ftl.events import Emit
    from ftl.image.transfer import TransferResult
    from ftl.ssh.machine import Machine

UNDO_SECONDS = 90.0
"""How long taking back may last in all."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What bringing the image of a service or dependency cost."""

    layers_sent: int = 0
    layers_reused: int = 0
    bytes_sent: int = 0
    bytes_saved: int = 0

    @classmethod
    def of(cls, sent: TransferResult) -> Traffic:
        """What a transfer came to."""
        return cls(sent.layers_sent, sent.layers_reused, sent.bytes_sent, sent.bytes_saved)


@dataclass(frozen=True, slots=True)
class Undo:
    """How a step is taken back."""

    step: Step
    act: Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Work:
    """One run of a plan.

    Attributes:
        engine: The server's.
        committed: The release is decided; nothing is taken back any more.
        cut_short: Something that comes after that was not done, and is left for the next deploy.
        traffic: By service or dependency.
        image_ids: Image ids on the server, by service or dependency.
        pulled: What came from a registry, by service or dependency: `NAME@sha256:...`.
        exact: What containers of registries' images are created from, likewise: `NAME:TAG@sha256:...`.
        origins: What the images of earlier releases were pulled as, by image id; empty for those that were sent.
        sent: Images of registries that had to be sent from here, by reference.
        fetched: Images that the server pulled in this deploy, by reference.
        layers: The diffIDs of images that FTL's own archive brought, by service.
    """

    project: Project
    root: Path
    machine: Machine
    engine: Engine
    info: EngineInfo
    emit: Emit
    release: str = ""
    committed: bool = False
    cut_short: bool = False
    traffic: dict[str, Traffic] = field(default_factory=dict)
    image_ids: dict[str, str] = field(default_factory=dict)
    pulled: dict[str, str] = field(default_factory=dict)
    exact: dict[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    sent: dict[str, TransferResult] = field(default_factory=dict)
    fetched: set[str] = field(default_factory=set)
    layers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _undo: list[Undo] = field(default_factory=list)
    _here: Engine | None = None
    _keyring: Keyring | None = None
    _closing: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def proxy(self) -> ProxyControl:
        """The server's proxy."""
        return ProxyControl(self.engine, self.machine)

    @property
    def keyring(self) -> Keyring:
        """The credentials for registries, each looked up once in a deploy."""
        if self._keyring is None:
            self._keyring = Keyring(self.project.registries, root=self.root, environ=os.environ)
        return self._keyring

    async def here(self) -> Engine:
        """This machine's engine, opened when first asked for.

        Raises:
            EngineUnavailable: None answers.
        """
        if self._here is None:
            url = local_url()
            engine = Engine(url, name="this machine")
            self._here = await self._closing.enter_async_context(engine)
        return self._here

    def beside(self, work: Coroutine[None, None, None]) -> None:
        """Do something while the deploy goes on; it is cancelled where that ends, and must not mind."""
        task = asyncio.create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        self._closing.push_async_callback(end)

    async def close(self) -> None:
        """Let go of what was opened here."""
        await self._closing.aclose()

    def on_failure(self, step: Step, act: Callable[[], Awaitable[object]]) -> None:
        """Remember how to take back what a step is about to do."""
        self._undo.append(Undo(step, act))

    async def take_back(self) -> None:
        """Undo everything remembered, last first; one that fails does not stop the others. Bounded."""
        try:
            async with asyncio.timeout(UNDO_SECONDS):
                while self._undo:
                    undo = self._undo.pop()
                    step = undo.step
                    try:
                        await undo.act()
                    except FtlError:
                        continue
                    self.emit(StepUndone(step.kind, step.text, step.subject))
        except TimeoutError:
            self._undo.clear()
