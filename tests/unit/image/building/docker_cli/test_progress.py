"""Builder output is parsed into steps and events, for built-in BuildKit and buildx."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.events import BuildOutput, BuildStep
from ftl.image.building.docker_cli.progress import PlainProgress, clean_line
from ftl.image.building.inputs.dockerfile import parse
from tests.unit.image.building.recordings import replay


def states(recording: str, dockerfile: str) -> dict[int, str]:
    """Line of the Dockerfile -> final state of its step."""
    progress, _ = replay(recording, dockerfile)
    return {step.instruction.line: step.state for step in progress.steps if step.instruction is not None}


@pytest.mark.parametrize(
    ("recording", "dockerfile", "expected"),
    [
        ("buildkit-20.10-first", "first",
         {1: "cached", 2: "done", 3: "done", 4: "done", 10: "done", 11: "done"}),
        ("buildkit-20.10-cached", "first",
         {1: "done", 2: "cached", 3: "cached", 4: "cached", 10: "cached", 11: "cached"}),
        ("buildx-0.13-changed", "first",
         {1: "done", 2: "cached", 3: "done", 4: "done", 10: "done", 11: "done"}),
    ],
)  # fmt: skip
def test_every_step_is_mapped_to_its_line(recording: str, dockerfile: str, expected: dict[int, str]) -> None:
    """Each step in the output is mapped to its line of the Dockerfile, with its final state."""
    assert states(recording, dockerfile) == expected


@pytest.mark.parametrize(
    ("recording", "dockerfile", "missed"),
    [
        ("buildkit-20.10-first", "first", [2, 3, 4, 10, 11]),
        ("buildkit-20.10-cached", "first", []),
        ("buildx-0.13-changed", "first", [3, 4, 10, 11]),
    ],
)
def test_executed_steps_are_cache_misses(recording: str, dockerfile: str, missed: list[int]) -> None:
    """FROM and the builder's internal steps are never a cache miss."""
    progress, _ = replay(recording, dockerfile)
    lines = [step.instruction.line for step in progress.steps if step.is_cache_miss and step.instruction]
    assert sorted(lines) == missed


@pytest.mark.parametrize("recording", ["buildkit-20.10-first", "buildx-0.13-changed"])
def test_the_duration_of_a_step_is_the_builders(recording: str) -> None:
    """BuildKit prints how long a step took."""
    progress, _ = replay(recording, "first")
    install = next(step for step in progress.steps if "echo installing" in step.name)
    assert install.seconds == 1.2


@pytest.mark.parametrize("recording", ["buildkit-20.10-first", "buildx-0.13-changed"])
def test_output_has_no_colours_and_no_overwritten_text(recording: str) -> None:
    """A step's output is reported line by line as it would look on a terminal, without colours."""
    _, events = replay(recording, "first")
    printed = [event.line for event in events if isinstance(event, BuildOutput)]
    assert "installing" in printed
    assert "gress" in printed
    assert not [line for line in printed if "\x1b" in line or "\r" in line or "sha256:" in line]


@pytest.mark.parametrize(
    "recording", ["buildkit-20.10-first", "buildx-0.13-changed", "buildkit-20.10-cached"]
)
def test_the_builders_internal_steps_are_not_reported(recording: str) -> None:
    """Loading the Dockerfile, the context and metadata is not shown to users."""
    _, events = replay(recording, "first")
    assert not [event for event in events if isinstance(event, BuildStep) and "[internal]" in event.name]


def plain(text: str, dockerfile: str) -> PlainProgress:
    """Parse lines."""
    progress = PlainProgress("web", parse(dockerfile))
    for line in text.splitlines():
        progress.feed(line)
    return progress


def test_output_of_an_interrupted_step_is_joined() -> None:
    """BuildKit prints `#5 ...` when it switches to another step, and the name again when it returns."""
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
def test_a_step_name_is_parsed_in_all_its_forms(name: str, line: int | None) -> None:
    """Padding and platforms in a name do not matter; a name that does not match the file has no line."""
    progress = plain(f"#7 {name}\n", "FROM x\nRUN a\n")
    instruction = progress.steps[0].instruction
    assert (instruction.line if instruction else None) == line


def test_the_digest_of_a_base_image_is_left_out() -> None:
    """Newer builders add the digest to the name; users know the image by its tag."""
    progress = plain(
        f"#4 [1/2] FROM docker.io/library/python:3.12@sha256:{'a' * 64}\n#4 CACHED\n",
        "FROM python:3.12\nRUN a\n",
    )
    assert progress.steps[0].name == "[1/2] FROM docker.io/library/python:3.12"
    assert progress.steps[0].state == "cached"


def test_pull_progress_is_not_output() -> None:
    """Progress of a base image's layers is not reported as output of the step."""
    progress = plain(
        f"#4 [1/2] FROM docker.io/library/x:1\n#4 resolve docker.io/library/x:1 done\n"
        f"#4 sha256:{'b' * 64} 1.05MB / 29.1MB 0.2s\n#4 extracting sha256:{'b' * 64} 0.4s done\n#4 DONE 3.1s\n",
        "FROM x:1\nRUN a\n",
    )
    assert (list(progress.steps[0].output), progress.steps[0].seconds) == ([], 3.1)


def test_only_the_last_lines_of_a_step_are_kept() -> None:
    """A step that prints for minutes does not use more memory."""
    lines = "\n".join(f"#5 0.{number} line {number}" for number in range(1000))
    progress = plain(f"#5 [2/2] RUN a\n{lines}\n", "FROM x\nRUN a\n")
    assert list(progress.steps[0].output) == [f"line {number}" for number in range(800, 1000)]


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
    """Colours are removed, and only the last state of an overwritten line is kept."""
    assert clean_line(raw) == shown


@given(
    st.lists(
        st.text(alphabet="#0123456789 DONECACHEDERROR:.s[]/RUNstep\t\r\x1b-> ", max_size=60), max_size=30
    )
)
def test_the_parser_accepts_any_input(lines: list[str]) -> None:
    """No input raises an exception."""
    progress = PlainProgress("web", parse("FROM x\nRUN a\n"))
    for line in lines:
        progress.feed(line)
