"""Builders' output becomes events: recorded lines of BuildKit, of buildx and of the classic builder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.events import BuildOutput, BuildStep
from ftl.image.building.classic import ClassicProgress
from ftl.image.building.dockerfile import parse
from ftl.image.building.progress import PlainProgress, clean
from tests.unit.image.building.recordings import replay


def states(recording: str, about: str) -> dict[int, str]:
    """Line of the Dockerfile -> the last state of its step."""
    progress, _ = replay(recording, about)
    return {step.instruction.line: step.state for step in progress.steps if step.instruction is not None}


@pytest.mark.parametrize(
    ("recording", "about", "expected"),
    [
        ("buildkit-20.10-first", "first",
         {1: "cached", 2: "done", 3: "done", 4: "done", 10: "done", 11: "done"}),
        ("buildkit-20.10-cached", "first",
         {1: "done", 2: "cached", 3: "cached", 4: "cached", 10: "cached", 11: "cached"}),
        ("buildx-0.13-changed", "first",
         {1: "done", 2: "cached", 3: "done", 4: "done", 10: "done", 11: "done"}),
        ("classic-20.10-first", "classic",
         {1: "done", 2: "done", 3: "done", 4: "done", 6: "done", 7: "done", 8: "done", 9: "done", 10: "done",
          11: "done", 12: "done"}),
        ("classic-20.10-cached", "classic",
         {1: "done", 2: "cached", 3: "cached", 4: "cached", 6: "done", 7: "cached", 8: "done", 9: "cached",
          10: "cached", 11: "cached", 12: "cached"}),
    ],
)  # fmt: skip
def test_every_step_is_found_in_the_dockerfile(recording: str, about: str, expected: dict[int, str]) -> None:
    """Each step that a builder shows is mapped to its line, with the state it ended in."""
    assert states(recording, about) == expected


@pytest.mark.parametrize(
    ("recording", "about", "missed"),
    [
        ("buildkit-20.10-first", "first", [2, 3, 4, 10, 11]),
        ("buildkit-20.10-cached", "first", []),
        ("buildx-0.13-changed", "first", [3, 4, 10, 11]),
        ("classic-20.10-first", "classic", [2, 3, 4, 7, 9, 10, 11, 12]),
        ("classic-20.10-cached", "classic", []),
    ],
)
def test_what_was_carried_out_is_told_from_what_was_cached(
    recording: str, about: str, missed: list[int]
) -> None:
    """FROM and the builder's own steps are never a miss."""
    progress, _ = replay(recording, about)
    assert (
        sorted(step.instruction.line for step in progress.steps if step.missed and step.instruction) == missed
    )


@pytest.mark.parametrize("recording", ["buildkit-20.10-first", "buildx-0.13-changed"])
def test_the_seconds_of_a_step_are_the_builders(recording: str) -> None:
    """BuildKit says how long a step took."""
    progress, _ = replay(recording, "first")
    install = next(step for step in progress.steps if "echo installing" in step.name)
    assert install.seconds == 1.2


@pytest.mark.parametrize(
    ("recording", "about"),
    [("buildkit-20.10-first", "first"), ("buildx-0.13-changed", "first"), ("classic-20.10-first", "classic")],
)
def test_output_is_told_line_by_line_without_colours(recording: str, about: str) -> None:
    """What a step prints is told as it would look on a terminal: colours dropped, overwritten text gone."""
    _, events = replay(recording, about)
    printed = [event.line for event in events if isinstance(event, BuildOutput)]
    assert "installing" in printed
    assert "gress" in printed
    assert not [line for line in printed if "\x1b" in line or "\r" in line or "sha256:" in line]


@pytest.mark.parametrize(
    "recording", ["buildkit-20.10-first", "buildx-0.13-changed", "buildkit-20.10-cached"]
)
def test_the_builders_own_steps_stay_unsaid(recording: str) -> None:
    """Loading the Dockerfile, the context and metadata is nothing that a user waits to read about."""
    _, events = replay(recording, "first")
    assert not [event for event in events if isinstance(event, BuildStep) and "[internal]" in event.name]


def plain(text: str, dockerfile: str) -> PlainProgress:
    """A progress that was fed lines."""
    progress = PlainProgress("web", parse(dockerfile))
    for line in text.splitlines():
        progress.feed(line)
    return progress


