"""API calls about containers: life cycle, exec, logs, archives."""

from __future__ import annotations

import asyncio
import io
import math
import re
import tarfile
from datetime import datetime
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_int, as_object, as_objects, as_str
from ftl.engine import convert
from ftl.engine.calls import body, networks, streams
from ftl.engine.client import Client, bounded, checked, unbounded
from ftl.engine.errors import ignoring, none_if_missing
from ftl.engine.values import ExecResult
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


async def listed(client: Client, labels: Mapping[str, str] | None) -> list[Container]:
    """`GET /containers/json`, including stopped ones."""
    query = {"all": 1, "filters": body.labelled(labels)}
    items = as_objects(await client.get_json("list its containers", "containers/json", query))
    return [convert.listed_container(item) for item in items]


async def inspect(client: Client, name: str) -> ContainerState | None:
    """`GET /containers/{name}/json`."""

    async def work() -> ContainerState:
        record = await client.get_json(f"inspect {name}", f"containers/{checked(name)}/json")
        return convert.inspected_container(as_object(record))

    return await none_if_missing(work())


async def create(client: Client, name: str, spec: ContainerSpec) -> str:
    """`POST /containers/create`, its further networks and its files; all or nothing."""
    await client.info()  # which also tells the log driver
    created = await create_raw(client, name, body.container(spec, log_driver=client.log_driver))
    try:
        for network, aliases in body.further_networks(spec):
            await networks.connect(client, network, created, aliases, address=None)
        if spec.files:
            await put_archive(client, created, "/", body.file_archive(spec.files))
    except BaseException:
        await remove(client, created, force=True)
        raise
    return created


async def create_raw(client: Client, name: str, config: Mapping[str, object]) -> str:
    """`POST /containers/create` with a body as the API defines it."""
    query = {"name": checked(name)}
    answer = await client.send(f"create {name}", "POST", "containers/create", query, body=config)
    return as_str(as_object(answer).get("Id"))


async def start(client: Client, container: str) -> None:
    """`POST /containers/{id}/start`."""
    async with client.call(f"start {container}") as docker:
        await docker.containers.container(checked(container)).start()


async def stop(client: Client, container: str, grace: float) -> None:
    """`POST /containers/{id}/stop`, bounded by the stop timeout and a little more."""
    seconds = grace + _STOP_GRACE
    async with client.call(f"stop {container}", seconds=seconds) as docker:
        target = docker.containers.container(checked(container))
        await target.stop(t=math.ceil(grace), timeout=bounded(seconds))


async def unpause(client: Client, container: str) -> None:
    """`POST /containers/{id}/unpause`."""
    async with client.call(f"unpause {container}") as docker:
        await docker.containers.container(checked(container)).unpause()


async def remove(client: Client, container: str, *, force: bool) -> None:
    """`DELETE /containers/{id}`, anonymous volumes included."""
    with ignoring(404):
        query = {"force": int(force), "v": 1}
        path = f"containers/{checked(container)}"
        await client.send(f"remove {container}", "DELETE", path, query, is_repeatable=True)


async def rename(client: Client, container: str, name: str) -> None:
    """`POST /containers/{id}/rename`."""
    async with client.call(f"rename {container}") as docker:
        await docker.containers.container(checked(container)).rename(checked(name))


async def set_restart_policy(client: Client, container: str, policy: str) -> None:
    """`POST /containers/{id}/update`: aiodocker has no method for it."""
    path = f"containers/{checked(container)}/update"
    async with (
        client.call(f"set the restart policy of {container}") as docker,
        client.raw(docker, "POST", path, body={"RestartPolicy": body.restart_policy(policy)}) as response,
    ):
        await response.read()


async def wait(client: Client, container: str) -> int:
    """`POST /containers/{id}/wait`."""
    async with client.call(f"wait for {container}") as docker:
        answer = await docker.containers.container(checked(container)).wait(timeout=unbounded())
    return as_int(as_object(answer).get("StatusCode"))


async def execute(
    client: Client, container: str, argv: Sequence[str], *, stdin: bytes | None, seconds: float
) -> ExecResult:
    """Exec create, start and inspect: three round trips."""
    action = f"run `{argv[0]}` in {container}"
    async with client.call(action, seconds=seconds) as docker:
        target = docker.containers.container(checked(container))
        command = await target.exec(list(argv), stdin=stdin is not None)
        async with (
            asyncio.timeout(seconds),
            client.raw(
                docker, "POST", f"exec/{command.id}/start", body={"Detach": False, "Tty": False}
            ) as response,
        ):
            if stdin is not None:
                _send(response, stdin)
            outputs: dict[streams.Stream, list[bytes]] = {"stdout": [], "stderr": []}
            async for stream, content in streams.frames(response.content.iter_any()):
                outputs[stream].append(content)
        status = as_object(await command.inspect()).get("ExitCode")
    return ExecResult(
        exit_code=as_int(status), stdout=b"".join(outputs["stdout"]), stderr=b"".join(outputs["stderr"])
    )


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


async def logs(
    client: Client,
    container: str,
    *,
    tail: int | None,
    follow: bool,
    since: str | None,
    until: str | None,
    timestamps: bool,
) -> AsyncGenerator[LogLine]:
    """`GET /containers/{id}/logs`: aiodocker's reader does not tell the two streams apart."""
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
    async with client.stream(f"read the log of {container}", path, query) as pieces:
        async for line in streams.log_lines(streams.frames(pieces), timestamps=timestamps):
            yield line


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


async def stats(client: Client, container: str) -> ContainerStats | None:
    """`GET /containers/{id}/stats`, one sample.

    Without `one-shot` the engine waits a second for another.
    """
    path = f"containers/{checked(container)}/stats"

    async def work() -> ContainerStats | None:
        async with (
            client.call(f"measure {container}") as docker,
            client.raw(docker, "GET", path, query=[("stream", "0"), ("one-shot", "1")]) as response,
        ):
            return convert.container_stats(as_object(await response.json()))

    return await none_if_missing(work())


async def put_archive(client: Client, container: str, path: str, archive: bytes) -> None:
    """`PUT /containers/{id}/archive`."""
    async with client.call(f"write to {path} in {container}") as docker:
        await docker.containers.container(checked(container)).put_archive(path, archive)


async def get_archive(client: Client, container: str, path: str) -> dict[str, bytes] | None:
    """`GET /containers/{id}/archive`."""

    async def work() -> dict[str, bytes]:
        action = f"read {path} in {container}"
        data = await client.get(action, f"containers/{checked(container)}/archive", {"path": path})
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return dict(_files(archive))

    return await none_if_missing(work())


def _files(archive: tarfile.TarFile) -> Iterable[tuple[str, bytes]]:
    for member in archive:
        file = archive.extractfile(member) if member.isreg() else None
        if file is not None:
            yield member.name, file.read()
