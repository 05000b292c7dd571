"""Pushing an image from this machine's engine, and letting a server's engine pull one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl import references
from ftl.errors import TransferFailed
from ftl.events import PullProgress, PushProgress
from ftl.image.registry.failures import RegistryRequest, translate_errors

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.image.registry.keyring import Keyring

STALL_SECONDS = 600.0
"""A push that says nothing for so long is given up."""

PULL_SECONDS = 1800.0
"""A pull that brings nothing for so long is given up."""


async def push(engine: Engine, reference: str, keyring: Keyring, *, emit: Emit) -> str:
    """Push an image to the registry that its name begins with; the credentials go in the request to the engine.

    Args:
        engine: This machine's, which has the image under that name.
        reference: The name.
        keyring: Knows the credentials.
        emit: Told the engine's progress.

    Returns:
        What was pushed: `registry.example.com/shop/web@sha256:...`.

    Raises:
        TransferFailed: The registry refused it or was not reached.
    """
    login = await keyring.for_image(reference)
    attempt = RegistryRequest(f"push {reference}", engine.name, login, writes=True)
    loop = asyncio.get_running_loop()
    digest = ""
    with translate_errors(attempt, late=f"the registry did not answer for {STALL_SECONDS:.0f} s"):
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
    keyring: Keyring,
    *,
    platform: str,
    emit: Emit,
    patience: float | None = None,
) -> None:
    """Let a server's engine pull an image; the credentials go in the request to it, and it does not keep them.

    Args:
        engine: The server's.
        reference: By tag or digest.
        keyring: Knows the credentials.
        platform: "linux/arm64".
        emit: Told the engine's progress.
        patience: The first layer must come within so many seconds.

    Raises:
        TransferFailed: The registry refused, was not reached, or brought nothing for PULL_SECONDS.
    """
    login = await keyring.for_image(reference)
    attempt = RegistryRequest(f"pull {reference}", engine.name, login)
    loop = asyncio.get_running_loop()
    with translate_errors(attempt):
        async with asyncio.timeout(patience or PULL_SECONDS) as limit:
            async for status in engine.pull(reference, platform=platform, auth=login.auth_config):
                if "Pulling" in status or "Download" in status:
                    limit.reschedule(loop.time() + PULL_SECONDS)
                emit(PullProgress(reference, status))
