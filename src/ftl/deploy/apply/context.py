"""Deploy context: servers, images and undo stack that the runners of a plan share."""

from __future__ import annotations

import asyncio
from dataclasses import astuple, field, replace
from operator import add
from typing import TYPE_CHECKING

from ftl.aio import cancel, shielded
from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.deploy.plan.replacements import Proof
from ftl.engine import labels
from ftl.execution.undo import UndoStack
from ftl.proxy.control import ProxyControl

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence
    from pathlib import Path
    from typing import Any

    from ftl.config.models.project import Project
    from ftl.deploy.apply.clients import RunClients
    from ftl.deploy.apply.replacement_script import ReplacementScript
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.steps.base import ContainerRef
    from ftl.engine.api import Engine
    from ftl.engine.specs import ContainerSpec
    from ftl.engine.values import EngineInfo, Mount
    from ftl.events import Emit
    from ftl.health.wait import Healthy
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.image.transfer import TransferResult
    from ftl.releases.record import KeptLine, ReleaseRecord
    from ftl.ssh.machine import Machine

TASK_SECONDS = 2.0
"""Limit for the work in the background, once the plan is done."""

AFTER_UNDO = f"the next {ftl('deploy')} starts from whatever state the server is in; {ftl('status')} shows it"


@dataclass(frozen=True, slots=True)
class TransferTotals:
    """Sums over the transfers of images: to a server, or for a service or dependency."""

    layers_sent: int = 0
    layers_reused: int = 0
    bytes_sent: int = 0
    bytes_saved: int = 0
    bytes_fanned_out: int = 0

    def __add__(self, other: TransferTotals) -> TransferTotals:
        return TransferTotals(*map(add, astuple(self), astuple(other)))

    @classmethod
    def of(cls, result: TransferResult) -> TransferTotals:
        """The totals of one transfer."""
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
    transfer: TransferTotals = TransferTotals()

    def container(self, spec: ContainerSpec, mounts: Sequence[Mount] = ()) -> ContainerSpec:
        """The planned settings of a container, with the image's reference and its declared volumes.

        Nothing else is created that the plan does not have. `mounts` are volumes at paths that it declares, or that a
        container before it had there.
        """
        return replace(spec, image=self.reference, mounts=(*spec.mounts, *mounts))

    def task(self, spec: ContainerSpec, image: str) -> ContainerSpec:
        """The planned settings of a Swarm's tasks of this image, by its name for all nodes.

        A label keeps the reference.
        """
        return replace(spec, image=image, labels={**spec.labels, labels.IMAGE: self.reference})


@dataclass(slots=True)
class Freed:
    """Space that a run has freed by removing images of old releases.

    Attributes:
        there: Bytes on the servers.
        here: Bytes on this machine.
        estimated: Whether a part of them is an upper estimate.
    """

    there: int = 0
    here: int = 0
    estimated: bool = False


@dataclass(slots=True)
class SwitchState:
    """State of the switch of a run.

    Attributes:
        time: When requests were sent to the release, Unix time in seconds; 0 until then.
        switched_back: Whether they were sent to the release before again.
    """

    time: float = 0.0
    switched_back: bool = False


@dataclass(slots=True)
class DeployContext:
    """One run of a plan, at one of its servers; the servers share everything but `session`.

    Attributes:
        session: The server that the current step runs on.
        observed: The server as the plan saw it.
        images: Service or dependency -> its image on the server, once it is there.
        catch_up_before: Server -> what its crontab had when this run began, about the catch-up.
        created: Name -> ID of the containers that this run created.
        hook_lines: The last lines of hooks, whose containers are removed at once.
        recorded: Release -> its record, as this run has written it last.
        recording: Held while the record of the release gets more, so that of two writers none loses a part.
        stopped: IDs of the containers that this run has stopped before others started.
        healthy: ID -> what was found when a container became healthy.
        operation: What it is, for others who wait for it: "the rollback of ann@laptop".
        proof: What tells a server that the plan was decided.
        replacing: Server -> its script that replaces containers; None where it has no docker command.
    """

    project: Project
    root: Path
    fleet: Fleet
    session: Session
    observed: Observed
    release: str
    emit: Emit
    clients: RunClients
    undo: UndoStack = field(default_factory=lambda: UndoStack(AFTER_UNDO))
    images: dict[str, ResolvedImage] = field(default_factory=dict)
    sent_to: dict[str, TransferTotals] = field(default_factory=dict)
    catch_up_before: dict[str, str] = field(default_factory=dict)
    created: dict[str, str] = field(default_factory=dict)
    hook_lines: list[KeptLine] = field(default_factory=list)
    recorded: dict[str, ReleaseRecord] = field(default_factory=dict)
    recording: asyncio.Lock = field(default_factory=asyncio.Lock)
    stopped: set[str] = field(default_factory=set)
    healthy: dict[str, Healthy] = field(default_factory=dict)
    switch: SwitchState = field(default_factory=SwitchState)
    operation: str = "a deploy"
    proof: Proof = Proof()
    replacing: dict[str, asyncio.Task[ReplacementScript | None]] = field(default_factory=dict)
    freed: Freed = field(default_factory=Freed)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def at(self, server: str) -> DeployContext:
        """Return this run at another server; an empty name is the project's only one."""
        session = self.fleet.at(server)
        return self if session is self.session else replace(self, session=session)

    def each(self, servers: Sequence[str]) -> tuple[DeployContext, ...]:
        """Return this run at several servers; without any, at the project's only one."""
        return tuple(self.at(server) for server in servers or ("",))

    @property
    def server(self) -> str:
        """The server's name."""
        return self.session.name

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
    def now(self) -> float:
        """Unix time for stored records, by the server's clock; in a cluster by the first one's."""
        return self.fleet.first.info.now

    @property
    def proxy(self) -> ProxyControl:
        """The server's proxy."""
        return ProxyControl(self.engine, self.machine)

    def count(self, results: Iterable[TransferResult]) -> None:
        """Count transfers to this server."""
        name = self.session.name
        for result in results:
            self.sent_to[name] = self.sent_to.get(name, TransferTotals()) + TransferTotals.of(result)

    def id_of(self, container: ContainerRef) -> str:
        """The ID of a container, whether it was observed or created by this run."""
        return container.id or self.created[container.name]

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin something that takes its time; the plan does not fail with it."""
        self.tasks.add(asyncio.create_task(work))

    async def end_tasks(self) -> None:
        """Wait briefly for the work in the background: the server ends work that it has begun."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=TASK_SECONDS)
            await cancel(*self.tasks)

    async def create(self, name: str, spec: ContainerSpec, called: str = "") -> str:
        """Create a container, and note its ID: an undo removes containers of this run alone.

        The call is not given up half way: the engine would go on with it, and make a container that nobody removes. It
        has the name `called` until it takes its own.
        """

        async def create() -> str:
            self.created[name] = await self.engine.create(called or name, spec)
            return self.created[name]

        return await shielded(create())

    async def remove_created(self, *names: str) -> None:
        """Remove those of these containers that this run created."""
        for name in names:
            if name in self.created:
                await self.engine.remove(self.created[name], force=True)
