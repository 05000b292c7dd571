"""Runner of hooks: in a container of the new image, or here with tunnels open."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import DEVNULL
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import replace
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from ftl.aio import gather_all, shielded
from ftl.child import lines_of
from ftl.common.figures import duration, utc
from ftl.config.variables.sources import variables_of
from ftl.deploy.apply.kept_logs import LINES, hook_lines, note_hook, pre_hooks
from ftl.deploy.apply.steps.resolve import resolve
from ftl.deploy.plan.steps.containers import RunHook
from ftl.deploy.plan.tracks.cleanup import STOP_SECONDS
from ftl.engine.values import LogLine
from ftl.errors import EngineError, FtlError, HookFailed
from ftl.events import HookOutput
from ftl.execution.runners import Runners
from ftl.releases.store import write_record
from ftl.tunnels.tunnels import dependency_tunnels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.deploy.apply.context import DeployContext
    from ftl.releases.record import ReleaseRecord

RUNNERS: Runners[DeployContext] = Runners()

LAST_LINES = 30

_SHELL = "/bin/sh"

_NO_SHELL = (
    "the hook runs with /bin/sh, which the image must have; without one write a list: "
    '`pre: ["/app", "migrate"]`'
)

_SHELL_STATUS: dict[int | None, str] = {
    126: "126 is the shell's code for a command that may not be executed (`chmod +x`?)",
    127: "127 is the shell's code for a command that does not exist",
}


@RUNNERS.runs(RunHook)
async def run_hook(context: DeployContext, step: RunHook) -> None:
    """Run a hook where it belongs.

    Raises:
        HookFailed: It ended with a status other than 0, could not start, or took longer than its timeout.
    """
    if step.hook == "pre":
        await _record_begin(context, step)
    try:
        await (_run_local(context, step) if step.where == "local" else _run_remote(context, step))
    finally:
        record = context.recorded.get(context.release)
        if record is not None and record.outcome == "live":  # a post hook's lines come after the record
            await _amend(context, replace(record, logs=hook_lines(context)))


async def _record_begin(context: DeployContext, step: RunHook) -> None:
    """Record that a pre hook begins: what it changes in databases stays, also where the deploy fails or is killed."""
    async with context.recording:
        record = context.recorded.get(context.release)
        if record is not None and step.service not in pre_hooks(context):
            amended = replace(record, pre_hooks=(*pre_hooks(context), step.service))
            context.recorded[record.release] = amended
            await _amend(context, amended)


async def _amend(context: DeployContext, record: ReleaseRecord) -> None:
    """Write the record of the release again; a failure to add to it fails no deploy."""
    managers = [context.fleet.at(view.name).engine for view in context.observed.servers if view.manager]
    with suppress(FtlError):
        await shielded(gather_all(write_record(engine, context.project.name, record) for engine in managers))


async def _run_remote(context: DeployContext, step: RunHook) -> None:
    """Run a hook in a new container of the new image, which is always removed."""
    lines: deque[LogLine] = deque(maxlen=LINES)
    container = ""
    try:
        async with asyncio.timeout(step.timeout):
            image = await resolve(context, step.service, step.image)
            container = await context.create(step.container, image.container(step.spec))
            try:
                await shielded(context.engine.start(container))
            except EngineError as error:
                raise HookFailed(
                    f"the {step.hook} hook of {step.service} could not start",
                    cause=error.cause or error.message,
                    hint=_NO_SHELL if isinstance(step.command, str) else None,
                ) from error
            async for line in context.engine.logs(container, follow=True):
                lines.append(line)
                context.emit(HookOutput(step.service, step.hook, line.text))
            status = await context.engine.wait(container)
    except TimeoutError:
        raise _late(step, [line.text for line in lines]) from None
    finally:
        note_hook(context, step, lines)
        await shielded(_remove(context, step))
    if status != 0:
        raise _failed(step, f"it ended with status {status}", [line.text for line in lines], status=status)


async def _remove(context: DeployContext, step: RunHook) -> None:
    """Remove a hook's container; one that still runs, as after Ctrl-C, gets its stop signal and time to end."""
    container = context.created.get(step.container)
    if container is None:
        return
    try:
        state = await context.engine.container(container)
        if state is not None and state.running:
            await context.engine.stop(container, timeout=step.spec.stop_timeout or STOP_SECONDS)
        await context.engine.remove(container, force=True)
    except EngineError:
        return  # the connection is gone; the next deploy removes it by its labels


