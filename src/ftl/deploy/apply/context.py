"""Deploy context: servers, images and undo stack that the runners of a plan share."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.deploy.apply.undo import UndoStack
from ftl.engine.local import local_url
from ftl.image.registry.keyring import Keyring
from ftl.proxy.control import ProxyControl
from ftl.proxy.names import overlay_network

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.steps.base import ContainerRef
    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo
    from ftl.events import Emit
    from ftl.health.spec import HealthSpec
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.image.transfer import ReadAhead, Sender, TransferQueue, TransferResult
    from ftl.releases.record import KeptLine, ReleaseRecord
    from ftl.ssh.machine import Machine


@dataclass(frozen=True, slots=True)
class Traffic:
    """Traffic that bringing the image of a service or dependency took."""

    layers_sent: int = 0
    layers_reused: int = 0
    bytes_sent: int = 0
    bytes_saved: int = 0
    bytes_fanned_out: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.layers_sent + other.layers_sent,
            self.layers_reused + other.layers_reused,
            self.bytes_sent + other.bytes_sent,
            self.bytes_saved + other.bytes_saved,
            self.bytes_fanned_out + other.bytes_fanned_out,
        )

    @classmethod
    def of(cls, result: TransferResult) -> Traffic:
        """The traffic of a transfer."""
        return cls(
            result.layers_sent,
            result.layers_reused,
            result.bytes_sent,
            result.bytes_saved,
            result.bytes_fanned_out,
        )


@dataclass(frozen=True, slots=True)
class ResolvedImage:
    """The image of a service or dependency, as the server has it.

    Attributes:
        reference: What containers are created from: a tag of FTL's own, or a reference with a digest.
        id: Its ID on the server.
        pulled: Digest reference by which a registry gave it: `nginx@sha256:...`; empty where it was sent.
        layers: Its diffIDs, if FTL's own archive brought it.
        declared_volumes: Paths that its Dockerfile declares as VOLUME.
    """

    reference: str
    id: str
    pulled: str = ""
    layers: tuple[str, ...] = ()
    declared_volumes: tuple[str, ...] = ()
    traffic: Traffic = Traffic()


@dataclass(slots=True)
class LocalResources:
    """Engines with built images, and registry credentials, of a run.

    Those of this machine are opened when first needed.

    Attributes:
        builders: Machines that built images: value of `build.on` -> their session.
    """

    project: Project
    root: Path
    _engine: Engine | None = None
    _keyring: Keyring | None = None
    _transfers: dict[str, TransferQueue] = field(default_factory=dict)
    _senders: dict[str, Sender] = field(default_factory=dict)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    builders: Mapping[str, Session] = field(default_factory=dict)
    _closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    _ahead: ReadAhead | None = None

    @property
    def keyring(self) -> Keyring:
        """Credentials for registries; each is looked up once in a deploy."""
        if self._keyring is None:
            self._keyring = Keyring(self.project.registries, root=self.root, environ=os.environ)
        return self._keyring

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
        """The engine that built images.

        Args:
            place: A value of `build.on`; empty for this machine.

        Raises:
            EngineUnavailable: None answers on this machine.
        """
        return self.builders[place].engine if place else await self.local_engine()

    async def read_ahead(self, images: Iterable[str]) -> None:
        """Begin to read images that will likely be sent.

        The engine reads them while the lock is taken and the server is observed again.

        Args:
            images: Their IDs on this machine.
        """
        references = [] if self.project.server.is_local else list(images)
        if references:
            from ftl.image.transfer import ReadAhead  # loaded while ssh connects

            ahead = ReadAhead(await self.local_engine(), references)
            self._ahead = await self._closing.enter_async_context(ahead)

    async def transfers(self, session: Session, emit: Emit, source: Engine | None = None) -> TransferQueue:
        """The queue of images that are sent to the servers; a request names its server.

        Those from several machines take turns: a transfer removes the staging tags of others under its lock.

        Args:
            session: A server that images are about to be sent to.
            emit: Receives progress events.
            source: The engine that has them; None for this machine's.

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
        """Run something while the deploy goes on; cancelled when the deploy ends."""
        task = asyncio.create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        self._closing.push_async_callback(end)

    async def close(self) -> None:
        """Close what was opened."""
        await self._closing.aclose()


@dataclass(slots=True)
class SwitchState:
    """State of the switch of a run.

    Attributes:
        time: When requests were sent to the release, Unix time in seconds; 0 until then.
        taken_back: Whether they were sent to the release before again.
    """

    time: float = 0.0
    taken_back: bool = False


@dataclass(slots=True)
class DeployContext:
    """One run of a plan, at one of its servers; the servers share everything but `session`.

    Attributes:
        session: The server that the current step runs on.
        observed: The server as the plan saw it.
        release: The release that the plan makes.
        undo: How to undo what was done, until the release is decided.
        images: Service or dependency -> its image on the server, once it is there.
        moved: Server -> traffic of all images to it.
        followed: Server -> what its crontab had when this run began, about following what is live.
        created: Name -> ID of the containers that this run created.
        hook_lines: The last lines of hooks, whose containers are removed at once.
        recorded: Release -> its record, as it was written when it went live.
        stopped: IDs of the containers that this run has stopped before others started.
        restarts: ID -> how often the engine had restarted a container when it became healthy.
        settled_at: ID -> when a container has run for long enough, by the event loop's clock.
        checks: ID -> health check of a container that gets requests before that, to be made again then.
        switch: Whether requests go to the release.
    """

    project: Project
    root: Path
    fleet: Fleet
    session: Session
    observed: Observed
    release: str
    emit: Emit
    resources: LocalResources
    undo: UndoStack = field(default_factory=UndoStack)
    images: dict[str, ResolvedImage] = field(default_factory=dict)
    moved: dict[str, Traffic] = field(default_factory=dict)
    followed: dict[str, str] = field(default_factory=dict)
    created: dict[str, str] = field(default_factory=dict)
    hook_lines: list[KeptLine] = field(default_factory=list)
    recorded: dict[str, ReleaseRecord] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    restarts: dict[str, int] = field(default_factory=dict)
    settled_at: dict[str, float] = field(default_factory=dict)
    checks: dict[str, HealthSpec] = field(default_factory=dict)
    switch: SwitchState = field(default_factory=SwitchState)

    def at(self, host: str) -> DeployContext:
        """Return this run at another server; an empty name is the project's only one."""
        session = self.fleet.at(host)
        return self if session is self.session else replace(self, session=session)

    def each(self, hosts: Sequence[str]) -> tuple[DeployContext, ...]:
        """Return this run at several servers; without any, at the project's only one."""
        return tuple(self.at(host) for host in hosts or ("",))

    @property
    def engine(self) -> Engine:
        """The server's engine."""
        return self.session.engine

    @property
    def machine(self) -> Machine:
        """The server."""
        return self.session.machine

    @property
    def info(self) -> EngineInfo:
        """Facts about the server's engine."""
        return self.session.info

    @property
    def proxy(self) -> ProxyControl:
        """The server's proxy."""
        return ProxyControl(self.engine, self.machine)

    def count(self, results: Iterable[TransferResult]) -> None:
        """Count what went to this server."""
        name = self.session.name
        for result in results:
            self.moved[name] = self.moved.get(name, Traffic()) + Traffic.of(result)

    def id_of(self, container: ContainerRef) -> str:
        """The ID of a container, whether it was observed or created by this run."""
        return container.id or self.created[container.name]
