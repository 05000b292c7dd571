"""Cache misses are explained by comparing a build with the record of the last one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.image.building.diagnosis.build_record import (
    BuildRecord,
    CurrentBuild,
    FileFingerprint,
    changed_paths,
    next_record,
)
from ftl.image.building.diagnosis.cache_miss import CacheMiss, context_sources, first_cache_miss
from ftl.image.building.docker_cli.progress import ProgressStep
from ftl.image.building.inputs.dockerfile import Instruction, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = """\
FROM debian:bookworm AS base
ARG VERSION=1
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY . .
ENV A=1
RUN make
"""
FILES = {
    "requirements.txt": FileFingerprint(10, 1, False, "r1"),
    "app.py": FileFingerprint(10, 1, False, "a1"),
    "lib/x.py": FileFingerprint(10, 1, False, "x1"),
    "lib/y.py": FileFingerprint(10, 1, False, "y1"),
    "lib/z.py": FileFingerprint(10, 1, False, "z1"),
}


def current(source: str = SOURCE, **others: object) -> CurrentBuild:
    """A build of `source` with some inputs replaced."""
    default = CurrentBuild(
        parse(source), args={}, bases={"debian:bookworm": "sha256:1"}, settings={"target": ""}, files=FILES
    )
    return replace(default, **others)  # type: ignore[arg-type]


def recorded(build: CurrentBuild, seconds: Mapping[int, float] | None = None) -> BuildRecord:
    """The record of a build."""
    durations = [
        (step, (seconds or {})[step.line])
        for step in build.dockerfile.instructions
        if step.line in (seconds or {})
    ]
    return next_record(None, build, durations, "sha256:c")


def missed(build: CurrentBuild, *lines: int, last: BuildRecord | None) -> CacheMiss:
    """The first miss if the steps of `lines` were executed, in that order, for a second each."""
    by_line = {step.line: step for step in build.dockerfile.instructions}
    steps = [ProgressStep(by_line[line].text, by_line[line], "done", 1.0) for line in lines]
    miss = first_cache_miss(steps, build, last)
    assert miss is not None
    return miss


def test_a_build_from_the_cache_has_no_miss() -> None:
    """Cached steps, FROM and the builder's internal steps are not cache misses."""
    build = current()
    steps = [ProgressStep(step.text, step, "cached") for step in build.dockerfile.instructions]
    steps += [
        ProgressStep("FROM", build.dockerfile.instructions[0], "done", 9.0),
        ProgressStep("exporting to image", None, "done", 1.0),
    ]
    assert first_cache_miss(steps, build, recorded(build)) is None


def test_the_first_miss_is_the_first_line_and_costs_all_executed_steps() -> None:
    """Builders report steps in any order; the first is determined by the Dockerfile."""
    miss = missed(current(), 7, 4, 5, last=None)
    assert (miss.instruction.line, miss.seconds) == (4, 3.0)


@pytest.mark.parametrize(
    ("build", "line", "reason"),
    [
        (current(files={**FILES, "requirements.txt": FileFingerprint(11, 2, False, "r2")}), 3,
         "requirements.txt changed"),
        (current(files={**FILES, "new.py": FileFingerprint(1, 2, False, "n")}), 5, "new.py changed"),
        (current(files={path: file for path, file in FILES.items() if path != "app.py"}), 5, "app.py changed"),
        (current(files={**FILES, "app.py": FileFingerprint(10, 2, True, "a1")}), 5, "app.py changed"),
        (current(files={path: FileFingerprint(11, 2, False, "new") for path in FILES}), 5,
         "app.py, lib/x.py, lib/y.py and 2 more changed"),
        (current(SOURCE.replace("RUN make", "RUN make all")), 7, "the instruction is new or changed"),
        (current(SOURCE.replace("ENV A=1", "ENV A=2")), 7, "line 6 is new or changed: ENV A=2"),
        (current(args={"VERSION": "2"}), 4, "the build argument VERSION changed"),
        (current(bases={"debian:bookworm": "sha256:2"}), 3, "the base image debian:bookworm changed"),
        (current(settings={"target": "", "platform": "linux/arm64"}), 3, "the platform changed"),
        (current(settings={"target": "", "builder": "build.example.com"}), 3, "the builder changed"),
        (current(no_cache=True), 3, "the cache was disabled (--no-cache)"),
        (current(), 3, "the builder's cache no longer has its result (pruned, or another builder was used)"),
    ],
)  # fmt: skip
def test_the_reason_is_the_input_that_changed(build: CurrentBuild, line: int, reason: str) -> None:
    """A file, the instruction, an earlier one, a build arg, the base, the platform; else the cache itself."""
    assert missed(build, line, 7, last=recorded(current())).reason == reason


