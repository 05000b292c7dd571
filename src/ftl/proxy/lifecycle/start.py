"""Bringing the proxy up: once per server, by whoever deploys there first."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.engine.tarball import tar_archive
from ftl.engine.values import Container, ContainerSpec, Mount, Publish
from ftl.errors import EngineError, FtlError
from ftl.proxy import networks, scripts
from ftl.proxy.caddy import HTTP, HTTPS, render
from ftl.proxy.lifecycle.handover import sysctls
from ftl.proxy.names import CONFIG_FILE, Installation
from ftl.proxy.state import is_proxy, observe

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.ssh.machine import Machine

_READY_SECONDS = 30.0
_INTERVAL = 0.2
_CONFLICT = 409

# 20.10: "Bind for 0.0.0.0:80 failed: port is already allocated"; 28: "failed to bind host port for 0.0.0.0:80:..."
_TAKEN = re.compile(r"(?:\d+\.\d+\.\d+\.\d+|\[?::\]?):(\d+)")
_TAKEN_WORDS = ("port is already allocated", "address already in use")

# It was pruned while the container was stopped, which holds it by its ID: no network of that name will do.
_NO_NETWORK = re.compile(r"network \S+ not found")


async def ensure(engine: Engine, machine: Machine, names: Installation, image: str) -> None:
    """Have the proxy running and ready."""
    container = await find(engine, names)
    created = container is None
    if container is None:
        await _create(engine, names, image)
    elif container.state in ("running", "paused"):
        if container.state == "paused":
            await engine.unpause(names.container)
        await wait_ready(engine, names)  # it may have been started just now
        return
    await _provide_configuration(engine, names)
    try:
        await engine.start(names.container)
    except EngineError as error:
        if container is None:
            await engine.remove(names.container, force=True)
        elif _NO_NETWORK.search(error.cause or ""):
            await engine.remove(names.container)
            await ensure(engine, machine, names, container.image)
            return
        raise await _explained(engine, names, error) from error
    await wait_ready(engine, names)
    if created:
        await _rejoin(engine, machine, names)


async def _rejoin(engine: Engine, machine: Machine, names: Installation) -> None:
    """Join the networks of the projects that an earlier proxy served, which somebody removed."""
    state = await observe(engine, installation=names)
    if state is not None:
        await networks.connect_all(engine, machine, names.container, state.sites.values())


async def find(engine: Engine, names: Installation) -> Container | None:
    """The proxy's container, whatever its state; None where there is none.

    Raises:
        FtlError: The name is taken by a container that is not FTL's.
    """
    container = next((one for one in await engine.containers() if one.name == names.container), None)
    if container is not None and not is_proxy(container):
        raise FtlError(
            f"a container named {names.container} that is not FTL's is in the way on {engine.name}",
            hint="rename or remove it",
        )
    return container


async def _create(engine: Engine, names: Installation, image: str) -> None:
    marks = {labels.ROLE: labels.ROLE_PROXY}
    await engine.create_network(names.network, marks)
    await engine.create_volume(names.config_volume, marks)
    await engine.create_volume(names.data_volume, marks)
    try:
        await engine.create(names.container, await container_spec(engine, names, image))
    except EngineError as error:
        if error.status != _CONFLICT:
            raise
        await _wait_visible(engine, names)


async def _wait_visible(engine: Engine, names: Installation) -> None:
    """Another deploy creates it at this moment: its name is taken before it can be seen."""
    for _ in range(int(_READY_SECONDS / _INTERVAL)):
        if await engine.container(names.container) is not None:
            return
        await asyncio.sleep(_INTERVAL)


async def _provide_configuration(engine: Engine, names: Installation) -> None:
    """An empty configuration to begin with; a volume that an older proxy left has the right one."""
    if await engine.get_archive(names.container, CONFIG_FILE) is None:
        files = {"ftl/caddy.json": render(())}
        content = tar_archive(files, folders=("ftl/sites", "ftl/next", "live"))
        await engine.put_archive(names.container, "/config", content)


async def container_spec(engine: Engine, names: Installation, image: str) -> ContainerSpec:
    """The proxy's container as this version of FTL makes it; a label tells its settings from other versions'."""
    spec = ContainerSpec(
        image=image,
        labels={labels.ROLE: labels.ROLE_PROXY},
        env={"XDG_CONFIG_HOME": "/config", "XDG_DATA_HOME": "/data"},
        entrypoint=("caddy",),
        command=("run", "--config", CONFIG_FILE),
        networks={names.network: ()},
        mounts=(Mount(names.config_volume, "/config"), Mount(names.data_volume, "/data")),
        publish=(
            Publish(HTTP, names.http_port),
            Publish(HTTPS, names.https_port),
            Publish(HTTPS, names.https_port, protocol="udp"),
        ),
        # Names without a dot are answered by Docker alone (see `release_alias`).
        dns_options=("ndots:1",),
        sysctls=sysctls((await engine.info()).kernel),
    )
    settings = hashlib.sha256(repr(replace(spec, image="")).encode()).hexdigest()[:16]
    return replace(spec, labels={**spec.labels, labels.CONFIG: settings})


async def wait_ready(engine: Engine, names: Installation) -> None:
    """Caddy's admin API answers once it serves."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while True:
                if await _answers(engine, names):
                    return
                await asyncio.sleep(_INTERVAL)
    except TimeoutError:
        raise await _not_ready(engine, names) from None


async def _answers(engine: Engine, names: Installation) -> bool:
    state = await engine.container(names.container)
    if state is None or not state.running or state.restarting:
        if state is None or state.exit_code != 0:
            raise await _not_ready(engine, names)
        return False
    try:
        done = await engine.execute(names.container, scripts.upstreams(), seconds=10.0)
    except EngineError as error:
        if error.status == _CONFLICT:  # it stopped in between
            return False
        raise
    return done.exit_code == 0


async def _not_ready(engine: Engine, names: Installation) -> FtlError:
    lines = [line.text async for line in engine.logs(names.container, tail=10)]
    hint = f"`docker logs {names.container}` there has the whole log"
    return FtlError(f"the proxy of {engine.name} does not come up", hint=hint).with_details(lines)


async def _explained(engine: Engine, names: Installation, error: EngineError) -> FtlError:
    """A better error when the cause is a port that is taken."""
    words = f"{error.message} {error.cause or ''}"
    ports = {int(found) for found in _TAKEN.findall(words)} & {names.http_port, names.https_port}
    if not ports or not any(part in words for part in _TAKEN_WORDS):
        return error
    port = min(ports)
    holder = await _holder(engine, port)
    if holder is not None:
        hint = f"stop it, or move it to another port: `docker stop {holder}`"
        return FtlError(
            f"port {port} of {engine.name} is taken by the container {holder}", cause=error.cause, hint=hint
        )
    return FtlError(
        f"port {port} of {engine.name} is taken by a program outside Docker",
        cause=error.cause,
        hint=f"`ss -ltnp 'sport = :{port}'` there says by which; often it is nginx or apache2",
    )


async def _holder(engine: Engine, port: int) -> str | None:
    """The container that publishes a port of the machine."""
    for container in await engine.containers():
        if any(one.host_port == port for one in container.published):
            return container.name
    return None
