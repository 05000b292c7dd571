"""Cost of a build for another processor than the builder's: RUN steps emulated by QEMU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.events import Note
from ftl.image.platforms import same_platform

if TYPE_CHECKING:
    from ftl.image.building.inputs.dockerfile import Dockerfile

SLOWDOWN = "a Go compile took 8 times as long"
"""Reported by others, not measured here.

1,335 s emulated and 155 s native (rossoctl/operator, pull request 382, 2026); for another Go project 4 to 5 times
(equinix/cloud-provider-equinix-metal, pull request 260).
"""


def emulation_note(
    service: str,
    dockerfile: Dockerfile,
    target: str | None,
    *,
    platform: str,
    engine_platform: str,
    machine: str | None,
) -> Note | None:
    """The note about the cost of an emulated build and the choices; None if nothing is emulated.

    The image may have several platforms, with commas between them; `machine` is None for this one.
    """
    platform = ", ".join(each for each in platform.split(",") if not same_platform(each, engine_platform))
    if not platform:
        return None
    steps = dockerfile.emulated_steps(target)
    if not steps:
        return None
    number = f"{len(steps)} RUN step{'s' if len(steps) > 1 else ''}"
    text = (
        f"{service}: {number} of {dockerfile.path} for {platform} {'are' if len(steps) > 1 else 'is'} emulated, since "
        f"{machine or 'this machine'} is {engine_platform}: {SLOWDOWN} elsewhere"
    )
    choice = (
        "`build.on: server` builds on the server, `build.on: HOST` on another machine"
        if machine is None
        else f"`build.on` may be a machine that is {platform}"
    )
    native = (
        "a compiler that can cross-compile runs natively in a stage with `FROM --platform=$BUILDPLATFORM`"
    )
    return Note(text, hint=f"{choice}; {native}")
