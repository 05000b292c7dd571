"""Another proxy in place of the one that runs: a new image, or settings of the container that FTL changed.

Docker gives a port of the machine to one container at a time, and takes it back only when that container ends. So
there is a moment at which nobody listens; all that can be done before it or after it is. In turn: the new container
is created, in the same networks at the same addresses; its Caddy reads the configuration; the old one tells its
clients to close their connections, finishes requests, ends; the new one starts. New connections wait meanwhile where
the server lets us (`hold`). The server does all of that by itself, in one script that we start and that goes on
without us.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.engine import labels
from ftl.engine.values import ContainerSpec, Mount
from ftl.errors import EngineError, FtlError
from ftl.proxy import networks
from ftl.proxy.lifecycle import pause_connections, start
from ftl.proxy.lifecycle.docker_script import NO_DOCKER, docker_script
from ftl.proxy.names import ADMIN, CONFIG_FILE

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.proxy.names import Installation
    from ftl.ssh.machine import Machine

GRACE_SECONDS = 5
"""How long the old proxy may finish requests once nobody listens; its clients have a second before that."""

_DELAY_SECONDS = 1  # handover's: listeners are open, and answers say `Connection: close`
_SCRIPT_SECONDS = 60.0
_VALIDATE_SECONDS = 60.0
_ASIDE = ("old", "new", "failed", "check")

# $1: the container that runs, $2: the one that takes over, $3: their name, $4: seconds for the first to end, $5: what
# the first is called then, $6: the admin API's address in the second; the rest: how `docker` has connections wait.
# Deaf to what ends a session; the output may have no reader any more.
_SWAP = """
trap '' HUP INT TERM PIPE
old=$1 new=$2 name=$3 grace=$4 aside=$5 admin=$6
shift 6
names() { docker rename "$old" "$aside" && docker rename "$new" "$name"; }
listens() { docker exec "$new" wget -q -O /dev/null "http://$admin/config/"; }
renamed=no tries=0
names >/dev/null 2>&1 && renamed=yes  # not while it is restarting
guard=$(docker "$@" 2>/dev/null) || guard=
docker stop -t "$grace" "$old" >/dev/null 2>&1
[ "$renamed" = yes ] || names >/dev/null 2>&1
said=$(docker start "$new" 2>&1) && started=yes || started=no
while [ "$started" = yes ] && [ "$tries" -lt 30 ] && ! listens >/dev/null 2>&1; do
  tries=$((tries + 1))
  sleep 0.1
done
if [ "$started" = no ]; then
  docker rename "$new" "$name-failed" >/dev/null 2>&1
  docker rename "$old" "$name" >/dev/null 2>&1
  docker start "$old" >/dev/null 2>&1
