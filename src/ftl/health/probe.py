"""Health probe: one check of a container over the network.

Probes come from the network, as the proxy's requests will: no program inside the image is needed.
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.engine.transport.http import Request, stream
from ftl.engine.transport.reader import MalformedResponse
from ftl.engine.transport.sockets import NotConnected, Sockets
from ftl.ssh.streams import open_stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.transport.http import StreamingResponse
    from ftl.engine.values import ContainerState, Endpoint
    from ftl.health.spec import HealthSpec
    from ftl.ssh.machine import Machine

REFUSED = "connection refused"

ACCEPTED = "accepts connections"

NOT_HTTP = "its answer is not HTTP"

ROOT_SECONDS = 1.0
"""Seconds for the answer to the first `GET /`."""

SHOWN = 200
"""Characters that are shown of a failed answer's body or other text of the container."""

# How a port without a listener looks at the local end of an SSH forward.
_REFUSED_ERRNOS = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Result of one probe.

    Attributes:
        ok: Whether the container passed.
        text: "200", "301 to https://...", "connection refused", "no answer within 5 s".
        status: The HTTP status, if it answered with one.
        body: The beginning of an answer that was not 2xx.
        final: Another probe cannot succeed.
        note: What is wrong although it passed.
        silent: It accepted a request, and did not answer within the time.
    """

    ok: bool
    text: str
    status: int | None = None
    body: str = ""
    final: bool = False
    note: str = ""
    silent: bool = False


async def probe(engine: Engine, machine: Machine, state: ContainerState, spec: HealthSpec) -> ProbeResult:
    """Check a running container once.

    Docker's own health check must pass too where ftl.yaml sets one, and in a dependency also if its image does. Its
    first result may take half a minute: for a service, an image's own check is reported and holds up no deploy.

    `state` is the container as the engine has just described it.
    """
    blocked = docker_verdict(state, spec)
    if blocked is not None:
        return blocked
    return with_docker_check(await probe_ports(engine, machine, state.endpoints, spec), state)


async def at_gateway(engine: Engine, state: ContainerState) -> ContainerState:
    """The container, in an overlay network, with the address at which its node reaches it.

    An address in an overlay is reached from containers alone. Each of them also has one in the node's own bridge.
    """
    address = (await engine.gateway_addresses()).get(state.sandbox[:12], "")
    gateway = [replace(endpoint, address=address) for endpoint in state.endpoints[:1] if address]
    return replace(state, endpoints=tuple(gateway))


def docker_verdict(state: ContainerState, spec: HealthSpec) -> ProbeResult | None:
    """The failure by Docker's own health check, where that counts; None: the ports decide."""
    if spec.needs_docker_check and state.health == "unhealthy":
        return ProbeResult(False, _failed(state), final=True)
    if spec.needs_docker_check and state.health == "starting":
        return ProbeResult(False, "Docker's health check has not passed yet")
    return None


def with_docker_check(result: ProbeResult, state: ContainerState) -> ProbeResult:
    """The result, with a note where the health check in the image fails."""
    if result.ok and state.health == "unhealthy":
        return replace(result, text=f"{result.text}; {_failed(state)}", note=_failed(state))
    return result


def _failed(state: ContainerState) -> str:
    return f"Docker's health check failed: {_shortened(state.health_log) or 'no output'}"


async def probe_ports(
    engine: Engine, machine: Machine, endpoints: Sequence[Endpoint], spec: HealthSpec
) -> ProbeResult:
    """Check the ports of a running container once."""
    if not spec.ports:
        return ProbeResult(True, "running")
    if not endpoints:
        return ProbeResult(False, "it is in no network")
    if spec.path is not None:
        return await _get(machine, endpoints, spec, spec.path, spec.timeout)
    for port in spec.ports:
        result = await probe_port(
            machine, endpoints[0].address, port, timeout=spec.timeout, answered=engine.ping
        )
        if not result.ok:
            return result
    return ProbeResult(True, ACCEPTED)


async def ask_for_root(
    machine: Machine, endpoints: Sequence[Endpoint], spec: HealthSpec, *, timeout: float
) -> ProbeResult:
    """`GET /` of the first port, whatever its check is."""
    return await _get(machine, endpoints, spec, "/", timeout)


