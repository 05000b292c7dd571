"""Why a build missed its cache: this build compared with the record of the last one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.image.building.build_record import BuildRecord, FileFingerprint, changed_paths, next_record
from ftl.image.building.cache_miss import CacheMiss, CurrentBuild, context_sources, first_cache_miss
from ftl.image.building.dockerfile import Instruction, parse
from ftl.image.building.progress import ProgressStep

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


def now(source: str = SOURCE, **others: object) -> CurrentBuild:
    """A build of `source` that differs from the last one in what is given."""
    default = CurrentBuild(
        parse(source), args={}, bases={"debian:bookworm": "sha256:1"}, settings={"target": ""}, files=FILES
    )
    return replace(default, **others)  # type: ignore[arg-type]


def recorded(build: CurrentBuild, seconds: Mapping[int, float] | None = None) -> BuildRecord:
    """The record that a build leaves."""
    taken = [
        (step, (seconds or {})[step.line])
        for step in build.dockerfile.instructions
        if step.line in (seconds or {})
    ]
    return next_record(
        None,
        dockerfile=build.dockerfile,
        args=build.args,
        bases=build.bases,
        settings=build.settings,
        files=build.files,
        seconds=taken,
        content="sha256:c",
    )


def missed(build: CurrentBuild, *lines: int, last: BuildRecord | None) -> CacheMiss:
    """The first miss when the steps of `lines` (in that order) were carried out for a second each."""
    by_line = {step.line: step for step in build.dockerfile.instructions}
    steps = [ProgressStep(by_line[line].text, by_line[line], "done", 1.0) for line in lines]
    miss = first_cache_miss(steps, build, last)
    assert miss is not None
    return miss


def test_a_build_from_the_cache_missed_nothing() -> None:
    """Cached steps, FROM and the builder's own steps are no miss."""
    build = now()
    steps = [ProgressStep(step.text, step, "cached") for step in build.dockerfile.instructions]
    steps += [
        ProgressStep("FROM", build.dockerfile.instructions[0], "done", 9.0),
        ProgressStep("exporting to image", None, "done", 1.0),
    ]
    assert first_cache_miss(steps, build, recorded(build)) is None


def test_the_first_miss_is_the_first_line_and_costs_all_that_follow() -> None:
    """Builders report steps in any order; the Dockerfile's order says which was first."""
    miss = missed(now(), 7, 4, 5, last=None)
    assert (miss.instruction.line, miss.seconds) == (4, 3.0)


@pytest.mark.parametrize(
    ("build", "line", "reason"),
    [
        (now(files={**FILES, "requirements.txt": FileFingerprint(11, 2, False, "r2")}), 3, "requirements.txt changed"),
        (now(files={**FILES, "new.py": FileFingerprint(1, 2, False, "n")}), 5, "new.py changed"),
        (now(files={path: kept for path, kept in FILES.items() if path != "app.py"}), 5, "app.py changed"),
        (now(files={**FILES, "app.py": FileFingerprint(10, 2, True, "a1")}), 5, "app.py changed"),
        (now(files={path: FileFingerprint(11, 2, False, "new") for path in FILES}), 5,
         "app.py, lib/x.py, lib/y.py and 2 more changed"),
        (now(SOURCE.replace("RUN make", "RUN make all")), 7, "the instruction is new or was changed"),
        (now(SOURCE.replace("ENV A=1", "ENV A=2")), 7, "line 6 is new or was changed: ENV A=2"),
        (now(args={"VERSION": "2"}), 4, "the build argument VERSION changed"),
        (now(bases={"debian:bookworm": "sha256:2"}), 3, "the base image debian:bookworm changed"),
        (now(settings={"target": "", "platform": "linux/arm64"}), 3, "the platform changed"),
        (now(no_cache=True), 3, "the cache was not to be used (--no-cache)"),
        (now(), 3, "the builder no longer has its result (its cache was pruned, or another builder was used)"),
    ],
)  # fmt: skip
def test_the_reason_is_what_changed_there(build: CurrentBuild, line: int, reason: str) -> None:
    """A file, the instruction, one before it, a build arg, the base, the platform; else the cache itself."""
    assert missed(build, line, 7, last=recorded(now())).reason == reason


def test_a_base_is_not_blamed_when_steps_on_it_were_cached() -> None:
    """Whatever became of the base image, a cached step after it proves that it did not matter."""
    build = now(
        bases={"debian:bookworm": "sha256:2"}, files={**FILES, "app.py": FileFingerprint(11, 2, False, "a2")}
    )
    by_line = {step.line: step for step in build.dockerfile.instructions}
    steps = [ProgressStep("COPY", by_line[3], "cached"), ProgressStep("COPY", by_line[5], "done", 1.0)]
    miss = first_cache_miss(steps, build, recorded(now()))
    assert miss is not None
    assert miss.reason == "app.py changed"


def test_a_build_without_a_record_is_the_first() -> None:
    """Nothing to compare with is a reason of its own."""
    assert missed(now(), 3, last=None).reason == "it is the first build here"


def test_a_file_that_was_only_touched_has_not_changed() -> None:
    """A new time alone changes nothing where the content is known, as after a fresh checkout."""
    touched = {path: replace(kept, mtime_ns=99) for path, kept in FILES.items()}
    assert changed_paths(touched, FILES) == []


def test_a_large_file_is_judged_by_its_time() -> None:
    """Without a digest, another time of the same size counts as a change."""
    assert changed_paths({"a": FileFingerprint(1, 2, False)}, {"a": FileFingerprint(1, 1, False)}) == ["a"]


def only(text: str) -> Instruction:
    """The instruction below a FROM."""
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
def test_what_an_instruction_reads_from_the_context_is_known(text: str, sources: tuple[str, ...]) -> None:
    """Only COPY, ADD and bind mounts read the context, and not where they name a stage or a URL."""
    assert context_sources(only(text)) == sources


def test_a_record_holds_no_text_that_could_be_a_secret() -> None:
    """Build args and instructions are kept as hashes with a salt of their own."""
    build = now("FROM x\nENV PASSWORD=hunter2\n", args={"TOKEN": "hunter3"})
    one, other = recorded(build), recorded(build)
    assert "hunter" not in repr(one)
    assert one.args["TOKEN"] != other.args["TOKEN"]


def test_what_a_step_took_is_remembered_while_it_stays() -> None:
    """A step that comes from the cache keeps the seconds of its last run; a changed step loses them."""
    first = now()
    record = recorded(first, {4: 30.0, 7: 5.0})
    later = now(SOURCE.replace("RUN make", "RUN make all"))
    after = next_record(
        record,
        dockerfile=later.dockerfile,
        args={},
        bases={},
        settings={},
        files=FILES,
        seconds=[],
        content="",
    )
    by_line = {step.line: after.taken(step) for step in later.dockerfile.instructions}
    assert (by_line[4], by_line[7]) == (30.0, 0.0)
