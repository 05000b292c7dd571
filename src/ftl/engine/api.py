"""The Docker Engine API as FTL uses it, local or through a forwarded socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ftl.engine.calls import containers, images, networks, services, volumes
from ftl.engine.calls.configs import SwarmConfigs
from ftl.engine.calls.swarm import Swarm
from ftl.engine.client import Client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from socket import socket
    from types import TracebackType

    from ftl.engine.calls.services import ServiceSpec, SwarmService, SwarmTask
    from ftl.engine.errors import Explain
    from ftl.engine.specs import ContainerSpec
    from ftl.engine.values import (
        Container,
        ContainerState,
        ContainerStats,
        DiskUsage,
        EngineInfo,
        ExecResult,
        Image,
        LogLine,
        Network,
        PushUpdate,
        Volume,
    )


class Engine:
    """One engine behind a unix socket (or TCP address). An async context manager.

    Every method raises EngineUnavailable when nothing answers (or the more precise error that `explain` returns) and
    EngineError with the engine's status and message otherwise. The first call asks for `/info` (one round trip, once);
    each call is one round trip unless its docstring says otherwise, over connections that are kept alive. Calls may
    run in parallel.

    Every call is bounded by CALL_SECONDS, except the streams (load, save, pull, push, logs, wait): those last as
    long as the engine keeps them open, and callers can bound them by `asyncio.timeout`.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        explain: Explain | None = None,
        ready: list[socket] | None = None,
        sent: Sequence[tuple[bytes, socket]] = (),
    ) -> None:
        """Prepare for the engine at `url`.

        Args:
            url: "unix:///path" or "tcp://host:port".
            name: Its machine's name in errors: "this machine", "shop.example.com".
            explain: Asked for a better error when no engine answers: `Machine.explain`.
            ready: Sockets that are connected to `url`, of which it takes those that it needs.
            sent: Requests that were sent to it already, each on a socket of its own: calls that would send the same
                take their answers.
        """
        self.name = name
        self.url = url
        unused = [] if ready is None else ready
        self._client = Client(url, name=name, explain=explain, ready=unused, sent=sent)

    @property
    def asked(self) -> Sequence[bytes]:
        """The first requests of calls that only read, for `sent` of a later session."""
        return self._client.asked

    @property
    def swarm(self) -> Swarm:
        """The engine's Swarm mode."""
        return Swarm(self._client)

    @property
    def configs(self) -> SwarmConfigs:
        """The configs of the engine's Swarm."""
        return SwarmConfigs(self._client)

    @property
    def fastest_answer(self) -> float:
        """Seconds that its fastest answer took.

        Little more than the round trip, also where a machine is busy.
        """
        return self._client.fastest_answer

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def info(self) -> EngineInfo:
        """Version, platform and storage of the engine; cached after the first call."""
        return await self._client.info()

    async def ping(self) -> None:
        """One round trip that begins now: what was sent before has arrived when it ends."""
        await self._client.get("answer", "_ping", is_fresh=True)

    # --- images -------------------------------------------------------------------------------

    async def images(self, *, labels: Mapping[str, str] | None = None) -> list[Image]:
        """All images with these labels; layers and platform are left out, see `image`."""
        return await images.listed(self._client, labels)

    async def image(self, reference: str) -> Image | None:
        """One image with all fields, by tag, digest or ID; None where it does not exist."""
        return await images.inspect(self._client, reference)

    async def layer_sizes(self, reference: str) -> list[int]:
        """Unpacked sizes of an image's layers, lowest first; 0 for steps without a layer."""
        return await images.layer_sizes(self._client, reference)

    async def usage(self, *, seconds: float) -> DiskUsage:
        """Disk space of unused images and build cache; takes the engine seconds to minutes.

        Args:
            seconds: Time limit; EngineUnavailable is raised after it.
        """
        return await images.usage(self._client, seconds)

    async def prune_build_cache(self, *, seconds: float) -> None:
        """Remove the build cache that no build is using; EngineUnavailable after a time limit."""
        await images.prune_build_cache(self._client, seconds)

    async def tag(self, reference: str, new: str) -> None:
        """Tag an image as "NAME:TAG"; the tag moves if another image has it."""
        await images.tag(self._client, reference, new)

    async def untag(self, reference: str) -> None:
        """Remove a tag, and with the last one the image (`docker rmi`); a missing one is no error."""
        await images.untag(self._client, reference)

    def pull(
        self, reference: str, *, platform: str | None = None, auth: Mapping[str, str] | None = None
    ) -> AsyncIterator[str]:
        """Let the engine pull an image from its registry; yields its progress by line.

        Args:
            reference: Without a tag or digest, `latest` is pulled.
            platform: "linux/arm64"; None: the engine's.
            auth: `username` and `password`, or `identitytoken`: sent as X-Registry-Auth.
        """
        return images.pull(self._client, reference, platform=platform, auth=auth)

    async def at_registry(self, reference: str, *, seconds: float) -> str:
        """Digest of a reference at its registry, which the engine asks without credentials.

        Args:
            reference: Without a tag or digest, `latest`.
            seconds: Time limit; EngineUnavailable is raised after it.

        Raises:
            EngineError: The registry refused, has no such image, or was not reached; its message is the cause.
        """
        return await images.at_registry(self._client, reference, seconds)

    def push(self, reference: str, *, auth: Mapping[str, str] | None = None) -> AsyncIterator[PushUpdate]:
        """Let the engine push an image to the registry in its name; yields its progress.

        Args:
            reference: "registry.example.com/shop/web:1"; without a tag, `latest`.
            auth: As for `pull`.
        """
        return images.push(self._client, reference, auth=auth)

    async def log_in(self, auth: Mapping[str, str]) -> str:
        """Let the engine check credentials at their registry (`serveraddress`); it stores nothing.

        Returns:
            The identity token that the registry issued for them; empty where it issues none.
        """
        return await images.log_in(self._client, auth)

    async def load(self, archive: AsyncIterator[bytes]) -> list[str]:
        """Load images from a streamed archive.

        It is one of `docker save` or an OCI layout, plain or gzip. Memory stays bounded for any size. Errors of the
        archive itself are raised unchanged.

        Returns:
            The engine's messages ("Loaded image: shop-web:r5"). One does not prove that the image is complete: the
            containerd store prints it for an image whose layers are missing, too (from 27.2 on).

        Raises:
            EngineError: Also when the engine reports the error inside a stream that began with success.
        """
        return await images.load(self._client, archive)

    def save(self, references: Sequence[str]) -> AsyncGenerator[bytes, None]:
        """One archive with these images, in chunks of at most a few hundred KiB."""
        return images.save(self._client, references)

    def build(
        self,
        tag: str,
        context: bytes,
        *,
        arguments: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[str]:
        """Build an image with the engine's builder, without BuildKit; yields its output by line.

        Args:
            tag: The image's name.
            context: A tar with the Dockerfile at its top.
            arguments: Build arguments.
            labels: Labels of the image.
        """
        return images.build(self._client, tag, context, arguments=arguments or {}, labels=labels or {})

    async def import_archive(self, reference: str, archive: AsyncIterator[bytes]) -> None:
        """Make an image of one layer from the tar of a file system (`docker import`)."""
        await images.import_archive(self._client, reference, archive)

    # --- containers ---------------------------------------------------------------------------

    async def containers(self, *, labels: Mapping[str, str] | None = None) -> list[Container]:
        """All containers with these labels, including stopped ones."""
        return await containers.listed(self._client, labels)

    async def container(self, name: str) -> ContainerState | None:
        """State of one container with all fields, by name or ID; None where it does not exist."""
        return await containers.inspect(self._client, name)

    async def create(self, name: str, spec: ContainerSpec) -> str:
        """Create a container in all of its networks.

        One round trip, and one more for each network after the first. A container that cannot be connected to
        all of them is removed again.

        Returns:
            Its ID.
        """
        return await containers.create(self._client, name, spec)

    async def create_raw(self, name: str, config: Mapping[str, object]) -> str:
        """Create a container from a body of `POST /containers/create`.

        For options that ContainerSpec lacks.

        Returns:
            Its ID.
        """
        return await containers.create_raw(self._client, name, config)

    async def start(self, container: str) -> None:
        """Start a container; a running one is no error."""
        await containers.start(self._client, container)

    async def stop(self, container: str, *, timeout: float) -> None:
        """Send the stop signal, and SIGKILL after `timeout` seconds; a stopped one is no error."""
        await containers.stop(self._client, container, timeout)

    async def unpause(self, container: str) -> None:
        """Resume a paused container."""
        await containers.unpause(self._client, container)

    async def remove(self, container: str, *, force: bool = False) -> None:
        """Remove a container and its anonymous volumes; a missing one is no error.

        Args:
            container: By name or ID.
            force: Kill it first if it runs.
        """
        await containers.remove(self._client, container, force=force)

    async def rename(self, container: str, name: str) -> None:
        """Rename a container."""
        await containers.rename(self._client, container, name)

    async def set_restart_policy(self, container: str, policy: str) -> None:
        """Change a container's restart policy; a running container is not restarted."""
        await containers.set_restart_policy(self._client, container, policy)

    async def wait(self, container: str) -> int:
        """Wait until a container is not running, and return its exit status. Not bounded."""
        return await containers.wait(self._client, container)

    async def execute(
        self, container: str, argv: Sequence[str], *, stdin: bytes | None = None, seconds: float = 60.0
    ) -> ExecResult:
        """Run a command in a running container and wait for it: three round trips.

        Args:
            container: By name or ID.
            argv: The program and its arguments; no shell parses them.
            stdin: Its input, up to end of file. None: no stdin.
            seconds: Time limit; EngineUnavailable is raised after it. Docker has no way to end the command.
        """
        return await containers.execute(self._client, container, argv, stdin=stdin, seconds=seconds)

    def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        follow: bool = False,
        since: str | None = None,
        until: str | None = None,
        timestamps: bool = True,
    ) -> AsyncGenerator[LogLine]:
        """Log of a container by whole lines, both streams in the order of writing.

        Args:
            container: By name or ID.
            tail: Only the last lines, this number of them.
            follow: Continue until the container stops.
            since: Only later lines: RFC 3339, as `LogLine.time` has it.
            until: Only earlier lines, likewise.
            timestamps: Fill in `LogLine.time`.
        """
        return containers.logs(
            self._client,
            container,
            tail=tail,
            follow=follow,
            since=since,
            until=until,
            timestamps=timestamps,
        )

    async def stats(self, container: str) -> ContainerStats | None:
        """Use of processor and memory; None where the container is missing or does not run."""
        return await containers.stats(self._client, container)

    async def put_archive(self, container: str, path: str, archive: bytes) -> None:
        """Unpack a tar archive in a folder of a container, running or not."""
        await containers.put_archive(self._client, container, path, archive)

    async def get_archive(self, container: str, path: str) -> dict[str, bytes] | None:
        """Read the files at or below a path in a container, running or not.

        For small files: all are kept in memory.

        Returns:
            Path in the archive -> content; paths begin with the last part of `path`, as in `docker cp`. None where
            the container or the path does not exist.
        """
        return await containers.get_archive(self._client, container, path)

    # --- networks -----------------------------------------------------------------------------

    async def networks(self, *, labels: Mapping[str, str] | None = None) -> list[Network]:
        """All networks with these labels."""
        return await networks.listed(self._client, labels)

    async def create_network(
        self, name: str, labels: Mapping[str, str], subnet: str | None = None, bridge: str | None = None
    ) -> Network:
        """Create a bridge network, or return the one that has this name: two round trips.

        Args:
            name: Its name.
            labels: For a new one; an existing one keeps its labels.
            subnet: "10.83.0.0/24"; None lets the engine choose.
            bridge: Name of its interface on the server, at most 15 characters; None: "br-" and its ID.
        """
        return await networks.create(self._client, name, labels, subnet, bridge)

    async def remove_network(self, name: str) -> None:
        """Remove a network; a missing one is no error."""
        await networks.remove(self._client, name)

    async def connect(
        self, network: str, container: str, aliases: Sequence[str] = (), address: str | None = None
    ) -> None:
        """Connect a container to one more network.

        Args:
            network: By name or ID.
            container: By name or ID.
            aliases: Its DNS names there.
            address: Its address there; needs a network that was created with a subnet. None: any.
        """
        await networks.connect(self._client, network, container, aliases, address=address)

    async def disconnect(self, network: str, container: str) -> None:
        """Disconnect a container from a network.

        A container that is not connected, and a missing container or network, are no error.
        """
        await networks.disconnect(self._client, network, container)

    async def gateway_addresses(self) -> dict[str, str]:
        """Addresses at which the machine reaches its containers of overlay networks.

        Returns:
            Beginning of `ContainerState.sandbox` (12 characters) -> address.
        """
        return await networks.gateway_addresses(self._client)

    # --- services of a Swarm ------------------------------------------------------------------

    async def services(self, *, labels: Mapping[str, str] | None = None) -> list[SwarmService]:
        """All Swarm services with these labels; only a manager knows them."""
        return await services.listed(self._client, labels)

    async def tasks(self, service: str | None = None) -> list[SwarmTask]:
        """Tasks of a Swarm service, past ones too; without one, all tasks that shall run."""
        return await services.tasks(self._client, service)

    async def create_service(self, spec: ServiceSpec) -> str:
        """Create a Swarm service, and return its ID. Its tasks start after that."""
        return await services.create(self._client, spec)

    async def scale_service(self, service: str, replicas: int, labels: Mapping[str, str | None]) -> None:
        """Change the number of replicas of a Swarm service, and its own labels; None removes one."""
        await services.scale(self._client, service, replicas, labels)

    async def remove_service(self, service: str) -> None:
        """Remove a Swarm service, which stops its tasks; a missing one is no error."""
        await services.remove(self._client, service)

    # --- volumes ------------------------------------------------------------------------------

    async def volumes(self, *, labels: Mapping[str, str] | None = None) -> list[Volume]:
        """All volumes with these labels."""
        return await volumes.listed(self._client, labels)

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a named volume; an existing one is kept unchanged."""
        await volumes.create(self._client, name, labels)

    async def remove_volume(self, name: str) -> None:
        """Remove a volume and its content; a missing one is no error."""
        await volumes.remove(self._client, name)