def test_a_base_is_not_blamed_when_steps_on_it_were_cached() -> None:
    """A cached step after FROM proves that a changed base image is not the reason."""
    build = current(
        bases={"debian:bookworm": "sha256:2"}, files={**FILES, "app.py": FileFingerprint(11, 2, False, "a2")}
    )
    by_line = {step.line: step for step in build.dockerfile.instructions}
    steps = [ProgressStep("COPY", by_line[3], "cached"), ProgressStep("COPY", by_line[5], "done", 1.0)]
    miss = first_cache_miss(steps, build, recorded(current()))
    assert miss is not None
    assert miss.reason == "app.py changed"


def test_a_build_without_a_record_is_the_first() -> None:
    """Without a record of an earlier build, that is the reason."""
    assert missed(current(), 3, last=None).reason == "first build on this machine"
    on_builder = current(settings={"builder": "build.example.com"})
    assert missed(on_builder, 3, last=None).reason == "first build on build.example.com"


def test_a_file_that_was_only_touched_has_not_changed() -> None:
    """A new modification time alone is not a change if the content is known, as after a fresh checkout."""
    touched = {path: replace(file, mtime_ns=99) for path, file in FILES.items()}
    assert changed_paths(touched, FILES) == []


def test_a_file_without_a_digest_is_compared_by_time() -> None:
    """Without a digest, another modification time counts as a change."""
    assert changed_paths({"a": FileFingerprint(1, 2, False)}, {"a": FileFingerprint(1, 1, False)}) == ["a"]


def instruction(text: str) -> Instruction:
    """Parse one instruction."""
    return parse(f"FROM x\n{text}\n").instructions[1]


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("COPY a b /d/", ("a", "b")),
        ("COPY --chown=1:1 --link a /d/", ("a",)),
        ('COPY ["a b", "c", "/d/"]', ("a b", "c")),
        ("COPY --from=base a /d/", ()),
        ("ADD https://example.com/x a /d/", ("a",)),
        ("RUN --mount=type=bind,source=go.mod,target=go.mod go build", ("go.mod",)),
        ("RUN --mount=type=bind,target=/src make", (".",)),
        ("RUN --mount=type=cache,target=/root --mount=type=secret,id=x make", ()),
        ("RUN make", ()),
        ("WORKDIR /a", ()),
    ],
)
def test_the_paths_that_an_instruction_reads_from_the_context(text: str, sources: tuple[str, ...]) -> None:
    """Only COPY, ADD and bind mounts read the context, unless they name a stage or a URL."""
    assert context_sources(instruction(text)) == sources


def test_a_record_has_no_text_that_could_be_a_secret() -> None:
    """Build args and instructions are stored as salted hashes, with a new salt for each record."""
    build = current("FROM x\nENV PASSWORD=hunter2\n", args={"TOKEN": "hunter3"})
    first, second = recorded(build), recorded(build)
    assert "hunter" not in repr(first)
    assert first.args["TOKEN"] != second.args["TOKEN"]


def test_the_duration_of_an_unchanged_step_is_carried_over() -> None:
    """A cached step keeps the duration of its last execution; a changed step loses it."""
    first = current()
    record = recorded(first, {4: 30.0, 7: 5.0})
    later = current(SOURCE.replace("RUN make", "RUN make all"))
    after = next_record(record, later, [], "")
    by_line = {step.line: after.duration(step) for step in later.dockerfile.instructions}
    assert (by_line[4], by_line[7]) == (30.0, 0.0)
