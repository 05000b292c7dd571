"""Builds for another processor: which steps are emulated, and the note about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.image.building.diagnosis.emulation import emulation_note
from ftl.image.building.inputs.dockerfile import parse

if TYPE_CHECKING:
    from ftl.events import Note

CROSS = """\
FROM --platform=$BUILDPLATFORM golang:1.25 AS build
RUN go build
FROM build AS test
RUN go test
FROM alpine:3
COPY --from=build /app /app
"""
NATIVE_ONLY = "FROM golang:1.25\nRUN go build\n"


def note(
    source: str, *, engine: str = "linux/arm64", target: str | None = None, machine: str | None = None
) -> Note | None:
    """The note about a build for linux/amd64."""
    return emulation_note(
        "web",
        parse(source),
        target,
        platform="linux/amd64",
        engine_platform=engine,
        machine=machine,
    )


def test_an_arm_laptop_is_told_what_a_build_for_amd64_costs() -> None:
    """With a figure, and all choices."""
    found = note(NATIVE_ONLY)
    assert found is not None
    assert found.text == (
        "web: 1 RUN step of Dockerfile for linux/amd64 is emulated, since this machine is linux/arm64: "
        "a Go compile took 8 times as long elsewhere"
    )
    assert all(each in (found.hint or "") for each in ("on: server", "on: HOST", "$BUILDPLATFORM"))


def test_a_builder_of_another_processor_is_named() -> None:
    """The server has been chosen already, or is not what builds: the hint is another machine."""
    found = note(NATIVE_ONLY, machine="build-1")
    assert found is not None
    assert "since build-1 is linux/arm64" in found.text
    assert "`build.on` may be a machine that is linux/amd64" in (found.hint or "")


@pytest.mark.parametrize(
    ("source", "engine", "target"),
    [
        (NATIVE_ONLY, "linux/x86_64", None),
        (CROSS, "linux/arm64", None),
        ("FROM nginx:1\nCOPY . /srv\n", "linux/arm64", None),
        ("FROM a AS x\nCOPY . .\nFROM a AS y\nRUN true\n", "linux/arm64", "x"),
    ],
)
def test_without_emulated_steps_there_is_nothing_to_tell(
    source: str, engine: str, target: str | None
) -> None:
    """The same processor, cross-compilation, no RUN, or none in what is built."""
    assert note(source, engine=engine, target=target) is None


def test_a_stage_for_the_target_platform_is_emulated() -> None:
    """`--platform=$TARGETPLATFORM` says what is so anyway."""
    assert note("FROM --platform=$TARGETPLATFORM golang\nRUN go build\n") is not None