fi
[ -z "$guard" ] || docker stop -t 2 "$guard" >/dev/null 2>&1
[ "$started" = yes ] && exit
echo "$said" >&2
exit 1
"""


async def upgrade(engine: Engine, machine: Machine, names: Installation, image: str) -> bool:
    """Replace the proxy if it is not what `image` and this version of FTL would make.

    Args:
        engine: The server's, which has the image.
        machine: The server.
        names: What the proxy is called there.
        image: A Caddy 2 image.

    Returns:
        Whether it was replaced.

    Raises:
        FtlError: The new one does not take the configuration, or does not come up; the old one serves.
    """
    old = await start.find(engine, names)
    if old is None or old.state != "running":
        await start.ensure(engine, machine, names, image)
        old = await start.find(engine, names)
    spec = await start.container_spec(engine, names, image)
    wanted = await engine.image(image)
    if wanted is None or old is None:
        raise FtlError(f"{image} is not on {engine.name}")
    if old.image_id == wanted.id and old.labels.get(labels.CONFIG) == spec.labels[labels.CONFIG]:
        return False
    await _remove_aside(engine, names)
    await _validate(engine, names, image)
    new = await _prepared(engine, names, spec)
    # Ctrl-C in between would leave the server without a proxy.
    await shielded(_replace(engine, machine, names, old.id, new))
    return True


async def _validate(engine: Engine, names: Installation, image: str) -> None:
    """Let the new Caddy read the configuration in a container of its own, before anything is touched."""
    spec = ContainerSpec(
        image=image,
        labels={labels.ROLE: labels.ROLE_PROXY},
        env={"XDG_CONFIG_HOME": "/config", "XDG_DATA_HOME": "/data"},
        entrypoint=("caddy",),
        command=("validate", "--config", CONFIG_FILE),
        mounts=(Mount(names.config_volume, "/config", read_only=True), Mount(names.data_volume, "/data")),
        restart="no",
    )
    name = _aside(names, "check")
    await engine.create(name, spec)
    try:
        try:
            await engine.start(name)
        except EngineError as error:
            raise _kept(engine, f"{image} does not start", error.cause or error.message) from error
        async with asyncio.timeout(_VALIDATE_SECONDS):
            status = await engine.wait(name)
        if status != 0:
            lines = [line.text async for line in engine.logs(name, tail=1)]
            raise _kept(engine, f"{image} does not take its configuration", lines[0] if lines else "")
    except TimeoutError:
        raise _kept(engine, f"{image} does not come to an end with its configuration", "") from None
    finally:
        await engine.remove(name, force=True)


async def _prepared(engine: Engine, names: Installation, spec: ContainerSpec) -> str:
    """Create the new container where the old one is: the same names, the same addresses. It does not run yet."""
    state = await engine.container(names.container)
    places = [one for one in state.endpoints if one.network != names.network] if state is not None else []
    new = await engine.create(_aside(names, "new"), spec)
    try:
        for place in places:
            # Docker adds a container's own ID to its names.
            aliases = [alias for alias in place.aliases if state is None or not state.id.startswith(alias)]
            await networks.connect(engine, new, place.network, frozenset(aliases), place.address or None)
    except BaseException:
        await engine.remove(new, force=True)
        raise
    return new


async def _replace(engine: Engine, machine: Machine, names: Installation, old: str, new: str) -> None:
    """Let the new one take over; take the old one back if it does not come up."""
    await _swap(engine, machine, names, old, new, "old")
    try:
        await start.wait_ready(engine, names)
    except FtlError as error:
        await _swap(engine, machine, names, new, old, "failed")
        await start.wait_ready(engine, names)
        raise _kept(engine, "the new one does not come up", error.cause or "").with_details(
            error.details
        ) from error
    finally:
        await _remove_aside(engine, names)


async def _swap(
    engine: Engine, machine: Machine, names: Installation, first: str, second: str, called: str
) -> None:
    """Stop one container and start another; if that cannot start, the first runs again."""
    seconds, aside = GRACE_SECONDS + _DELAY_SECONDS, _aside(names, called)
    running = await start.find(engine, names)
    ports = f"{names.http_port},{names.https_port}"
    waiting = pause_connections.pause_arguments(
        _aside(names, "hold"), running.image_id if running else "", _DELAY_SECONDS / 2, ports
    )
    arguments = [first, second, names.container, str(seconds), aside, ADMIN, *waiting]
    argv = docker_script(machine, _SWAP, "ftl-swap", *arguments)
    done = await machine.run(argv, timeout=_SCRIPT_SECONDS)
    if done.exit_code == NO_DOCKER:
        await _swap_by_calls(engine, names, first, second, aside)
    elif done.exit_code != 0:
        await _remove_aside(engine, names)
        raise _kept(engine, "the new one does not start", done.stderr.decode(errors="replace").strip())


async def _swap_by_calls(engine: Engine, names: Installation, first: str, second: str, aside: str) -> None:
    """What the script does, where the server has no docker command: new connections do not wait then."""
    await engine.rename(first, aside)
    await engine.rename(second, names.container)
    await engine.stop(first, timeout=GRACE_SECONDS + _DELAY_SECONDS)
    try:
        await engine.start(second)
    except EngineError as error:
        await engine.rename(second, _aside(names, "failed"))
        await engine.rename(first, names.container)
        await engine.start(first)
        await _remove_aside(engine, names)
        raise _kept(engine, "the new one does not start", error.cause or error.message) from error


async def _remove_aside(engine: Engine, names: Installation) -> None:
    """Remove what an upgrade left, this one or one that was cut off; never a container that serves."""
    wanted = {_aside(names, called) for called in _ASIDE}
    for one in await engine.containers(labels={labels.ROLE: labels.ROLE_PROXY}):
        if one.name in wanted and one.state != "running":
            await engine.remove(one.id, force=True)


def _aside(names: Installation, called: str) -> str:
    return f"{names.container}-{called}"


def _kept(engine: Engine, why: str, cause: str) -> FtlError:
    return FtlError(
        f"the proxy of {engine.name} was not replaced: {why}",
        cause=cause or None,
        hint="the old one serves on; take another `proxy.image`",
    )