async def _run_local(context: DeployContext, step: RunHook) -> None:
    """Run a hook on this machine, in the folder of ftl.yaml, with tunnels to the dependencies open.

    It has the environment of FTL and the variables of .env. The dependencies are reachable at 127.0.0.1;
    FTL_POSTGRES_PORT (the name in capitals) holds the port, which is the usual one unless something here has it.
    """
    lines: deque[str] = deque(maxlen=LAST_LINES)
    kept: deque[LogLine] = deque(maxlen=LINES)
    project = context.project
    variables = variables_of(
        context.root,
        os.environ,
        name=project.environment,
        overlay=project.overlay,
        secrets=project.secret_values,
    )
    async with dependency_tunnels(context.machine, context.engine, project) as ports:
        env = {**variables, **_environment(context, step, ports)}
        try:
            with _arguments(step.command) as (argv, stdin):
                async with (
                    asyncio.timeout(step.timeout),
                    lines_of(argv, env=env, cwd=context.root, stdin=stdin) as (output, process),
                ):
                    async for line in output:
                        lines.append(line)
                        kept.append(LogLine("stdout", _now(context), line))
                        context.emit(HookOutput(step.service, step.hook, line))
                    status = await process.wait()
        except TimeoutError:
            raise _late(step, [*lines]) from None
        except OSError as error:
            program = _SHELL if isinstance(step.command, str) else step.command[0]
            raise _failed(step, f"`{program}` cannot be started: {error.strerror}", [*lines]) from error
        finally:
            note_hook(context, step, kept)
    if status != 0:
        raise _failed(step, f"it ended with status {status}", [*lines], status=status)


@contextmanager
def _arguments(command: str | Sequence[str]) -> Iterator[tuple[Sequence[str], int]]:
    """The arguments of a local hook's process, and its input.

    A shell reads its script from a file without a name, not from an argument: ftl.yaml may put secrets into it, and
    every user of a machine sees the arguments of all processes. The script's first command takes the file away from
    the programs that the shell starts.
    """
    if not isinstance(command, str):
        yield command, DEVNULL
        return
    with TemporaryFile() as file:
        file.write(f"exec </dev/null; {command}".encode(errors="surrogateescape"))
        file.seek(0)  # on macOS, /dev/stdin goes on where the file that was opened is
        yield (_SHELL, "/dev/stdin"), file.fileno()


def _now(context: DeployContext) -> str:
    """The server's time as its engine writes it: the lines stand among those of containers."""
    seconds, rest = divmod(round(context.now * 1_000_000_000), 1_000_000_000)
    return f"{utc(seconds).removesuffix('Z')}.{rest:09}Z"


def _environment(context: DeployContext, step: RunHook, ports: Mapping[str, int]) -> dict[str, str]:
    """Variables that a local hook gets."""
    variables = {
        **step.variables,
        "FTL_PROJECT": context.project.name,
        "FTL_SERVICE": step.service,
        "FTL_RELEASE": context.release,
        "FTL_SERVER": context.machine.name,
    }
    for name, port in ports.items():
        variables[f"FTL_{name.upper().replace('-', '_')}_PORT"] = str(port)
    return variables


def _late(step: RunHook, lines: list[str]) -> HookFailed:
    error = _failed(step, f"it did not finish within {duration(step.timeout)} and was stopped", lines)
    error.hint = f"{error.hint}; `timeout` next to `{step.where}` in ftl.yaml gives it more time"
    return error


def _failed(step: RunHook, cause: str, lines: list[str], *, status: int | None = None) -> HookFailed:
    where = "here" if step.where == "local" else "in the new image"
    after = (
        "nothing was switched: fix it and deploy again"
        if step.hook == "pre"
        else f"the new release is live: run the command by hand; the hook itself runs again only when a deploy "
        f"changes {step.service}"
    )
    hint = "; ".join(filter(None, (_SHELL_STATUS.get(status), after)))
    error = HookFailed(f"the {step.hook} hook of {step.service} ({where}) failed", cause=cause, hint=hint)
    error.details = tuple(lines[-LAST_LINES:])
    return error
