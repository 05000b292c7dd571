"""Why a container is not healthy, in the words of what it did: facts from the engine and the kernel -> an error."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.errors import FtlError, Place, Unhealthy
from ftl.health.probe import NO_HTTP, REFUSED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine import ContainerState, Engine
    from ftl.health.probe import Outcome
    from ftl.ssh.machine import Machine

LOG_LINES = 30
LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp (Linux, include/net/tcp_states.h)."""

LOOPBACK = ("127.", "::1")

PLAIN_HTTP = "let the program speak plain HTTP there (TLS is the proxy's part)"


@dataclass(frozen=True, slots=True)
class Ended:
    """The container does not run any more."""


@dataclass(frozen=True, slots=True)
class Silent:
    """It runs, and did not answer as it should: the last outcome."""

    ports: tuple[int, ...]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP socket that accepts connections inside a container."""

    address: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only the container itself can reach it."""
        return self.address.startswith(LOOPBACK)


async def explain(
    engine: Engine, machine: Machine, service: str, container: str, symptom: Ended | Silent
) -> FtlError:
    """The error to raise: what, why, what next, and the container's last log lines."""
    state = await _last_state(engine, container, symptom)
    if isinstance(symptom, Ended):
        cause, hint = why_ended(state)
        message = f"{service} did not become healthy: {container} ended"
    else:
        listeners = await _listeners(machine, state) if symptom.outcome.text == REFUSED else ()
        cause, hint = why_silent(symptom, listeners)
        message = f"{service} did not become healthy"
    lines = [line.text async for line in engine.logs(container, tail=LOG_LINES)] if state else []
    error = Unhealthy(message, cause=cause, hint=hint, place=Place(service=service))
    if not lines:
        return error.with_details([f"{container} logged nothing"])
    many = f"the last {len(lines)} log lines" if len(lines) > 1 else "the only log line"
    return error.with_details([f"{many} of {container}:", *lines])


def ended(state: ContainerState | None) -> bool:
    """Whether a container does not run, or has ended at least once and was started again by the engine."""
    return state is None or not state.running or state.restarting or state.restarts > 0


def why_ended(state: ContainerState | None) -> tuple[str, str | None]:
    """Cause and hint for a container that ended."""
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
    if code == 127:
        return (
            "it exited with code 127: the command was not found in the image",
            "check `command` and `entrypoint`",
        )
    if code == 126:
        return "it exited with code 126: the command cannot be executed", "check its mode and its first line"
    if code == 0:
        return "it exited with code 0: the command came to its end", "a service's command must keep running"
    return f"it exited with code {code}", None


def why_silent(symptom: Silent, listeners: Sequence[Listener]) -> tuple[str, str | None]:
    """Cause and hint for a container that runs but did not answer as it should."""
    outcome = symptom.outcome
    port = symptom.ports[0] if symptom.ports else 0
    if outcome.text == REFUSED:
        return _not_listening(port, listeners)
    if outcome.text.startswith(NO_HTTP):
        return outcome.text, PLAIN_HTTP
    if outcome.status is None:
        return outcome.text, None
    said = f"it answered {outcome.text}" + (f": {outcome.body}" if outcome.body else "")
    if 300 <= outcome.status < 400:
        return said, "let `health_check.path` name a page that answers 200 without a redirect"
    if outcome.status == 404:
        return said, "check `health_check.path`"
    if outcome.status == 400:
        return said, "if the app accepts certain hosts only, add the project's domain to them"
    return said, None


def _not_listening(port: int, listeners: Sequence[Listener]) -> tuple[str, str | None]:
    here = [listener for listener in listeners if listener.port == port]
    if here and all(listener.loopback for listener in here):
        return (
            f"it listens on {here[0].address}:{port}, which only the container itself can reach",
            f"let the program listen on 0.0.0.0:{port}",
        )
    reachable = [listener for listener in here if not listener.loopback]
    if reachable:
        # [::] is both families as a rule, and IPv6 alone where the program asked for that: it looks the same.
        maybe_ipv6 = all(":" in listener.address for listener in reachable)
        other = f"; or on 0.0.0.0:{port}, if it listens on IPv6 alone" if maybe_ipv6 else ""
        return f"it listens on port {port}, but closes connections without an answer", PLAIN_HTTP + other
    others = sorted(
        {listener.port for listener in listeners if not listener.loopback and listener.port != port}
    )
    if others:
        ports = ", ".join(map(str, others))
        return (
            f"nothing listens on port {port}; it listens on {ports}",
            f"set `port: {others[0]}`, or let the program listen on {port}",
        )
    return (
        f"nothing listens on port {port}, nor on any other",
        "it may need longer: see `health_check.start_period`",
    )


def parse_listeners(table: str) -> tuple[Listener, ...]:
    """The listening sockets of a /proc/net/tcp or tcp6 (proc(5)): addresses are hex, in the machine's byte order."""
    found = []
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[3] != LISTEN or ":" not in fields[1]:
            continue
        address, port = fields[1].split(":")
        found.append(Listener(_address(address), int(port, 16)))
    return tuple(sorted(set(found), key=lambda one: (one.port, one.address)))


def _address(text: str) -> str:
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    raw = b"".join(words)
    if len(raw) == 4:
        return ".".join(map(str, raw))
    if raw[:15] == bytes(15):
        return "::1" if raw[15] == 1 else "::"
    if raw[:12] == bytes(10) + b"\xff\xff":
        return ".".join(map(str, raw[12:]))
    return ":".join(f"{raw[at]:02x}{raw[at + 1]:02x}" for at in range(0, 16, 2))


async def _listeners(machine: Machine, state: ContainerState | None) -> tuple[Listener, ...]:
    """What listens inside the container, from the machine's /proc; nothing where that cannot be read."""
    if state is None or state.pid <= 0:
        return ()
    files = (f"/proc/{state.pid}/net/tcp", f"/proc/{state.pid}/net/tcp6")
    done = await machine.run(["cat", *files], timeout=10.0)
    return parse_listeners(done.stdout.decode("ascii", "replace"))


async def _last_state(engine: Engine, container: str, symptom: Ended | Silent) -> ContainerState | None:
    """The state to explain: for one that ended and is started again and again, a moment when it is down."""
    state = await engine.container(container)
    if isinstance(symptom, Silent):
        return state
    for _ in range(30):
        if state is None or not state.running or state.restarting:
            break
        await asyncio.sleep(0.1)
        state = await engine.container(container)
    return state
