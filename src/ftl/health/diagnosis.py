"""Diagnosis of an unhealthy container, from the engine's and the kernel's facts."""

from __future__ import annotations

import asyncio
import re
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.common.proc_net import parse_listeners
from ftl.dataclass import dataclass
from ftl.errors import ErrorContext, FtlError, Unhealthy
from ftl.health.probe import ACCEPTED, NOT_HTTP, REFUSED, SHOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.common.proc_net import ListeningSocket
    from ftl.engine.api import Engine
    from ftl.engine.values import ContainerState
    from ftl.health.probe import ProbeResult
    from ftl.ssh.machine import Machine

LOG_LINES = 30

PLAIN_HTTP = "let the program speak plain HTTP there (TLS is the proxy's part)"

MUST_ANSWER = (
    "let `health_check` name a path that it answers, with a `start_period` if it needs longer; `protocol: tcp` if it "
    "does not speak HTTP"
)

# How often, and how many seconds apart, a container that restarts is inspected for a moment when it is down.
_INSPECTIONS = 30
_INSPECT_SECONDS = 0.1

_PROC_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Exited:
    """Symptom: the container stopped running.

    Attributes:
        code: Its exit code, if that was seen; the engine may have restarted it since.
    """

    code: int | None = None


@dataclass(frozen=True, slots=True)
class Unresponsive:
    """Symptom: the container runs, and its last probe failed."""

    ports: tuple[int, ...]
    result: ProbeResult


# PostgreSQL (all languages' drivers repeat its message), MySQL and MariaDB, MongoDB.
_LOGIN_REFUSED = re.compile(
    r"password authentication failed for user|role \S+ does not exist|Access denied for user|Authentication failed",
    re.IGNORECASE,
)

_FIRST_VALUES = (
    "a database takes user and password from its variables only when it first initialises its data: use the values of "
    f"that time, or change them in the database as well (`ALTER USER` in {ftl('exec')})"
)


async def diagnose(
    engine: Engine,
    machine: Machine,
    service: str,
    container: str,
    symptom: Exited | Unresponsive,
) -> FtlError:
    """The error to raise: cause, hint and the container's last log lines."""
    if isinstance(symptom, Exited):
        state = await _state_after_exit(engine, container, symptom)
        cause, hint = explain_exit(state)
        message = f"{service} did not become healthy: {container} ended"
    else:
        state = await engine.container(container)
        refused = symptom.result.text.startswith(REFUSED)
        listeners = await listeners_in(machine, state) if refused else ()
        cause, hint = explain_response(symptom, listeners)
        message = f"{service} did not become healthy"
    lines = [line.text async for line in engine.logs(container, tail=LOG_LINES)] if state else []
    login = next((line for line in reversed(lines) if _LOGIN_REFUSED.search(line)), None)
    if login is not None:
        cause, hint = f"{cause}; its log: {login.strip()[:SHOWN]}", _FIRST_VALUES
    error = Unhealthy(message, cause=cause, hint=hint, place=ErrorContext(service=service))
    if not lines:
        return error.with_details([f"{container} logged nothing"])
    heading = f"the last {len(lines)} log lines" if len(lines) > 1 else "the only log line"
    return error.with_details([f"{heading} of {container}:", *lines])


def has_exited(state: ContainerState | None, *, restarts: int = 0) -> bool:
    """Whether a container is down, or the engine has restarted it more than `restarts` times."""
    return state is None or not state.running or state.restarting or state.restarts > restarts


_EXIT_CODES = {
    0: (": the command finished", "a service's command must keep running"),
    126: (": the command cannot be executed", "check its mode and its first line"),
    127: (": the command was not found in the image", "check `command` and `entrypoint`"),
}


def explain_exit(state: ContainerState | None) -> tuple[str, str | None]:
    """Cause and hint for a container that exited."""
    if state is None:
        return "the container is gone; something else removed it", None
    if state.error:
        return state.error, None
    if state.oom_killed:
        return (
            "it was killed because it ran out of memory",
            "give the server more memory or the program less work",
        )
    code = state.exit_code
    if code > 128 and code - 128 in {number.value for number in signal.Signals}:
        return f"it was ended by {signal.Signals(code - 128).name} (exit code {code})", None
    meaning, hint = _EXIT_CODES.get(code, ("", None))
    return f"it exited with code {code}{meaning}", hint


