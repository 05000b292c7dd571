"""A command inside a running container, with both of its outputs and its status."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.engine import streams
from ftl.engine.client import Client, checked
from ftl.engine.values import ExecResult
from ftl.errors import EngineError
from ftl.json_fields import as_int, as_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import ClientResponse


async def execute(
    client: Client, container: str, argv: Sequence[str], *, stdin: bytes | None, seconds: float
) -> ExecResult:
    """Exec create, start and inspect: three round trips."""
    action = f"run `{argv[0]}` in {container}"
    async with client.call(action, seconds=seconds) as docker:
        target = docker.containers.container(checked(container))
        made = await target.exec(list(argv), stdin=stdin is not None)
        async with (
            asyncio.timeout(seconds),
            client.raw(
                docker, "POST", f"exec/{made.id}/start", body={"Detach": False, "Tty": False}
            ) as response,
        ):
            if stdin is not None:
                _send(response, stdin)
            outputs: dict[streams.Stream, list[bytes]] = {"stdout": [], "stderr": []}
            async for stream, content in streams.frames(response.content.iter_any()):
                outputs[stream].append(content)
        status = as_object(await made.inspect()).get("ExitCode")
    return ExecResult(
        exit_code=as_int(status), stdout=b"".join(outputs["stdout"]), stderr=b"".join(outputs["stderr"])
    )


def _send(response: ClientResponse, stdin: bytes) -> None:
    """Write the command's stdin and end it: after the answer's head the connection is the command's own.

    The transport holds what the engine has not taken yet; `stdin` is in memory anyway.
    """
    transport = response.connection.transport if response.connection is not None else None
    if transport is None:  # the command was over before it could read
        return
    if not isinstance(transport, asyncio.WriteTransport):
        raise EngineError("the connection to the engine cannot be written to")
    transport.write(stdin)
    transport.write_eof()
