"""In-memory engine: containers, images, networks, volumes, archives, logs as in Docker.

    engine = FakeEngine(images=["shop-web:r1"])
    engine.behaviors["shop-web:r1"] = Behavior(exit_code=1, log=("no database",))
    engine.fail("start", number=2)             # the second `start` raises
    gate = engine.block("stop")                # every `stop` waits for gate.open.set()
    ...
    assert engine.calls == ["create web-1", "start web-1"]

A call that it does not implement fails with NotImplementedError.
"""

from __future__ import annotations

import asyncio
import io
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ftl.engine.values import (
    ArchivedFile,
    Container,
    ContainerState,
    ContainerStats,
    Endpoint,
    ExecResult,
    LogLine,
    Network,
    Volume,
)
from tests.support.engine_calls import carries
from tests.support.fake_container import Behavior, FakeContainer, Files
from tests.support.fake_images import INFO, FakeImages

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence

    from ftl.engine.specs import ContainerSpec
    from ftl.engine.values import CacheRecord, EngineInfo


CACHED_BYTES = 300
"""Bytes of a record of a build cache."""


class FakeEngine(FakeImages):
    """An engine in memory.

    Attributes:
        by_name: All containers, by name.
        behaviors: By image reference, as the container's spec names it.
        paths: Folders of the machine.
        on_execute: Answers `execute`; succeeds without output unless it is set.
    """

    def __init__(
        self, *, name: str = "shop.example.com", info: EngineInfo = INFO, images: Iterable[str] = ()
    ) -> None:
        self.by_name: dict[str, FakeContainer] = {}
        self.behaviors: dict[str, Behavior] = {}
        self.on_execute: Callable[[str, Sequence[str]], ExecResult] = lambda _name, _argv: ExecResult(
            0, b"", b""
        )
        self.paths: set[str] = set()
        self.cache: list[CacheRecord] = []
        self._networks: dict[str, Network] = {}
        self._volumes: dict[str, Volume] = {}
        self._volume_files: dict[str, Files] = {}
        self._modified: dict[tuple[int, str], float] = {}
        super().__init__(name, info, images)

    async def open(self, connections: int) -> None:
        return None

    def _in_use(self, image_id: str) -> bool:
        return any(one.image_id == image_id for one in self.by_name.values())

    async def ping(self) -> None:
        async with self._call("ping", reads=True):
            return

    # --- containers ---------------------------------------------------------------------------

    async def containers(self, *, labels: Mapping[str, str] | None = None) -> list[Container]:
        async with self._call("containers", reads=True):
            return [one.listed() for one in self.by_name.values() if carries(one.spec.labels, labels)]

    async def container(self, name: str) -> ContainerState | None:
        async with self._call("container", name, reads=True):
            found = self._find(name)
            return found.inspected() if found is not None else None

    async def create(self, name: str, spec: ContainerSpec) -> str:
        async with self._call("create", name):
            self._refuse_taken(name)
            paths = [mount.source for mount in spec.mounts if mount.source.startswith("/")]
            if spec.needs_paths and (missing := [path for path in paths if path not in self.paths]):
                text = f'invalid mount config for type "bind": bind source path does not exist: {missing[0]}'
                raise self._refuse(400, text)
            number = next(self._numbers)
            image = self._image(spec.image)
            container = FakeContainer(f"{number:064x}", name, spec, image.id, 1_700_000_000 + number)
            for network, aliases in spec.networks.items():
                self._join(container, network, aliases)
            for mount in spec.mounts:
                if not mount.source.startswith("/"):
                    self._volumes.setdefault(mount.source, Volume(mount.source, {}))
            self.by_name[name] = container
            return container.id

    async def start(self, container: str) -> None:
        async with self._call("start", container):
            target = self._get(container)
            if target.state == "running":
                return
            self._refuse_bound_ports(target)
            self._begin(target)

    def _begin(self, target: FakeContainer) -> None:
        """Let a container run, as its image behaves."""
        self.paths |= {mount.source for mount in target.spec.mounts}
        behavior = self.behaviors.get(target.spec.image, Behavior())
        target.state, target.health = "running", behavior.health
        target.changed.clear()
        for text in behavior.log:
            time = f"2026-01-02T03:04:05.{len(target.log):09}Z"
            stream: Literal["stdout", "stderr"] = "stderr" if text[:1] == "!" else "stdout"
            target.log.append(LogLine(stream, time, text.removeprefix("!")))
        if behavior.exit_code is not None:
            asyncio.get_running_loop().call_later(behavior.seconds, target.end, behavior.exit_code)

    async def stop(self, container: str, *, timeout: float) -> None:
        async with self._call("stop", container):
            target = self._get(container)
            ignores = self.behaviors.get(target.spec.image, Behavior()).ignores_stop
            if ignores and target.state == "running":
                await asyncio.sleep(timeout)
            target.end(137 if ignores else 143, stopped=True)

    async def unpause(self, container: str) -> None:
        async with self._call("unpause", container):
            self._get(container).state = "running"

    async def remove(self, container: str, *, force: bool = False) -> None:
        async with self._call("remove", container):
            target = self._find(container)
            if target is None:
                return
            if target.state == "running" and not force:
                raise self._refuse(409, "You cannot remove a running container: stop it, or force remove")
            target.end(137, stopped=True)
            del self.by_name[target.name]

    async def rename(self, container: str, name: str) -> None:
        async with self._call("rename", container, name):
            target = self._get(container)
            self._refuse_taken(name)
            self.by_name = {name if one is target else key: one for key, one in self.by_name.items()}
            target.name = name

    async def set_restart_policy(self, container: str, policy: str) -> None:
        async with self._call("set_restart_policy", container, policy):
            target = self._get(container)
            target.spec = replace(target.spec, restart=policy)

    async def wait(self, container: str) -> int:
        async with self._call("wait", container, reads=True):
            target = self._get(container)
            if target.state == "running":
                await target.changed.wait()
            return target.exit_code

    async def execute(
        self, container: str, argv: Sequence[str], *, stdin: bytes | None = None, seconds: float = 60.0
    ) -> ExecResult:
        async with self._call("execute", container, *argv[:1]):
            if self._get(container).state != "running":
                raise self._refuse(409, f"container {container} is not running")
            return self.on_execute(container, argv)

    async def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        follow: bool = False,
        since: str | None = None,
        until: str | None = None,
        timestamps: bool = True,
    ) -> AsyncGenerator[LogLine]:
        async with self._call("logs", container, reads=True):
            target = self._get(container)
            lines = [line for line in target.log if since is None or line.time >= since]
            lines = [line for line in lines if until is None or line.time <= until]
            for line in lines if tail is None else lines[max(0, len(lines) - tail) :]:
                yield line if timestamps else line._replace(time="")
            seen = len(target.log)
            while follow:
                ended = target.state not in ("running", "restarting")
                for line in target.log[seen:]:
                    seen += 1
                    yield line if timestamps else line._replace(time="")
                if ended:
                    break
                await asyncio.sleep(0.01)

    async def stats(self, container: str) -> ContainerStats | None:
        async with self._call("stats", container, reads=True):
            target = self._find(container)
            if target is None or target.state != "running":
                return None
            now = asyncio.get_running_loop().time()
            return ContainerStats(now, now * target.cores, target.memory, 2 << 30)

    async def put_archive(self, container: str, path: str, archive: bytes) -> None:
        async with self._call("put_archive", container, path):
            target = self._get(container)
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                for member in tar:
                    file = tar.extractfile(member) if member.isreg() else None
                    files, name = self._place(target, f"{path.rstrip('/')}/{member.name}")
                    if member.islnk():
                        _, linked = self._place(target, f"{path.rstrip('/')}/{member.linkname}")
                        if linked not in files:
                            raise self._refuse(500, f"link {linked} {name}: no such file or directory")
                        files[name] = files[linked]
                        self._modified[id(files), name] = self._modified.get((id(files), linked), 0.0)
                    else:
                        files[name] = file.read() if file is not None else None
                        self._modified[id(files), name] = float(member.mtime)

    async def build_cache(self, *, seconds: float) -> tuple[CacheRecord, ...]:
        async with self._call("build_cache", reads=True):
            return tuple(self.cache)

    async def prune_build_cache(self, record: str = "", *, seconds: float) -> int:
        async with self._call("prune_build_cache", *([record] if record else [])):
            before = len(self.cache)
            self.cache = [one for one in self.cache if record not in ("", one.id)]
            return (before - len(self.cache)) * CACHED_BYTES

    async def get_archive(self, container: str, path: str) -> dict[str, bytes] | None:
        found = await self.read_archive(container, path)
        return None if found is None else {name: file.content for name, file in found.items()}

    async def read_archive(self, container: str, path: str) -> dict[str, ArchivedFile] | None:
        async with self._call("get_archive", container, path, reads=True):
            target = self._find(container)
            if target is None:
                return None
            files, name = self._place(target, path)
            below = {key: value for key, value in files.items() if f"{key}/".startswith(f"{name}/")}
            if not below and name:
                return None
            last = path.rstrip("/").rpartition("/")[2]
            return {
                last + key[len(name) :]: ArchivedFile(value, self._modified.get((id(files), key), 0.0))
                for key, value in below.items()
                if value is not None
            }

    def _place(self, target: FakeContainer, path: str) -> tuple[Files, str]:
        """The files of the volume (or container) that a path is in, and the path there."""
        for mount in target.spec.mounts:
            if not mount.source.startswith("/") and f"{path}/".startswith(f"{mount.target}/"):
                return self._volume_files.setdefault(mount.source, {}), path[len(mount.target) :]
        return target.files, path

    def _find(self, name: str) -> FakeContainer | None:
        return self.by_name.get(name) or next((one for one in self.by_name.values() if one.id == name), None)

    def _get(self, name: str) -> FakeContainer:
        found = self._find(name)
        if found is None:
            raise self._refuse(404, f"No such container: {name}")
        return found

    def _refuse_taken(self, name: str) -> None:
        if name in self.by_name:
            raise self._refuse(409, f'Conflict. The container name "/{name}" is already in use')

    def _refuse_bound_ports(self, target: FakeContainer) -> None:
        running = [one for one in self.by_name.values() if one.state == "running"]
        bound = {port.host_port for one in running for port in one.spec.publish}
        for port in target.spec.publish:
            if port.host_port in bound:
                raise self._refuse(
                    500, f"Bind for 0.0.0.0:{port.host_port} failed: port is already allocated"
                )

    # --- networks and volumes -----------------------------------------------------------------

    async def networks(self, *, labels: Mapping[str, str] | None = None) -> list[Network]:
        async with self._call("networks", reads=True):
            return [one for one in self._networks.values() if carries(one.labels, labels)]

    async def create_network(
        self, name: str, labels: Mapping[str, str], subnet: str | None = None, bridge: str | None = None
    ) -> Network:
        async with self._call("create_network", name):
            number = next(self._numbers)
            new = Network(f"{number:064x}", name, dict(labels), (subnet or f"10.90.{number}.0/24",), False)
            return self._networks.setdefault(name, new)

    async def remove_network(self, name: str) -> None:
        async with self._call("remove_network", name):
            if any(name in one.endpoints for one in self.by_name.values()):
                raise self._refuse(403, f"error while removing network: network {name} has active endpoints")
            self._networks.pop(name, None)

    async def connect(
        self, network: str, container: str, aliases: Sequence[str] = (), address: str | None = None
    ) -> None:
        async with self._call("connect", network, container):
            self._join(self._get(container), network, aliases, address)

    async def disconnect(self, network: str, container: str) -> None:
        async with self._call("disconnect", network, container):
            if (target := self._find(container)) is not None:
                target.endpoints.pop(network, None)

    async def volumes(self, *, labels: Mapping[str, str] | None = None) -> list[Volume]:
        async with self._call("volumes", reads=True):
            return [one for one in self._volumes.values() if carries(one.labels, labels)]

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> Volume:
        async with self._call("create_volume", name):
            return self._volumes.setdefault(name, Volume(name, dict(labels)))

    async def remove_volume(self, name: str) -> None:
        async with self._call("remove_volume", name):
            self._volumes.pop(name, None)
            self._volume_files.pop(name, None)

    def _join(
        self, container: FakeContainer, name: str, aliases: Sequence[str], address: str | None = None
    ) -> None:
        network = next((one for one in self._networks.values() if name in (one.name, one.id)), None)
        if network is None:
            raise self._refuse(404, f"network {name} not found")
        if network.name in container.endpoints:
            raise self._refuse(403, f"endpoint with name {container.name} already exists in network {name}")
        stem = network.subnets[0].rpartition(".")[0]
        taken = [one.address for box in self.by_name.values() for one in box.endpoints.values()]
        free = next(place for last in range(2, 255) if (place := f"{stem}.{last}") not in taken)
        if address in taken:
            raise self._refuse(403, "Address already in use")
        container.endpoints[network.name] = Endpoint(
            network.name, address or free, tuple(aliases), network.id
        )
