"""Clients of a run on this machine: engines with built images, transfers, credentials."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.aio import cancel
from ftl.dataclass import dataclass
from ftl.engine.local import local_url
from ftl.image.registry.further_logins import FurtherLogins
from ftl.image.registry.keyring import Keyring
from ftl.image.registry.push_pull import PullLogins
from ftl.proxy.names import overlay_network

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from pathlib import Path

    from ftl.config.models.project import Project, Registry
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.image.transfer import ReadAhead, Sender, TransferQueue


@dataclass(slots=True)
class RunClients:
    """Engines with built images, and registry credentials, of a run.

    Those of this machine are opened when first needed.

    Attributes:
        builders: Machines that built images: value of `build.on` -> their session.
        registries: Reads those of today's ftl.yaml, where the project is a recorded one; None: it has its own.
    """

    project: Project
    root: Path
    _engine: Engine | None = None
    _logins: PullLogins | None = None
    _transfers: dict[str, TransferQueue] = field(default_factory=dict)
    _senders: dict[str, Sender] = field(default_factory=dict)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    builders: Mapping[str, Session] = field(default_factory=dict)
    registries: Callable[[], Sequence[Registry]] | None = None
    _closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    _ahead: ReadAhead | None = None

    @property
    def logins(self) -> PullLogins:
        """Credentials for registries; each is looked up once in a deploy."""
        if self._logins is None:
            keyring = Keyring(self.project.registries, root=self.root, environ=os.environ)
            self._logins = PullLogins(
                keyring, FurtherLogins(self.registries, root=self.root, environ=os.environ)
            )
        return self._logins

    async def local_engine(self) -> Engine:
        """This machine's engine.

        Raises:
            EngineUnavailable: None answers.
        """
        if self._engine is None:
            from ftl.engine.api import Engine  # loaded while ssh connects

            engine = Engine(local_url(), name="this machine")
            self._engine = await self._closing.enter_async_context(engine)
        return self._engine

    async def engine_of(self, place: str) -> Engine:
        """The engine of a value of `build.on`; where that is empty, this machine's.

        Raises:
            EngineUnavailable: None answers on this machine.
        """
        return self.builders[place].engine if place else await self.local_engine()

    async def read_ahead(self, images: Iterable[str]) -> None:
        """Begin to read images that will likely be sent, by their IDs on this machine.

        The engine reads them while the lock is taken and the server is observed again.
        """
        references = [] if self.project.server.is_local else list(images)
        if references:
            from ftl.image.transfer import ReadAhead  # loaded while ssh connects

            ahead = ReadAhead(await self.local_engine(), references)
            self._ahead = await self._closing.enter_async_context(ahead)

    async def transfers(self, session: Session, emit: Emit, source: Engine | None = None) -> TransferQueue:
        """The queue of images that are sent to the servers; a request names its server.

        Those from several machines take turns: a transfer removes the staging tags of others under its lock. `source`
        has them; None: this machine's engine.

        Raises:
            EngineUnavailable: No engine answers on this machine.
        """
        engine = source or await self.local_engine()
        key = "" if engine is self._engine else engine.name
        if key not in self._transfers:
            from ftl.image.transfer import Sender, TransferQueue  # loaded while ssh connects

            project = self.project
            network = overlay_network(project.name) if project.is_cluster else ""
            ahead = self._ahead if engine is self._engine else None
            self._senders[key] = Sender(engine, emit, lock=project.name, network=network, ahead=ahead)
            self._transfers[key] = TransferQueue(self._senders[key].send, self._sending)
        if key in self._senders:
            from ftl.image.transfer import TargetServer

            target = TargetServer(session.engine, session.info, session.machine)
            self._senders[key].add(session.name, target)
        return self._transfers[key]

    def background(self, work: Coroutine[None, None, None]) -> None:
        """Run something in the background of the deploy; cancelled when the deploy ends."""
        self._closing.push_async_callback(cancel, asyncio.create_task(work))

    async def close(self) -> None:
        """Close connections, and cancel work in the background."""
        await self._closing.aclose()
