"""Start the proxy: once per server, by the first deploy there."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.json_fields import parse_json
from ftl.common.next_step import ftl
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec, Publish
from ftl.engine.tarball import tar_archive
from ftl.engine.values import Container, Mount
from ftl.errors import EngineError, FtlError
from ftl.proxy import commands, networks
from ftl.proxy.configuration.caddy import HTTP, HTTPS, render
from ftl.proxy.configuration.handover import sysctls
from ftl.proxy.lifecycle.fingerprint import fingerprint
from ftl.proxy.lifecycle.interrupted import finish_upgrade
from ftl.proxy.names import CONFIG_FILE, ProxyNames
from ftl.proxy.state import is_proxy, observe

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.ssh.machine import Machine

_READY_SECONDS = 30.0
_INTERVAL = 0.2
_CONFLICT = 409

# 20.10: "Bind for 0.0.0.0:80 failed: port is already allocated"; 28: "failed to bind host port for 0.0.0.0:80:..."
_BOUND_PORT = re.compile(r"(?:\d+\.\d+\.\d+\.\d+|\[?::\]?):(\d+)")
_PORT_IN_USE = ("port is already allocated", "address already in use")

# It was pruned while the container was stopped, which refers to it by ID: another network of that name will not do.
_NO_NETWORK = re.compile(r"network \S+ not found")


async def ensure(engine: Engine, machine: Machine, names: ProxyNames, image: str) -> None:
    """Ensure that the proxy is running and ready.

    Raises:
        FtlError: A port is in use, or Caddy does not start.
    """
    await finish_upgrade(engine, machine, names)
    await provide(engine, machine, names, image)


async def provide(engine: Engine, machine: Machine, names: ProxyNames, image: str) -> None:
    """Do it, as `ensure`, where no replacement of the proxy is under way or to be finished."""
    container = await find(engine, names)
    created = ""
    if container is None:
        created = await _create(engine, names, image)
    elif container.state in ("running", "paused"):
        if container.state == "paused":
            await engine.unpause(names.container)
        await wait_ready(engine, names)  # it may have been started just now
        return
    await _provide_configuration(engine, names)
    try:
        await engine.start(names.container)
    except EngineError as error:
        if created:
            await engine.remove(created, force=True)
        elif container is not None and _NO_NETWORK.search(error.cause or ""):
            await engine.remove(container.id)
            await provide(engine, machine, names, container.image)
            return
        raise await _with_port_owner(engine, names, error) from error
    await wait_ready(engine, names)
    if container is None:
        # To the networks of the projects that an earlier proxy served, which somebody removed.
        state = await observe(engine, installation=names)
        if state is not None:
            await networks.connect_all(engine, machine, names.container, state.sites.values())


async def find(engine: Engine, names: ProxyNames) -> Container | None:
    """The proxy's container in any state; None where it does not exist.

    Raises:
        FtlError: The name is taken by a container that is not FTL's.
    """
    container = next((each for each in await engine.containers() if each.name == names.container), None)
    if container is not None and not is_proxy(container):
        raise FtlError(
            f"the name {names.container} is taken on {engine.name} by a container that FTL did not create",
            hint="rename or remove that container",
        )
    return container


async def _create(engine: Engine, names: ProxyNames, image: str) -> str:
    """Create the proxy; its ID, or an empty text where another deploy is creating it."""
    own_labels = {labels.ROLE: labels.ROLE_PROXY}
    await engine.create_network(names.network, own_labels)
    await engine.create_volume(names.config_volume, own_labels)
    await engine.create_volume(names.data_volume, own_labels)
    try:
        return await engine.create(names.container, await container_spec(engine, names, image))
    except EngineError as error:
        if error.status != _CONFLICT:
            raise
        await _wait_visible(engine, names)
        return ""


async def _wait_visible(engine: Engine, names: ProxyNames) -> None:
    """Wait for a container that another deploy is creating: its name is taken before it can be seen."""
    for _ in range(int(_READY_SECONDS / _INTERVAL)):
        if await engine.container(names.container) is not None:
            return
        await asyncio.sleep(_INTERVAL)


async def _provide_configuration(engine: Engine, names: ProxyNames) -> None:
    """Upload an initial configuration where there is none, or none that Caddy could start with.

    A volume that an older proxy left has the right one; from its sites it is rendered again.
    """
    found = await engine.get_archive(names.container, CONFIG_FILE) or {}
    if _is_json(b"".join(found.values())):
        return
    state = await observe(engine, installation=names)
    files = {"ftl/caddy.json": render(tuple(state.sites.values()) if state is not None else ())}
    content = tar_archive(files, folders=("ftl/sites", "ftl/next", "live"))
    await engine.put_archive(names.container, "/config", content)


def _is_json(content: bytes) -> bool:
    try:
        parse_json(content)
    except ValueError:
        return False
    return True


async def container_spec(engine: Engine, names: ProxyNames, image: str) -> ContainerSpec:
    """Spec of the proxy's container, with a label by which an upgrade detects other settings."""
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
    label_map = {labels.CONFIG: fingerprint(spec), labels.RESTART: spec.restart}
    return replace(spec, labels={**spec.labels, **label_map})


async def wait_ready(engine: Engine, names: ProxyNames) -> None:
    """Wait until Caddy's admin API answers, which it does once Caddy serves."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while True:
                if await _answers(engine, names):
                    return
                await asyncio.sleep(_INTERVAL)
    except TimeoutError:
        raise await _not_ready(engine, names) from None


async def _answers(engine: Engine, names: ProxyNames) -> bool:
    state = await engine.container(names.container)
    if state is None or not state.running or state.restarting:
        if state is None or state.exit_code != 0:
            raise await _not_ready(engine, names)
        return False
    try:
        result = await engine.execute(names.container, commands.upstreams(), seconds=10.0)
    except EngineError as error:
        if error.status == _CONFLICT:  # it stopped in between
            return False
        raise
    return result.exit_code == 0


async def _not_ready(engine: Engine, names: ProxyNames) -> FtlError:
    lines = [line.text async for line in engine.logs(names.container, tail=10)]
    hint = f"`docker logs {names.container}` on the server shows the whole log"
    return FtlError(f"the proxy on {engine.name} does not start", hint=hint).with_details(lines)


async def _with_port_owner(engine: Engine, names: ProxyNames, error: EngineError) -> FtlError:
    """An error that names the program on the port, if that is the cause; else the engine's error."""
    text = f"{error.message} {error.cause or ''}"
    ports = {int(port) for port in _BOUND_PORT.findall(text)} & {names.http_port, names.https_port}
    if not ports or not any(part in text for part in _PORT_IN_USE):
        return error
    port = min(ports)
    owners = (one for one in await engine.containers() if any(p.host_port == port for p in one.published))
    owner = next(owners, None)
    if owner is not None:
        return FtlError(
            f"port {port} of {engine.name} is taken by the container {owner.name}",
            cause=error.cause,
            hint=f"a proxy is serving there: run {ftl('deploy')} again in a minute, when it is no longer being replaced"
            if is_proxy(owner)
            else f"stop it (`docker stop {owner.name}`), or let it publish another port",
        )
    return FtlError(
        f"port {port} of {engine.name} is taken by a program outside Docker",
        cause=error.cause,
        hint=f"`sudo ss -ltnp 'sport = :{port}'` on the server shows which; often it is nginx or apache2",
    )
