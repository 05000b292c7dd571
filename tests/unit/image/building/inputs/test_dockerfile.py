"""Dockerfile parser: instructions, their lines, stages, and the steps that a builder shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.image.building.inputs.dockerfile import parse

TWO_STAGES = """\
# syntax=docker/dockerfile:1
ARG SUITE=bookworm
FROM debian:${SUITE} AS base
# a comment
WORKDIR /app
ENV A=1 \\
    # inside
    B=2

COPY requirements.txt .
RUN one && \\
    two

FROM base
COPY . .
CMD ["x"]
"""


def test_every_instruction_has_its_lines() -> None:
    """Comments and blank lines are skipped and continuations joined, as builders do."""
    steps = [(step.keyword, step.line, step.end, step.stage) for step in parse(TWO_STAGES).instructions]
    assert steps == [
        ("ARG", 2, 2, -1),
        ("FROM", 3, 3, 0),
        ("WORKDIR", 5, 5, 0),
        ("ENV", 6, 8, 0),
        ("COPY", 10, 10, 0),
        ("RUN", 11, 12, 0),
        ("FROM", 14, 14, 1),
        ("COPY", 15, 15, 1),
        ("CMD", 16, 16, 1),
    ]


def test_a_continued_instruction_is_joined_on_one_line() -> None:
    """The text of an instruction is on one line, without comments."""
    texts = [step.text for step in parse(TWO_STAGES).instructions]
    assert "ENV A=1 B=2" in texts
    assert "RUN one && two" in texts


@pytest.mark.parametrize(
    ("stage", "number", "line"),
    [("base", 1, 3), ("base", 2, 5), ("base", 3, 10), ("base", 4, 11), ("stage-1", 1, 15), ("BASE", 2, 5)],
)
def test_a_builders_step_number_is_mapped_to_an_instruction(stage: str, number: int, line: int) -> None:
    """`[base 3/4]` counts FROM (of an image) and the instructions that make layers."""
    step = parse(TWO_STAGES).step(stage, number)
    assert step is not None
    assert step.line == line


def test_from_scratch_is_not_a_step() -> None:
    """A builder does not count `FROM scratch`."""
    step = parse("FROM scratch\nENV A=1\nCOPY . /\n").step(None, 1)
    assert step is not None
    assert step.keyword == "COPY"


@pytest.mark.parametrize(
    ("args", "base"),
    [({}, "debian:bookworm"), ({"SUITE": "trixie"}, "debian:trixie"), ({"OTHER": "x"}, "debian:bookworm")],
)
def test_a_base_image_may_come_from_an_argument(args: dict[str, str], base: str) -> None:
    """The default of an ARG before FROM names the base, unless a build arg overrides it."""
    assert parse(TWO_STAGES, args=args).bases() == (base,)


def test_a_here_document_is_part_of_its_instruction() -> None:
    """Lines of a here-document are not instructions, and are part of the instruction's body."""
    text = "FROM a\nRUN <<EOF\nFROM b\nRUN c\nEOF\nCOPY <<-'X' <<Y /d/\n\tx\n\tX\ny\nY\nUSER e\n"
    steps = parse(text).instructions
    assert [(step.keyword, step.line, step.end) for step in steps] == [
        ("FROM", 1, 1), ("RUN", 2, 5), ("COPY", 6, 10), ("USER", 11, 11),
    ]  # fmt: skip
    assert steps[1].body != parse(text.replace("RUN c", "RUN d")).instructions[1].body


def test_the_escape_directive_is_honoured() -> None:
    """With `# escape=`, a backslash at the end of a line is no continuation."""
    steps = parse("# escape=`\nFROM a\nCOPY x c:\\\nRUN one `\n two\n").instructions
    assert [step.text for step in steps] == ["FROM a", "COPY x c:\\", "RUN one two"]


def test_an_image_is_made_by_the_target_and_its_base_stages() -> None:
    """Instructions of stages that the target is not built from are left out."""
    text = "FROM a AS one\nRUN 1\nFROM b AS two\nRUN 2\nFROM one AS three\nRUN 3\n"
    assert [step.text for step in parse(text).image_instructions(None)] == [
        "FROM a AS one",
        "RUN 1",
        "FROM one AS three",
        "RUN 3",
    ]
    assert [step.text for step in parse(text).image_instructions("two")] == ["FROM b AS two", "RUN 2"]


@given(st.text(alphabet="FROMRUN cp\\\n#<EOF-`'\"${}=/.:", max_size=300))
def test_the_parser_accepts_any_text(text: str) -> None:
    """Instructions come in order and stay within the file."""
    dockerfile = parse(text)
    lines = [step.line for step in dockerfile.instructions]
    assert lines == sorted(lines)
    assert all(1 <= step.line <= step.end <= text.count("\n") + 1 for step in dockerfile.instructions)
