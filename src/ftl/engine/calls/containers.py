"""API calls about containers: life cycle, exec, logs, archives."""

from __future__ import annotations

import asyncio
import gzip
import io
import math
import re
import tarfile
from datetime import datetime
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_int, as_object, as_objects, as_str
from ftl.engine import convert
from ftl.engine.calls import body, streams
from ftl.engine.calls.networks import NetworkCalls
from ftl.engine.client import checked
from ftl.engine.errors import ignoring, none_if_missing
from ftl.engine.transport.library import raw, unbounded
from ftl.engine.values import ArchivedFile, ExecResult
from ftl.errors import EngineError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from aiohttp import ClientResponse

    from ftl.engine.specs import ContainerSpec
    from ftl.engine.values import Container, ContainerState, ContainerStats, LogLine

# Seconds that the engine may take to answer, beyond the container's stop timeout.
_STOP_GRACE = 30.0

# Timestamps: the engine writes RFC 3339 with nanoseconds, and reads seconds since 1970.
_RFC3339 = r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)"

_NEVER_BEGAN = (b"OCI runtime exec failed", b"init-p")
"""Words of runc, as output of the command, where its own first process ended before the command began.

Seen once in hundreds of deploys, on a busy machine: "unable to start container process: waiting for init preliminary
setup: read init-p: connection reset by peer". `init-p` is its socket to that process.
"""

_ATTEMPTS = 3
_PAUSE = 1.0


class ContainerCalls(NetworkCalls):
    """Calls about containers, which are named by name or ID."""

    async def containers(self, *, labels: Mapping[str, str] | None = None) -> list[Container]:
        """All containers with these labels, including stopped ones."""
        query = {"all": 1, "filters": body.labelled(labels)}
        items = as_objects(await self._client.get_json("list its containers", "containers/json", query))
        return [convert.listed_container(item) for item in items]

    async def container(self, name: str) -> ContainerState | None:
        """State of one container with all fields; None where it does not exist."""
        path = f"containers/{checked(name)}/json"
        record = await none_if_missing(self._client.get_json(f"inspect {name}", path))
        return None if record is None else convert.inspected_container(as_object(record))

    async def create(self, name: str, spec: ContainerSpec) -> str:
        """Create a container in all of its networks, and return its ID.

        One round trip, and one more for each network after the first. A container that cannot be connected to
        all of them is removed again.
        """
        await self._client.info()  # which also tells the log driver
        created = await self.create_raw(name, body.container(spec, log_driver=self._client.log_driver))
        try:
            for network, aliases in body.further_networks(spec):
                await self.connect(network, created, aliases)
            for folder, files in body.file_folders(spec).items():
                await self.put_archive(created, folder, body.file_archive(files, folder))
        except BaseException:
            await self.remove(created, force=True)
            raise
        return created

    async def create_raw(self, name: str, config: Mapping[str, object]) -> str:
        """Create a container from a body of the API, for options that ContainerSpec lacks; its ID."""
        query = {"name": checked(name)}
        answer = await self._client.send(f"create {name}", "POST", "containers/create", query, body=config)
        return as_str(as_object(answer).get("Id"))

    async def start(self, container: str) -> None:
        """Start a container; a running one is no error."""
        await self._send_attaching(f"start {container}", f"containers/{checked(container)}/start")

    async def stop(self, container: str, *, timeout: float) -> None:
        """Send the stop signal, and SIGKILL after `timeout` seconds; a stopped one is no error."""
        path, seconds = f"containers/{checked(container)}/stop", timeout + _STOP_GRACE
        query = {"t": math.ceil(timeout)}
        await self._client.send(f"stop {container}", "POST", path, query, seconds=seconds)

    async def unpause(self, container: str) -> None:
        """Resume a paused container."""
        await self._client.send(f"unpause {container}", "POST", f"containers/{checked(container)}/unpause")

    async def remove(self, container: str, *, force: bool = False) -> None:
        """Remove a container and its anonymous volumes; a missing one is no error.

        `force` kills it first if it runs.
        """
        path, query = f"containers/{checked(container)}", {"force": int(force), "v": 1}
        with ignoring(404):
            await self._client.send(f"remove {container}", "DELETE", path, query)

    async def rename(self, container: str, name: str) -> None:
        """Rename a container."""
        path, query = f"containers/{checked(container)}/rename", {"name": checked(name)}
        await self._client.send(f"rename {container}", "POST", path, query)

    async def set_restart_policy(self, container: str, policy: str) -> None:
        """Change a container's restart policy; a running container is not restarted."""
        path = f"containers/{checked(container)}/update"
        settings = {"RestartPolicy": body.restart_policy(policy)}
        await self._client.send(f"set the restart policy of {container}", "POST", path, body=settings)

    async def wait(self, container: str) -> int:
        """Wait until a container is not running, and return its exit status. Not bounded."""
        async with self._client.call(f"wait for {container}") as docker:
            answer = await docker.containers.container(checked(container)).wait(timeout=unbounded())
        return as_int(as_object(answer).get("StatusCode"))

    async def execute(
        self, container: str, argv: Sequence[str], *, stdin: bytes | None = None, seconds: float = 60.0
    ) -> ExecResult:
        """Run a command in a running container and wait for it: three round trips.

        A command that the engine could not start, though it is there, has done nothing: it is tried again, twice.

        Args:
            container: By name or ID.
            argv: The program and its arguments; no shell parses them.
            stdin: Its input, up to end of file. None: no stdin.
            seconds: Time limit of an attempt; EngineUnavailable is raised after it. Docker has no way to end the
                command.
        """
        for _ in range(_ATTEMPTS - 1):
            done = await self._execute_once(container, argv, stdin, seconds)
            if not _never_began(done):
                return done
            await asyncio.sleep(_PAUSE)
        return await self._execute_once(container, argv, stdin, seconds)

    async def _execute_once(
        self, container: str, argv: Sequence[str], stdin: bytes | None, seconds: float
    ) -> ExecResult:
        async with self._client.call(f"run `{argv[0]}` in {container}", seconds=seconds) as docker:
            target = docker.containers.container(checked(container))
            command = await target.exec(list(argv), stdin=stdin is not None)
            path, mode = f"exec/{command.id}/start", {"Detach": False, "Tty": False}
            async with asyncio.timeout(seconds), raw(docker, "POST", path, body=mode) as response:
                if stdin is not None:
                    _send(response, stdin)
                outputs: dict[streams.Stream, list[bytes]] = {"stdout": [], "stderr": []}
                async for stream, content in streams.frames(response.content.iter_any()):
                    outputs[stream].append(content)
            status = as_int(as_object(await command.inspect()).get("ExitCode"))
        return ExecResult(status, b"".join(outputs["stdout"]), b"".join(outputs["stderr"]))

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
        """Log of a container by whole lines, both streams in the order of writing.

        Only the last lines, `tail` of them, and those later than `since` and earlier than `until` (RFC 3339, as in
        `LogLine.time`, which `timestamps` fill in). `follow` continues until the container stops.
        """
        query = {
            "stdout": 1,
            "stderr": 1,
            "timestamps": f"{timestamps:d}",
            "follow": f"{follow:d}",
            "tail": tail,
            "since": None if since is None else unix_time(since),
            "until": None if until is None else unix_time(until),
        }
        path = f"containers/{checked(container)}/logs"
        async with self._client.stream(f"read the log of {container}", path, query) as pieces:
            async for line in streams.log_lines(streams.frames(pieces), timestamps=timestamps):
                yield line

    async def stats(self, container: str) -> ContainerStats | None:
        """Use of processor and memory; None where the container is missing or does not run.

        One sample: without `one-shot` the engine waits a second for another.
        """
        path, query = f"containers/{checked(container)}/stats", {"stream": 0, "one-shot": 1}
        record = await none_if_missing(self._client.send(f"measure {container}", "GET", path, query))
        return convert.container_stats(as_object(record))

    async def put_archive(self, container: str, path: str, archive: bytes) -> None:
        """Unpack a tar archive in a folder of a container, running or not.

        It travels compressed: a tar of a few small files is mostly zeros.
        """
        packed = await asyncio.to_thread(gzip.compress, archive, 6)
        async with self._client.call(f"write to {path} in {container}") as docker:
            await docker.containers.container(checked(container)).put_archive(path, packed)

    async def get_archive(self, container: str, path: str) -> dict[str, bytes] | None:
        """Contents of the files at or below a path in a container: see `read_archive`."""
        found = await self.read_archive(container, path)
        return None if found is None else {name: file.content for name, file in found.items()}

    async def read_archive(self, container: str, path: str) -> dict[str, ArchivedFile] | None:
        """Read the files at or below a path in a container, running or not.

        For small files: all are kept in memory.

        Returns:
            Path in the archive -> file; paths begin with the last part of `path`, as in `docker cp`. None where
            the container or the path does not exist.
        """

        async def work() -> dict[str, ArchivedFile]:
            action = f"read {path} in {container}"
            data = await self._client.get(action, f"containers/{checked(container)}/archive", {"path": path})
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                return dict(_files(archive))

        return await none_if_missing(work())


