"""Replace the running proxy by one with a new image or changed container settings.

Docker gives a port of the machine to one container at a time, and takes it back only when that container ends. So
there is a moment in which nothing listens; everything that can be done before or after it is. In order: the new
container is created, in the same networks at the same addresses; its Caddy reads the configuration; the old one tells
its clients to close their connections, finishes requests, ends; the new one starts. New connections wait meanwhile
where the server allows it (`pause_arguments`). The server does all of that by itself, in one script that FTL starts
and that goes on if FTL is interrupted.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.common.programs import program, shell
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import Mount
from ftl.errors import EngineError, FtlError
from ftl.locks.loss import cancelled_if_lost
from ftl.proxy import networks
from ftl.proxy.docker_script import NO_DOCKER, docker_script
from ftl.proxy.lifecycle import start
from ftl.proxy.lifecycle.interrupted import SUFFIXES, finish_under_lock, proxy_locked
from ftl.proxy.names import ADMIN, CONFIG_FILE

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.engine.values import Container
    from ftl.locks.script_lines import ScriptLock
    from ftl.proxy.names import ProxyNames
    from ftl.ssh.machine import Machine

GRACE_SECONDS = 5
"""Seconds for the old proxy to finish requests once nothing listens.

Its clients have one second before that to close their connections.
"""

_DELAY_SECONDS = 1  # handover's: listeners are open, and answers say `Connection: close`
PAUSE_SECONDS = 15
SCRIPT_SECONDS = 240.0
"""Time for replace.sh to stop the old proxy, try the new one, and start the old one again.

Less, and the deploy fails although the server goes on and replaces the proxy.
"""

VALIDATE_SECONDS = 60.0
_NOT_READY = 3
"""Exit status of replace.sh if the new container starts and does not serve."""


async def upgrade(engine: Engine, machine: Machine, names: ProxyNames, image: str) -> bool:
    """Replace the proxy if its image is not `image`, or its settings are not this FTL version's.

    The image is a Caddy 2, and the server has it. False: nothing had to change.

    Raises:
        FtlError: The new one rejects the configuration or does not start, or the lock was lost; the old one keeps
            running.
    """
    doing = "replaces the proxy"
    async with proxy_locked(engine, machine, names, doing) as (lock, heartbeat):
        async with cancelled_if_lost(heartbeat):
            prepared = await _prepare(engine, machine, names, image)
        if prepared is None:
            return False
        # Ctrl-C in between would leave the server without a proxy; the script goes on when our lock is lost.
        await shielded(_replace(engine, machine, names, *prepared, lock.for_script(doing)))
        return True


async def _prepare(
    engine: Engine, machine: Machine, names: ProxyNames, image: str
) -> tuple[Container, str] | None:
    """The proxy and its successor, which is created; None where the proxy is as it should be."""
    await finish_under_lock(engine, names)
    old = await start.find(engine, names)
    if old is None or old.state != "running":
        await start.provide(engine, machine, names, image)
        old = await start.find(engine, names)
    spec = await start.container_spec(engine, names, image)
    new_image = await engine.image(image)
    if new_image is None or old is None:
        raise FtlError(f"the image {image} is missing on {engine.name}")
    if old.image_id == new_image.id and old.labels.get(labels.CONFIG) == spec.labels[labels.CONFIG]:
        return None
    await _validate(engine, names, image)
    return old, await _create_successor(engine, names, spec)


async def _validate(engine: Engine, names: ProxyNames, image: str) -> None:
    """Let the new Caddy read the configuration in a separate container, before anything is touched."""
    spec = ContainerSpec(
        image=image,
        labels={labels.ROLE: labels.ROLE_PROXY},
        env={"XDG_CONFIG_HOME": "/config", "XDG_DATA_HOME": "/data"},
        entrypoint=("caddy",),
        command=("validate", "--config", CONFIG_FILE),
        mounts=(Mount(names.config_volume, "/config", read_only=True), Mount(names.data_volume, "/data")),
        restart="no",
    )
    check = await engine.create(_with_suffix(names, "check"), spec)
    try:
        try:
            await engine.start(check)
        except EngineError as error:
            raise _not_replaced(engine, f"{image} does not start", error.cause or error.message) from error
        async with asyncio.timeout(VALIDATE_SECONDS):
            status = await engine.wait(check)
        if status != 0:
            lines = [line.text async for line in engine.logs(check, tail=1)]
            raise _not_replaced(engine, f"{image} rejects its configuration", lines[0] if lines else "")
    except TimeoutError:
        why = f"{image} did not validate its configuration within {VALIDATE_SECONDS:g} s"
        raise _not_replaced(engine, why, "") from None
    finally:
        await engine.remove(check, force=True)


async def _create_successor(engine: Engine, names: ProxyNames, spec: ContainerSpec) -> str:
    """Create the new container in the old one's networks, with its aliases and addresses; it is not started yet."""
    state = await engine.container(names.container)
    endpoints = (
        [each for each in state.endpoints if each.network != names.network] if state is not None else []
    )
    new = await engine.create(_with_suffix(names, "new"), spec)
    try:
        for endpoint in endpoints:
            # Docker adds a container's own ID to its aliases.
            aliases = [alias for alias in endpoint.aliases if state is None or not state.id.startswith(alias)]
            await networks.connect(
                engine, new, endpoint.network, frozenset(aliases), endpoint.address or None
            )
    except BaseException:
        await engine.remove(new, force=True)
        raise
    return new


