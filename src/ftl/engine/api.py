"""The Docker Engine API as FTL uses it, local or through a forwarded socket: one small typed surface."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from aiodocker.networks import DockerNetwork
from aiodocker.volumes import DockerVolume

from ftl.engine import body, convert, execs, images, streams
from ftl.engine.client import UNBOUNDED, Client, bounded, checked
from ftl.engine.fields import number, record, records
from ftl.engine.times import unix_time
from ftl.errors import EngineError

if TYPE_CHECKING:
    import tarfile
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
    from types import TracebackType

    from ftl.engine.errors import Explain
    from ftl.engine.values import (
        Container,
        ContainerSpec,
        ContainerState,
        EngineInfo,
        ExecResult,
        Image,
        LogLine,
        Network,
        Volume,
    )

# What is read of `GET /containers/json`: aiodocker's listed containers give their fields one by one.
_LISTED = (
    "Id",
    "Names",
    "Image",
    "ImageID",
    "Labels",
    "State",
    "Status",
    "Created",
    "NetworkSettings",
    "Ports",
)

# Seconds that the engine may take to say that a container stopped, beyond what it gives the container.
_STOP_GRACE = 30.0

_NOT_FOUND = 404
_CONFLICT = 409


class Engine:
    """One engine behind a unix socket (or TCP address). An async context manager.

    Every method raises EngineUnavailable when nothing answers (or what `explain` knows about why) and
    EngineError with the engine's status and words otherwise. The first call asks for the engine's version and
    info (two round trips, once); each call is one round trip where its docstring does not say otherwise, over
    connections that are kept alive. Calls may run in parallel.

    Every call is bounded by CALL_SECONDS, except the streams (load, save, pull, logs, wait): those last as
    long as the engine keeps them open, and callers who want less use `asyncio.timeout`.
    """

    def __init__(self, url: str, *, name: str, explain: Explain | None = None) -> None:
        """Prepare for the engine at `url`.

        Args:
            url: "unix:///path" or "tcp://host:port".
            name: What errors call its machine: "this machine", "shop.example.com".
            explain: Asked for a better error when no engine answers: `Machine.explain`.
        """
        self.name = name
        self.url = url
        self._client = Client(url, name=name, explain=explain)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def info(self) -> EngineInfo:
        """Which engine this is; remembered after the first time."""
        return await self._client.info()

    # --- images -------------------------------------------------------------------------------

    async def images(self, *, labels: Mapping[str, str] | None = None) -> list[Image]:
        """All tagged or labelled images that carry these labels; without layers and platform, see `image`."""
        async with self._client.call("list its images") as docker:
            listed = await docker.images.list(filters=_with_labels(labels))
        return [convert.listed_image(item) for item in records(listed)]

    async def image(self, reference: str) -> Image | None:
        """One image in full, by tag, digest or ID; None where the engine does not have it."""
        try:
            async with self._client.call(f"inspect {reference}") as docker:
                return convert.inspected_image(record(await docker.images.inspect(checked(reference))))
        except EngineError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    async def layer_sizes(self, reference: str) -> list[int]:
        """How large an image's layers are, unpacked, lowest first; steps that made no layer are in it as 0."""
        async with self._client.call(f"read the history of {reference}") as docker:
            steps = records(await docker.images.history(checked(reference)))
        return [number(step.get("Size")) for step in reversed(steps)]

    async def tag(self, reference: str, new: str) -> None:
        """Give an image another tag ("NAME:TAG"), which moves if another image has it."""
        name, tag = _split_tag(checked(new))
        async with self._client.call(f"tag {reference} as {new}") as docker:
            await docker.images.tag(checked(reference), name, tag=tag)

    async def untag(self, reference: str) -> None:
        """Take a tag away, and with the last one the image (`docker rmi`); a missing one is no error."""
        with _ignoring(_NOT_FOUND):
            async with self._client.call(f"remove {reference}") as docker:
                await docker.images.delete(checked(reference))

    def pull(
        self, reference: str, *, platform: str | None = None, auth: Mapping[str, str] | None = None
    ) -> AsyncIterator[str]:
        """Let the engine pull an image from its registry: yields its progress, line by line.

        Args:
            reference: Without a tag or digest, `latest` is pulled.
            platform: "linux/arm64"; None takes the engine's own.
            auth: `username` and `password`, or `identitytoken`: sent as X-Registry-Auth.
        """
        return images.pull(self._client, reference, platform=platform, auth=auth)

    async def load(self, archive: AsyncIterator[bytes]) -> list[str]:
        """Load images from an archive (`docker save`'s or an OCI layout, plain or gzip) as it comes.

        Memory stays bounded however large it is. What the archive itself raises passes through unchanged.

        Returns:
            The engine's messages ("Loaded image: shop-web:r5"). That there is one does not prove that the
            image is whole: see the containerd store in docs/design.md.

        Raises:
            EngineError: Also when the engine reports the error inside a stream that began with success.
        """
        return await images.load(self._client, archive)

    def save(self, references: Sequence[str]) -> AsyncGenerator[bytes, None]:
        """One archive with these images, in chunks of at most a few hundred KiB."""
        return images.save(self._client, references)

    # --- containers ---------------------------------------------------------------------------

    async def containers(self, *, labels: Mapping[str, str] | None = None) -> list[Container]:
        """All containers that carry these labels, stopped ones too, with addresses and published ports."""
        query: dict[str, object] = {"all": 1}
        if labels:
            query["filters"] = _with_labels(labels)
        async with self._client.call("list its containers") as docker:
            listed = await docker.containers.list(**query)
            found = [{key: item[key] for key in _LISTED if key in item} for item in listed]
        return [convert.listed_container(item) for item in found]

    async def container(self, name: str) -> ContainerState | None:
        """One container's state in full, by name or ID; None where there is none."""
        try:
            async with self._client.call(f"inspect {name}") as docker:
                shown = await docker.containers.container(checked(name)).show()
        except EngineError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return convert.inspected_container(record(shown))

    async def create(self, name: str, spec: ContainerSpec) -> str:
        """Create a container in all of its networks; its ID.

        One round trip, and one more for each network after the first. A container that cannot be connected to
        all of them is removed again.
        """
        async with self._client.call(f"create {name}") as docker:
            request = body.container(spec, log_driver=self._client.log_driver)
            # aiodocker's JSON type has no room for nested mutable values of our own typing.
            made = await docker.containers.create(request, name=checked(name))  # type: ignore[arg-type]
        try:
            for network, aliases in body.further_networks(spec):
                await self.connect(network, made.id, aliases)
        except BaseException:
            await self.remove(made.id, force=True)
            raise
        return made.id

    async def start(self, container: str) -> None:
        """Start a container; one that runs already is no error."""
        async with self._client.call(f"start {container}") as docker:
            await docker.containers.container(checked(container)).start()

    async def stop(self, container: str, *, timeout: float) -> None:  # the engine's own
        """Send the stop signal, and SIGKILL after `timeout` seconds; one that has stopped is no error."""
        seconds = timeout + _STOP_GRACE
        async with self._client.call(f"stop {container}", seconds=seconds) as docker:
            target = docker.containers.container(checked(container))
            await target.stop(t=math.ceil(timeout), timeout=bounded(seconds))

    async def remove(self, container: str, *, force: bool = False) -> None:
        """Remove a container and its anonymous volumes; a missing one is no error.

        Args:
            container: By name or ID.
            force: Kill it first if it runs.
        """
        with _ignoring(_NOT_FOUND):
            async with self._client.call(f"remove {container}") as docker:
                target = docker.containers.container(checked(container))
                await target.delete(force=force, v=True, timeout=bounded())

    async def rename(self, container: str, name: str) -> None:
        """Give a container another name."""
        async with self._client.call(f"rename {container}") as docker:
            await docker.containers.container(checked(container)).rename(checked(name))

    async def wait(self, container: str) -> int:
        """Wait until a container does not run (any more); its exit status. Not bounded."""
        async with self._client.call(f"wait for {container}") as docker:
            answer = await docker.containers.container(checked(container)).wait(timeout=UNBOUNDED)
        return number(record(answer).get("StatusCode"))

    async def execute(
        self, container: str, argv: Sequence[str], *, stdin: bytes | None = None, seconds: float = 60.0
    ) -> ExecResult:
        """Run a command in a running container to its end: three round trips.

        Args:
            container: By name or ID.
            argv: The program and its arguments; no shell looks at them.
            stdin: What it reads; then it sees the end. None gives it none at all.
            seconds: After so many EngineUnavailable is raised; Docker has no way to end the command.
        """
        return await execs.execute(self._client, container, argv, stdin=stdin, seconds=seconds)

    async def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        follow: bool = False,
        since: str | None = None,
        timestamps: bool = True,
    ) -> AsyncGenerator[LogLine]:
        """A container's log, whole lines, its two streams in the order in which they were written.

        Args:
            container: By name or ID.
            tail: Only the last so many lines.
            follow: Go on until the container stops.
            since: Only later lines: RFC 3339, as `LogLine.time` has it.
            timestamps: Fill in `LogLine.time`.
        """
        query = [
            ("stdout", "1"),
            ("stderr", "1"),
            ("timestamps", str(int(timestamps))),
            ("follow", str(int(follow))),
        ]
        if tail is not None:
            query.append(("tail", str(tail)))
        if since is not None:
            query.append(("since", unix_time(since)))
        path = f"containers/{checked(container)}/logs"
        async with (
            self._client.call(f"read the log of {container}") as docker,
            self._client.raw(docker, "GET", path, query=query) as response,
        ):
            frames = streams.frames(response.content.iter_any())
            async for line in streams.log_lines(frames, timestamps=timestamps):
                yield line

    async def put_archive(self, container: str, path: str, archive: bytes) -> None:
        """Unpack a tar archive in a folder of a container, which need not run."""
        async with self._client.call(f"write to {path} in {container}") as docker:
            await docker.containers.container(checked(container)).put_archive(path, archive)

    async def get_archive(self, container: str, path: str) -> dict[str, bytes] | None:
        """The files at or below a path in a container, which need not run: path in the archive -> content.

        Paths begin with the last part of `path`, as in `docker cp`. For small things: it is held in memory.

        Returns:
            None where the container or the path does not exist.
        """
        try:
            async with self._client.call(f"read {path} in {container}") as docker:
                archive = await docker.containers.container(checked(container)).get_archive(path)
        except EngineError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return dict(_files(archive))

    # --- networks and volumes -----------------------------------------------------------------

    async def networks(self, *, labels: Mapping[str, str] | None = None) -> list[Network]:
        """All networks that carry these labels."""
        async with self._client.call("list its networks") as docker:
            listed = await docker.networks.list(filters=_with_labels(labels))
        return [convert.network(item) for item in records(listed)]

    async def create_network(
        self, name: str, labels: Mapping[str, str], subnet: str | None = None
    ) -> Network:
        """Create a bridge network, or return the one that has this name: two round trips.

        Args:
            name: Its name.
            labels: For a new one; an existing one keeps its own.
            subnet: "10.83.0.0/24"; None lets the engine choose.
        """
        with _ignoring(_CONFLICT):
            async with self._client.call(f"create the network {name}") as docker:
                await docker.networks.create(body.network(checked(name), labels, subnet))
        async with self._client.call(f"inspect the network {name}") as docker:
            return convert.network(record(await DockerNetwork(docker, name).show()))

    async def remove_network(self, name: str) -> None:
        """Remove a network; a missing one is no error."""
        with _ignoring(_NOT_FOUND):
            async with self._client.call(f"remove the network {name}") as docker:
                await DockerNetwork(docker, checked(name)).delete()

    async def connect(
        self, network: str, container: str, aliases: Sequence[str] = (), address: str | None = None
    ) -> None:
        """Connect a container to one more network.

        Args:
            network: By name or ID.
            container: By name or ID.
            aliases: Names by which it can be reached there.
            address: Its address there; needs a network that was created with a subnet. None: any.
        """
        async with self._client.call(f"connect {container} to the network {network}") as docker:
            await DockerNetwork(docker, checked(network)).connect(body.endpoint(container, aliases, address))

    async def disconnect(self, network: str, container: str) -> None:
        """Disconnect a container from a network; either being gone is no error."""
        with _ignoring(_NOT_FOUND):
            async with self._client.call(f"disconnect {container} from the network {network}") as docker:
                await DockerNetwork(docker, checked(network)).disconnect(
                    {"Container": container, "Force": True}
                )

    async def volumes(self, *, labels: Mapping[str, str] | None = None) -> list[Volume]:
        """All volumes that carry these labels."""
        async with self._client.call("list its volumes") as docker:
            answer = record(await docker.volumes.list(filters=_with_labels(labels)))
        return [convert.volume(item) for item in records(answer.get("Volumes"))]

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a named volume; one that exists stays as it is."""
        async with self._client.call(f"create the volume {name}") as docker:
            await docker.volumes.create({"Name": checked(name), "Labels": dict(labels)})

    async def remove_volume(self, name: str) -> None:
        """Remove a volume and what is in it; a missing one is no error."""
        with _ignoring(_NOT_FOUND):
            async with self._client.call(f"remove the volume {name}") as docker:
                await DockerVolume(docker, checked(name)).delete()


class _ignoring(suppress):  # used as a statement
    """Go on after an EngineError of this status."""

    def __init__(self, status: int) -> None:
        super().__init__(EngineError)
        self._status = status

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return isinstance(error, EngineError) and error.status == self._status


def _with_labels(labels: Mapping[str, str] | None) -> dict[str, list[str]] | None:
    return {"label": [f"{name}={value}" for name, value in labels.items()]} if labels else None


def _split_tag(reference: str) -> tuple[str, str]:
    """NAME and TAG; the colon of a registry's port is followed by a slash."""
    name, colon, tag = reference.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (reference, "latest")


def _files(archive: tarfile.TarFile) -> Iterable[tuple[str, bytes]]:
    for member in archive:
        file = archive.extractfile(member) if member.isreg() else None
        if file is not None:
            yield member.name, file.read()