def explain_response(symptom: Unresponsive, listeners: Sequence[ListeningSocket]) -> tuple[str, str | None]:
    """Cause and hint for a container that runs and failed its last probe."""
    result = symptom.result
    if result.text.startswith(REFUSED):
        return explain_refusal(symptom.ports, listeners)
    if result.text.startswith(NOT_HTTP):
        return result.text, PLAIN_HTTP
    if result.text.startswith(ACCEPTED):
        return f"it {result.text}", MUST_ANSWER
    if result.status is None:
        return result.text, None
    cause = f"it answered {result.text}" + (f": {result.body}" if result.body else "")
    if 300 <= result.status < 400:
        return cause, "let `health_check.path` name a page that answers 200 without a redirect"
    if result.status == 404:
        return cause, "check `health_check.path`"
    if result.status == 400:
        return cause, "if the app accepts certain hosts only, add the project's domain to them"
    return cause, None


LOOPBACK_SECONDS = 3.0
OTHER_PORT_SECONDS = 10.0
"""Seconds of listening on loopback or another port alone, after which that is the cause.

Some open a port for metrics first, and the right one when they are ready.
"""


def outlook(ports: Sequence[int], listeners: Sequence[ListeningSocket]) -> float | None:
    """Seconds after which more waiting is of no use, by a container's listening sockets.

    None where they do not explain why a connection is refused.
    """
    port = ports[0] if ports else 0
    on_port = [listener for listener in listeners if listener.port == port]
    if on_port:
        return LOOPBACK_SECONDS if all(listener.loopback for listener in on_port) else None
    return OTHER_PORT_SECONDS if any(not listener.loopback for listener in listeners) else None


def explain_refusal(ports: Sequence[int], listeners: Sequence[ListeningSocket]) -> tuple[str, str | None]:
    """Cause and hint for a refused connection, by the sockets that listen inside the container."""
    port = ports[0] if ports else 0
    on_port = [listener for listener in listeners if listener.port == port]
    reachable = [listener for listener in on_port if not listener.loopback]
    if on_port and not reachable:
        return (
            f"it listens on {on_port[0].address}:{port}, which only the container itself can reach",
            f"let the program listen on 0.0.0.0:{port}",
        )
    if reachable:
        # [::] is both families as a rule, and IPv6 alone where the program asked for that: it looks the same.
        maybe_ipv6 = all(":" in listener.address for listener in reachable)
        ipv4_hint = f"; or on 0.0.0.0:{port}, if it listens on IPv6 alone" if maybe_ipv6 else ""
        return f"it listens on port {port}, but closes connections without an answer", PLAIN_HTTP + ipv4_hint
    other_ports = sorted({listener.port for listener in listeners if not listener.loopback})
    if other_ports:
        listed = ", ".join(map(str, other_ports))
        return (
            f"nothing listens on port {port}; it listens on {listed}",
            f"set `port: {other_ports[0]}`, or let the program listen on {port}",
        )
    return (
        f"nothing listens on port {port}, nor on any other",
        "it may need longer: see `health_check.start_period`",
    )


async def listeners_in(machine: Machine, state: ContainerState | None) -> tuple[ListeningSocket, ...]:
    """Listening sockets of the container; none where the server's /proc cannot be read."""
    if state is None or state.pid <= 0:
        return ()
    files = (f"/proc/{state.pid}/net/tcp", f"/proc/{state.pid}/net/tcp6")
    done = await machine.run(["cat", *files], timeout=_PROC_SECONDS)
    listeners = set(parse_listeners(done.text))
    return tuple(sorted(listeners, key=lambda listener: (listener.port, listener.address)))


async def _state_after_exit(engine: Engine, container: str, symptom: Exited) -> ContainerState | None:
    if symptom.code is None:
        return await _state_while_down(engine, container)
    state = await engine.container(container)
    return replace(state, exit_code=symptom.code) if state is not None else None


async def _state_while_down(engine: Engine, container: str) -> ContainerState | None:
    """The state of a container that exited; one that keeps restarting is caught at a moment when it is down."""
    state = await engine.container(container)
    for _ in range(_INSPECTIONS):
        if state is None or not state.running or state.restarting:
            break
        await asyncio.sleep(_INSPECT_SECONDS)
        state = await engine.container(container)
    return state