async def answers_still(machine: Machine, endpoints: Sequence[Endpoint], spec: HealthSpec) -> ProbeResult:
    """Check a container that has answered HTTP once more, while it has visitors.

    Without a path only a server error or a refused connection is a failure: a program with one worker may be busy.
    """
    result = await _get(machine, endpoints, spec, spec.path or "/", spec.timeout)
    if spec.path is None and result.text != REFUSED and (result.status or 0) < 500:
        return replace(result, ok=True)
    return result


async def _get(
    machine: Machine, endpoints: Sequence[Endpoint], spec: HealthSpec, path: str, timeout: float
) -> ProbeResult:
    """GET a path of the first port, with the headers of a check."""
    address, port = endpoints[0].address, spec.ports[0]
    return await probe_http(
        machine, address, port, path=path, host=spec.host, https=spec.https, timeout=timeout
    )


async def probe_http(
    machine: Machine, address: str, port: int, *, path: str, host: str, https: bool, timeout: float
) -> ProbeResult:
    """GET a path of the container as the proxy would; redirects are not followed."""
    headers = {"Host": host, "User-Agent": "ftl-health", "X-Forwarded-Host": host}
    if https:
        headers["X-Forwarded-Proto"] = "https"
    async with machine.dial(address, port) as url:
        sockets = Sockets(url, [])
        try:
            async with asyncio.timeout(timeout):
                request = Request(path, headers=headers)
                async with stream(sockets, request, seconds=timeout) as answer, aclosing(answer.pieces):
                    return await _result(answer)
        except TimeoutError:
            return ProbeResult(False, f"no answer within {timeout:g} s", silent=True)
        except MalformedResponse as error:
            return ProbeResult(False, f"{NOT_HTTP}: {_shortened(str(error))}")
        except ConnectionError:
            return ProbeResult(False, REFUSED)
        except (NotConnected, OSError) as error:
            return ProbeResult(False, _reason(error))


async def _result(answer: StreamingResponse) -> ProbeResult:
    if 200 <= answer.status < 300:
        return ProbeResult(True, str(answer.status), answer.status)
    target = answer.headers.get("location")
    text = f"{answer.status} {_shortened(answer.reason)}".strip() + (
        f" to {_shortened(target)}" if target else ""
    )
    body = b""
    with suppress(ConnectionError, MalformedResponse):  # its status is what counts
        async for piece in answer.pieces:
            body += piece
            if len(body) >= SHOWN * 4:
                break
    return ProbeResult(False, text, answer.status, _shortened(body[: SHOWN * 4].decode("utf-8", "replace")))


def _shortened(text: str) -> str:
    """One line of bounded length."""
    words = " ".join(text[: SHOWN * 8].split())
    return words if len(words) <= SHOWN else f"{words[:SHOWN]}..."


async def probe_port(
    machine: Machine,
    address: str,
    port: int,
    *,
    timeout: float,
    answered: Callable[[], Awaitable[object]],
) -> ProbeResult:
    """Connect to a port of the container.

    Behind an SSH forward the local end accepts at once, and closes as soon as the server's end is refused. `answered`
    is a call to the same server over the same SSH connection, sent after ours: once it has been answered, a refusal
    has arrived too.
    """
    async with machine.dial(address, port) as url:
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await open_stream(url)
                try:
                    return await _still_open(reader, answered)
                finally:
                    writer.close()
        except TimeoutError:
            return ProbeResult(False, f"no answer within {timeout:g} s")
        except OSError as error:
            return ProbeResult(False, _reason(error))


async def _still_open(reader: asyncio.StreamReader, answered: Callable[[], Awaitable[object]]) -> ProbeResult:
    first_byte = asyncio.ensure_future(reader.read(1))
    try:
        await answered()
        await asyncio.sleep(0.02)
        if not first_byte.done():
            return ProbeResult(True, ACCEPTED)
        closed = first_byte.exception() is not None or first_byte.result() == b""
        return ProbeResult(not closed, REFUSED if closed else ACCEPTED)
    finally:
        first_byte.cancel()


def _reason(error: Exception) -> str:
    inner = error.__cause__ or error
    if isinstance(inner, OSError) and inner.errno in _REFUSED_ERRNOS:
        return REFUSED
    return str(error) or type(error).__name__