def test_a_step_that_is_interrupted_by_another_goes_on() -> None:
    """BuildKit prints `#5 ...` when it turns to another step, and the name again when it comes back."""
    progress = plain(
        "#5 [2/3] RUN a\n#5 0.1 one\n#5 ...\n\n#6 [3/3] RUN b\n#6 0.1 other\n#6 DONE 0.2s\n\n#5 [2/3] RUN a\n"
        "#5 0.3 two\n#5 DONE 0.4s\n",
        "FROM x\nRUN a\nRUN b\n",
    )
    assert [(step.name, step.state, list(step.output)) for step in progress.steps] == [
        ("[2/3] RUN a", "done", ["one", "two"]),
        ("[3/3] RUN b", "done", ["other"]),
    ]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("[ 2/11] RUN a", 2),
        ("[linux/arm64 2/2] RUN a", 2),
        ("[linux/amd64->arm64 stage-0 2/2] RUN a", 2),
        ("[2/2] COPY a b", None),
        ("[9/9] RUN a", None),
        ("exporting to image", None),
    ],
)
def test_a_steps_heading_is_read_in_all_its_forms(name: str, line: int | None) -> None:
    """Padding and platforms in a heading do not matter; a heading that does not fit the file has no line."""
    progress = plain(f"#7 {name}\n", "FROM x\nRUN a\n")
    instruction = progress.steps[0].instruction
    assert (instruction.line if instruction else None) == line


def test_the_digest_of_a_base_image_is_left_out() -> None:
    """Newer builders pin the base image in its heading; users know it by its tag."""
    progress = plain(
        f"#4 [1/2] FROM docker.io/library/python:3.12@sha256:{'a' * 64}\n#4 CACHED\n",
        "FROM python:3.12\nRUN a\n",
    )
    assert progress.steps[0].name == "[1/2] FROM docker.io/library/python:3.12"
    assert progress.steps[0].state == "cached"


def test_pulling_a_base_image_is_no_output() -> None:
    """The layers of a base image on their way are not what a step prints."""
    progress = plain(
        f"#4 [1/2] FROM docker.io/library/x:1\n#4 resolve docker.io/library/x:1 done\n"
        f"#4 sha256:{'b' * 64} 1.05MB / 29.1MB 0.2s\n#4 extracting sha256:{'b' * 64} 0.4s done\n#4 DONE 3.1s\n",
        "FROM x:1\nRUN a\n",
    )
    assert (list(progress.steps[0].output), progress.steps[0].seconds) == ([], 3.1)


def test_only_the_last_lines_of_a_step_are_kept() -> None:
    """A step that prints for minutes costs no memory."""
    lines = "\n".join(f"#5 0.{number} line {number}" for number in range(1000))
    progress = plain(f"#5 [2/2] RUN a\n{lines}\n", "FROM x\nRUN a\n")
    assert list(progress.steps[0].output) == [f"line {number}" for number in range(970, 1000)]


def test_the_classic_builders_times_are_measured() -> None:
    """The classic builder gives no times, so the clock is asked when a step begins and ends."""
    now = 0.0

    def clock() -> float:
        return now

    progress = ClassicProgress("web", parse("FROM x\nRUN a\n"), clock)
    progress.feed("Step 1/2 : FROM x")
    progress.feed("Step 2/2 : RUN a")
    now = 7.5
    events = progress.feed("Successfully built 0123456789ab")
    assert events == (BuildStep("web", "RUN a", "done", 7.5),)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[91mred\x1b[0m", "red"),
        ("10%\r20%\r100%", "100%"),
        ("line\r", "line"),
        ("  indented", "  indented"),
    ],
)
def test_a_line_is_shown_as_it_ended(raw: str, shown: str) -> None:
    """Colours go, and of a line that overwrote itself the last state stays."""
    assert clean(raw) == shown


@given(
    st.lists(
        st.text(alphabet="#0123456789 DONECACHEDERROR:.s[]/RUNstep\t\r\x1b-> ", max_size=60), max_size=30
    )
)
def test_no_line_breaks_the_readers(lines: list[str]) -> None:
    """Whatever a builder prints, reading goes on."""
    for progress in (
        PlainProgress("web", parse("FROM x\nRUN a\n")),
        ClassicProgress("web", parse("FROM x\n")),
    ):
        for line in lines:
            progress.feed(line)
        progress.close(failed=True)