def _never_began(done: ExecResult) -> bool:
    """Whether runc failed before the command began."""
    output = done.stdout + done.stderr
    return done.exit_code in (126, 127, 128) and all(words in output[:1000] for words in _NEVER_BEGAN)


def _send(response: ClientResponse, stdin: bytes) -> None:
    """Write the command's stdin to the connection, which belongs to it once the response began.

    The transport buffers what the engine has not read yet; `stdin` is in memory anyway.
    """
    transport = response.connection.transport if response.connection is not None else None
    if transport is None:  # the command ended before it could read
        return
    if not isinstance(transport, asyncio.WriteTransport):
        raise EngineError("the connection to the engine cannot be written to")
    transport.write(stdin)
    transport.write_eof()


def unix_time(stamp: str) -> str:
    """Convert "2026-01-02T03:04:05.000000006Z" to "1767323045.000000006", without rounding.

    Raises:
        UsageError: It is not a timestamp.
    """
    match = re.fullmatch(_RFC3339, stamp)
    if match is None:
        raise UsageError(f"`{stamp}` is not a timestamp", hint="write it like 2026-01-02T03:04:05Z")
    whole, fraction, zone = match.groups()
    seconds = int(datetime.fromisoformat(whole + zone).timestamp())
    return f"{seconds}.{(fraction or '').ljust(9, '0')}"


def _files(archive: tarfile.TarFile) -> Iterable[tuple[str, ArchivedFile]]:
    """Regular files; the engine's archives have further names of a file as links to the first."""
    for member in archive:
        try:
            file = archive.extractfile(member) if member.isreg() or member.islnk() else None
        except KeyError:  # a link to what is not in the archive
            continue
        if file is not None:
            yield member.name, ArchivedFile(file.read(), member.mtime)
