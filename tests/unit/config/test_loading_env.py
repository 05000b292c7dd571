"""Variables and env files while ftl.yaml is loaded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftl.common.files import MAX_BYTES

from .conftest import HEAD, SERVICE

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Load, Refuse

BASE = HEAD + SERVICE


@pytest.mark.parametrize(
    ("value", "column"),
    [
        ("${GONE}", 10),
        ('"${GONE}"', 11),
        ("'a ''b'' ${GONE}'", 19),
        ('"\\x41\\n ${GONE}"', 18),
        ("$$GONE ${GONE}", 17),
        ("${SET} ${GONE}", 17),
        ("&anchor ${GONE}", 18),
        ("!!str ${GONE}", 16),
        ("ü ${GONE}", 12),
    ],
)
def test_an_unset_variable_is_pointed_at(value: str, column: int, refused: Refuse) -> None:
    """The column is that of the expression itself, whatever quotes, escapes or letters come before it."""
    (problem,) = refused(BASE + f"    env:\n      A: {value}\n", SET="x")
    assert (problem.line, problem.column) == (12, column)
    assert problem.source.startswith(("${GONE}", "$GONE"), problem.column - 1)


def test_an_unset_variable_in_a_block_is_pointed_at(refused: Refuse) -> None:
    """In a block of several lines, the line is that of the expression."""
    (problem,) = refused(BASE + "    env:\n      A: |\n        one\n        two ${GONE}\n")
    assert (problem.line, problem.column) == (14, 13)


def test_every_unset_variable_is_told_at_once(refused: Refuse) -> None:
    """Each value that lacks a variable is a problem of its own."""
    problems = refused(BASE + "    env:\n      A: ${ONE}\n      B: ${TWO}\n    command: ${THREE}\n")
    assert [(problem.line, problem.message) for problem in problems] == [
        (12, "the variable ONE is not set"),
        (13, "the variable TWO is not set"),
        (14, "the variable THREE is not set"),
    ]


def test_env_beside_the_file_is_read(folder: Path, loaded: Load) -> None:
    """.env sets variables; the process environment wins, and their values are not interpolated again."""
    (folder / ".env").write_text("A=file\nB='pa$$ ${A}'\nC=${A}\n")
    project = loaded(BASE + "    env: {A: '${A}', B: '${B}', C: '${C}'}\n", A="process")
    assert project.services[0].env == {"A": "process", "B": "pa$$ ${A}", "C": "process"}


@pytest.mark.parametrize("data", [b"A=1\n'oops\n", b"\xff\xfe"])
def test_a_broken_env_is_a_problem_of_its_own_file(folder: Path, refused: Refuse, data: bytes) -> None:
    """What is wrong in .env is told with its name, without its text."""
    (folder / ".env").write_bytes(data)
    (problem,) = refused(BASE)
    assert problem.file == ".env"
    assert "oops" not in f"{problem.message}{problem.source}"


def test_later_env_files_and_env_win(folder: Path, loaded: Load) -> None:
    """Of several env_files the later wins, and env over all."""
    (folder / "one.env").write_text("A=1\nB=1\nC=${A}\n")
    (folder / "two.env").write_text("B=2\nD=2\n")
    project = loaded(BASE + "    env_file: [one.env, two.env]\n    env: [D=3]\n")
    assert project.services[0].env == {"A": "1", "B": "2", "C": "1", "D": "3"}


def test_a_bad_line_of_an_env_file_is_reported_at_its_place(folder: Path, refused: Refuse) -> None:
    """The place is the line of the env file; its text, which may be a secret, is not shown."""
    (folder / "bad.env").write_text("A=1\n'oops\n")
    (problem,) = refused(BASE + "    env_file: bad.env\n")
    assert (problem.file, problem.line, problem.source) == ("bad.env", 2, "")


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("name", "reason"),
    [("fifo", "it is a FIFO"), ("/dev/zero", "it is a character device"), ("src", "it is a directory")],
)
def test_an_env_file_that_is_no_regular_file_is_refused(
    folder: Path, refused: Refuse, name: str, reason: str
) -> None:
    """Nothing waits for a FIFO's writer or reads a device without end: the file is refused with its name."""
    os.mkfifo(folder / "fifo")
    (problem,) = refused(BASE + f"    env_file: {name}\n")
    assert problem.line == 11
    assert f"`{name}` cannot be read: {reason}" in problem.message


@pytest.mark.timeout(10)
def test_an_env_that_is_a_fifo_is_refused(folder: Path, refused: Refuse) -> None:
    """.env is named, and nothing waits."""
    os.mkfifo(folder / ".env")
    (problem,) = refused(BASE)
    assert (problem.file, problem.message) == (
        ".env",
        ".env cannot be read: it is a FIFO, not a regular file",
    )


def test_env_files_are_of_bounded_size(folder: Path, refused: Refuse) -> None:
    """The limit is that of ftl.yaml."""
    (folder / "large.env").write_bytes(b"A=" + b"x" * MAX_BYTES)
    (problem,) = refused(BASE + "    env_file: large.env\n")
    assert "`large.env` cannot be read: it is larger than" in problem.message


@pytest.mark.parametrize("name", ["~nobody-at-all/x", "x" * 5000, "Dockerfile/x", "src"])
def test_an_env_file_that_cannot_be_is_reported(name: str, refused: Refuse) -> None:
    """Whatever the system thinks of a path, it is a file or it is reported."""
    (problem,) = refused(BASE + f"    env_file: {name}\n")
    assert problem.line == 11


def test_a_value_that_is_empty_is_as_good_as_none(loaded: Load) -> None:
    """An optional key whose variable is empty has its default."""
    text = BASE + "    image: ${IMAGE-}\n    replicas: ${N:-}\n    volumes: []\nserver:\n  user: ''\n"
    project = loaded(text)
    assert (project.services[0].image, project.services[0].replicas, project.server.user) == (None, 1, None)


def test_values_keep_their_order_in_env(loaded: Load) -> None:
    """Env keeps the order of the file."""
    project = loaded(BASE + "    env: {Z: 1, A: 2, M: 3}\n")
    assert list(project.services[0].env) == ["Z", "A", "M"]


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("env:\n      A:\n", {}, "env: A has no value, and the variable A has one (.env:1)"),
        ("env:\n      A:\n", {"A": "1"}, "env: A has no value, and the variable A has one (.env:1)"),
        ("build: {args: {A: }}\n", {}, "args: A has no value, and the variable A has one"),
        ("env:\n      S:\n", {}, "env: S has no value, and a secret has this name"),
    ],
)
def test_a_name_without_a_value_is_refused_where_there_is_one(
    folder: Path, refused: Refuse, text: str, given: dict[str, str], message: str
) -> None:
    """Compose takes it from there; the container would have had an empty text, without a word."""
    (folder / ".env").write_text("A=2\n")
    base = BASE.replace("    build: .\n", "") if text.startswith("build") else BASE
    (problem,) = refused(f"{base}    {text}secrets: {{S: {{env: A}}}}\n", **given)
    assert problem.message.startswith(message)
    name = message.split()[1]
    assert problem.hint == f"write `{name}: ${{{name}}}` to take that value, or `{name}: ''` for an empty one"


def test_a_name_without_a_value_is_empty_where_there_is_none(loaded: Load) -> None:
    """Whatever the environment has, or a file is valid in one shell alone; and the keys of labels are no variables."""
    made = loaded(BASE + "    env:\n      A:\n      B: ''\n    labels: {B: }\n", A="1", B="1").services[0]
    assert made.env == {"A": "", "B": ""}
    assert made.labels == {"B": ""}