async def _replace(
    engine: Engine, machine: Machine, names: ProxyNames, old: Container, new: str, lock: ScriptLock
) -> None:
    """Let the new container take over; the old one runs again if the new one does not get ready."""
    pause = pause_arguments(
        _with_suffix(names, "hold"), old.image_id, _DELAY_SECONDS / 2, f"{names.http_port},{names.https_port}"
    )
    seconds = str(GRACE_SECONDS + _DELAY_SECONDS)
    arguments = [old.id, new, names.container, seconds, ADMIN, *pause]
    script = program("ftl.locks", "lock_file.sh") + program("ftl.proxy", "scripts/replace.sh")
    argv = docker_script(machine, script, "ftl-replace", *arguments)
    done = await machine.run(argv, stdin=lock.lines, timeout=SCRIPT_SECONDS)
    if done.exit_code == NO_DOCKER:
        await _replace_by_api(engine, names, old.id, new)
    elif done.exit_code != 0:
        await _remove_leftovers(engine, names)
        await start.wait_ready(engine, names)
        why = "the new one does not serve" if done.exit_code == _NOT_READY else "the new one does not start"
        raise _not_replaced(engine, why, done.error_text).with_details(done.lines)


async def _replace_by_api(engine: Engine, names: ProxyNames, old: str, new: str) -> None:
    await _exchange(engine, names, old, new, _with_suffix(names, "old"))
    try:
        await start.wait_ready(engine, names)
    except FtlError as error:
        await _exchange(engine, names, new, old, _with_suffix(names, "failed"))
        await start.wait_ready(engine, names)
        raise _not_replaced(engine, "the new one does not serve", error.cause or "").with_details(
            error.details
        ) from error
    finally:
        await _remove_leftovers(engine, names)


async def _exchange(engine: Engine, names: ProxyNames, first: str, second: str, parked: str) -> None:
    """Exchange them by API calls where the server has no docker command; new connections are refused then."""
    await engine.rename(first, parked)
    await engine.rename(second, names.container)
    await engine.stop(first, timeout=GRACE_SECONDS + _DELAY_SECONDS)
    try:
        await engine.start(second)
    except EngineError as error:
        await engine.rename(second, _with_suffix(names, "failed"))
        await engine.rename(first, names.container)
        await engine.start(first)
        await _remove_leftovers(engine, names)
        raise _not_replaced(engine, "the new one does not start", error.cause or error.message) from error


async def _remove_leftovers(engine: Engine, names: ProxyNames) -> None:
    """Remove stopped containers of this upgrade or one that was interrupted; never one that serves."""
    leftovers = {_with_suffix(names, suffix) for suffix in SUFFIXES}
    for container in await engine.containers(labels={labels.ROLE: labels.ROLE_PROXY}):
        if container.name in leftovers and container.state != "running":
            await engine.remove(container.id, force=True)


def pause_arguments(name: str, image: str, delay: float, ports: str) -> list[str]:
    """`docker` arguments of a container that pauses new connections to ports ("80,443").

    A SYN that is dropped is sent again after one second, then after two more (RFC 6298, 2.1 and 5.5): the visitor
    waits. One that meets no listener is refused: the visitor sees an error. So a container in the machine's network
    namespace drops them, by a rule that the kernel itself ends after PAUSE_SECONDS (xt_time), whatever happens to FTL,
    the container or the engine. Where that is impossible (no iptables, a rootless engine), nothing is changed and
    connections are refused.

    It begins after `delay` seconds, and ends PAUSE_SECONDS later or when it is stopped. The image has `chroot`.
    """
    options = ["--detach", "--rm", "--name", name, "--network", "host", "--volume", "/:/host"]
    options += ["--label", f"{labels.ROLE}={labels.ROLE_PAUSE}"]
    capabilities = ["--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"]
    script = program("ftl.proxy", "scripts/pause.sh")
    command = ["/host", *shell(script, "ftl-hold", f"{delay:g}", str(PAUSE_SECONDS), ports)]
    return ["run", *options, *capabilities, "--entrypoint", "chroot", image, *command]


def _with_suffix(names: ProxyNames, suffix: str) -> str:
    return f"{names.container}-{suffix}"


def _not_replaced(engine: Engine, why: str, cause: str) -> FtlError:
    return FtlError(
        f"the proxy on {engine.name} was not replaced: {why}",
        cause=cause or None,
        hint="the old one keeps running; set another `proxy.image`",
    )
