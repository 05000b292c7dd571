"""Hooks: a command in a container of the new image, or on this machine with the dependencies within reach."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.child import lines_of
from ftl.deploy.apply.external_images import held_fast
from ftl.errors import EngineError, HookFailed
from ftl.events import HookOutput
from ftl.tunnels.tunnels import dependency_tunnels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.deploy.apply.context import Work
    from ftl.deploy.plan.steps import RunHook

HOOK_SECONDS = 3600.0
"""A hook may last so long: migrations of large tables do."""

LAST_LINES = 30

_SHELL_STATUS: dict[int | None, str] = {
    126: "126 is the shell's way to say that the command may not be executed (`chmod +x`?)",
    127: "127 is the shell's way to say that there is no such command",
}


async def run_remote_hook(work: Work, step: RunHook) -> None:
    """Run a hook in a container of its own, made of the new image, and remove that container whatever happens.

    Raises:
        HookFailed: It ended with a status other than 0, could not start, or took more than HOOK_SECONDS.
    """
    lines: list[str] = []
    try:
        async with asyncio.timeout(HOOK_SECONDS):
            image = await held_fast(work, step.service, step.spec.image)
            await shielded(work.engine.create(step.container, replace(step.spec, image=image)))
            try:
                await shielded(work.engine.start(step.container))
            except EngineError as error:
                raise HookFailed(
                    f"the {step.hook} hook of {step.service} could not start",
                    cause=error.cause or error.message,
                    hint="the hook runs with /bin/sh, which the image must have",
                ) from error
            async for line in work.engine.logs(step.container, follow=True):
                lines.append(line.text)
                work.emit(HookOutput(step.service, step.hook, line.text))
            status = await work.engine.wait(step.container)
    except TimeoutError:
        raise _failed(step, f"it was not done after {HOOK_SECONDS:g} s", lines) from None
    finally:
        await shielded(_remove(work, step.container))
    if status != 0:
        raise _failed(step, f"it ended with status {status}", lines, status=status)


async def _remove(work: Work, container: str) -> None:
    try:
        await work.engine.remove(container, force=True)
    except EngineError:
        return  # the connection is gone; the next deploy removes it by its labels


async def run_local_hook(work: Work, step: RunHook) -> None:
    """Run a hook on this machine, in the folder of ftl.yaml, with tunnels to the dependencies open.

    The dependencies are within reach at 127.0.0.1; FTL_POSTGRES_PORT (the name in capitals) says at which port,
    the usual one unless something here has it.

    Raises:
        HookFailed: It ended with a status other than 0, or took more than HOOK_SECONDS.
    """
    lines: list[str] = []
    async with dependency_tunnels(work.machine, work.engine, work.project) as ports:
        env = os.environ | _told(work, step, ports)
        try:
            async with (
                asyncio.timeout(HOOK_SECONDS),
                lines_of(["/bin/sh", "-c", step.command], env=env, cwd=work.root) as (output, process),
            ):
                async for line in output:
                    lines.append(line)
                    work.emit(HookOutput(step.service, step.hook, line))
                status = await process.wait()
        except TimeoutError:
            raise _failed(step, f"it was not done after {HOOK_SECONDS:g} s", lines) from None
    if status != 0:
        raise _failed(step, f"it ended with status {status}", lines, status=status)


def _told(work: Work, step: RunHook, ports: Mapping[str, int]) -> dict[str, str]:
    """What a local hook learns by its environment."""
    told = {
        "FTL_PROJECT": work.project.name,
        "FTL_SERVICE": step.service,
        "FTL_RELEASE": work.release,
        "FTL_SERVER": work.machine.name,
    }
    for name, port in ports.items():
        told[f"FTL_{name.upper().replace('-', '_')}_PORT"] = str(port)
    return told


def _failed(step: RunHook, cause: str, lines: list[str], *, status: int | None = None) -> HookFailed:
    where = "here" if step.where == "local" else "in the new image"
    after = (
        "nothing was switched: mend it and deploy again"
        if step.hook == "pre"
        else f"the new release is live: run the command by hand; the hook itself runs again only when a deploy "
        f"changes {step.service}"
    )
    hint = "; ".join(filter(None, (_SHELL_STATUS.get(status), after)))
    error = HookFailed(f"the {step.hook} hook of {step.service} ({where}) failed", cause=cause, hint=hint)
    error.details = tuple(lines[-LAST_LINES:])
    return error
