"""Push an image from this machine's engine, and pull one on a server's engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from ftl.common import references
from ftl.errors import TransferFailed
from ftl.events import PullProgress, PushProgress
from ftl.image.registry.failures import RegistryRequest, requires_login, translated_errors

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.image.registry.further_logins import FurtherLogins
    from ftl.image.registry.keyring import Keyring, RegistryLogin
    from ftl.ssh.machine import Machine


class PullLogins(NamedTuple):
    """Logins of a run; further ones are looked up where a registry wants others."""

    keyring: Keyring
    further: FurtherLogins


STALL_SECONDS = 600.0
"""Timeout of a push without progress."""

PULL_SECONDS = 1800.0
"""Timeout of a pull without progress."""


async def push(engine: Engine, reference: str, keyring: Keyring, *, emit: Emit) -> str:
    """Push an image to the registry in its name, from this machine's engine.

    The credentials are in the request to the engine, which does not store them.

    Returns:
        The pushed image by digest: `registry.example.com/shop/web@sha256:...`.

    Raises:
        TransferFailed: The registry refused it or could not be reached.
    """
    login = await keyring.for_image(reference)
    request = RegistryRequest(f"push {reference}", engine.name, login, writes=True)
    loop = asyncio.get_running_loop()
    digest = ""
    with translated_errors(request, timeout_cause=f"the registry did not answer for {STALL_SECONDS:.0f} s"):
        async with asyncio.timeout(STALL_SECONDS) as limit:
            async for update in engine.push(reference, auth=login.auth_config):
                limit.reschedule(loop.time() + STALL_SECONDS)
                digest = update.digest or digest
                if update.status:
                    emit(PushProgress(reference, update.status))
    if not digest:
        raise TransferFailed(
            f"{engine.name} could not push {reference}", cause="the engine stopped before it was done"
        )
    return f"{references.repository(reference)}@{digest}"


async def pull(
    engine: Engine,
    reference: str,
    logins: PullLogins,
    machine: Machine,
    *,
    platform: str,
    emit: Emit,
    start_seconds: float | None = None,
) -> None:
    """Pull an image on a server's engine.

    The credentials are in the request to the engine, which does not store them. Where the registry wants others than
    the run has, further ones are tried: those of the server itself among them.

    `start_seconds` is the limit for the first layer, if another than PULL_SECONDS.

    Raises:
        TransferFailed: The registry refused it, could not be reached, or made no progress for PULL_SECONDS.
    """
    login = await logins.keyring.for_image(reference)
    seconds = start_seconds or PULL_SECONDS
    try:
        await _pull(engine, reference, login, platform, emit, seconds)
    except TransferFailed as error:
        refused = error
    else:
        return
    if not requires_login(refused.cause or ""):
        raise refused
    async for further in logins.further.of(login.registry, machine):
        try:
            await _pull(engine, reference, further, platform, emit, seconds)
        except TransferFailed as error:
            refused = error
        else:
            return
    if refused.hint and login.credentials is None:
        refused.hint = refused.hint.replace("on this machine", f"on this machine or on {machine.name}")
    if problem := logins.further.problem:
        refused.hint = f"{refused.hint}; {problem}" if refused.hint else problem
    raise refused


async def _pull(
    engine: Engine, reference: str, login: RegistryLogin, platform: str, emit: Emit, seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    with translated_errors(RegistryRequest(f"pull {reference}", engine.name, login)):
        async with asyncio.timeout(seconds) as limit:
            async for status in engine.pull(reference, platform=platform, auth=login.auth_config):
                if "Pulling" in status or "Download" in status:
                    limit.reschedule(loop.time() + PULL_SECONDS)
                emit(PullProgress(reference, status))
