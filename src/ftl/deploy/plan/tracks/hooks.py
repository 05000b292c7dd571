"""Hooks of the services that change, as steps of a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ftl.deploy.plan.desired.specs import hook_command, release_task, release_variables
from ftl.deploy.plan.steps.containers import RunHook
from ftl.engine import labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.plan.changes import ServiceChange
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.model import Track


def hook_track(diff: Diff, when: Literal["pre", "post"]) -> Track:
    """The hooks of all services that change, one after the other, in the order of ftl.yaml."""
    changes = diff.starting if diff.request.purpose.hooks else ()
    return tuple(step for change in changes for step in _hooks(diff, change, when))


def _hooks(diff: Diff, change: ServiceChange, when: Literal["pre", "post"]) -> Iterator[RunHook]:
    hook = change.service.hooks.pre if when == "pre" else change.service.hooks.post
    if hook is None:
        return
    project, name, release = diff.project.name, change.name, diff.release
    container, image = f"{project}-{name}-{release}-{when}", diff.service_image(change)
    variables = release_variables(
        name, release=release, commit=diff.commit, environment=diff.project.environment
    )
    commands: tuple[tuple[Literal["local", "remote"], str | tuple[str, ...] | None], ...] = (
        ("local", hook.local),
        ("remote", hook.remote),
    )
    for where, command in commands:
        if command:
            task = release_task(
                project, change.desired, labels.ROLE_HOOK, release=release, variables=variables
            )
            entrypoint, arguments = hook_command(command)
            spec = replace(task, entrypoint=entrypoint, command=arguments)
            yield RunHook(name, when, where, command, spec, image, container, variables, hook.timeout)
