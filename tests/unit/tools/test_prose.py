"""The check of docstrings' first lines and of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tools.prose import _files, findings, main, page_findings

if TYPE_CHECKING:
    from pathlib import Path


def messages(source: str, *, length_only: bool = False) -> list[str]:
    """The messages for a module's text."""
    return [message for _, message in findings(source, length_only=length_only)]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('"""What a container needs."""', "opens with `What`"),
        ('"""Whether it runs."""', "opens with `Whether`"),
        ('"""Run a command, whoever wants it."""', "says `whoever`"),
        ('"""A folder of its own."""', "says `of its own`"),
        ('"""Release held by a digest."""', "says `held`"),
        ('"""Print what was done."""', "says `what was`"),
        ('"""Refuse what cannot safely be undone."""', "says `what cannot safely be`"),
        (f'"""{"x" * 91}"""', "91 characters"),
        ('class Step:\n    def run(self) -> None:\n        """Is told of it."""', "says `told`"),
        ('LIMIT = 3\n"""So many bytes are kept."""', "says `So many`"),
        ('def ready(self) -> None:\n    """Whether it runs."""', "opens with `Whether`"),
        ('def _private():\n    """What nobody but its neighbour reads."""', "opens with `What`"),
        ('class _Private:\n    def run(self) -> None:\n        """Is told of it."""', "says `told`"),
        ('def run():\n    def inner():\n        """Is told of it."""', "says `told`"),
        ('_LIMIT = 3\n"""So many bytes are kept."""', "says `So many`"),
        (f'def _private():\n    """{"x" * 111}"""', "111 characters, over 110"),
        ('hint = "behind: `ftl deploy` mends it"', "text says `mends`"),
        ('Note(f"{name} is stopped, and all goes on")', "text says `goes on`"),
        ('f"{name} {number} is no number"', "text says `is no number`"),
        ('sentence = "let {0.server} forget the " "release before"', "text says `the release before`"),
    ],
)
def test_riddles_are_found(source: str, words: str) -> None:
    """An opening that is no noun phrase, a word of the old dialect and a long line each have a message."""
    assert any(words in message for message in messages(source))


@pytest.mark.parametrize(
    "source",
    [
        '"""Deploy lock: one deploy at a time; the lock is held by a process on the server."""',
        'def ready(self) -> bool:\n    """Whether the container runs."""',
        f'def _private():\n    """{"Release x" * 12}"""',
        'f"there is no file {name}, and {name} is no longer a preview"',
        'PATTERN = r"killed.*beside (it|them)"',
        'SCRIPT = "set -e\\nls beside the file\\n"',
        'NAMES = ("mend", "go on")',
        '"""Finding: what failed, where, and how it is repaired."""',
        'Note("what is missing there is pulled")',
        '"""Wait for a container.\n\nWhat follows may say anything, and is as long as it has to be."""',
        "def bare(): ...",
    ],
)
def test_plain_english_passes(source: str) -> None:
    """Only first lines and texts count, and `Whether` is right for a function that returns a bool."""
    assert messages(source) == []


def test_only_a_modules_length_counts_outside_of_ftl() -> None:
    """Tests state behaviour in their docstrings, in their own words."""
    source = f'"""What is {"x" * 90}"""\ndef test() -> None:\n    """What {"x" * 90}"""'
    assert messages(source, length_only=True) == ["docstring's first line has 98 characters, over 90"]


def test_findings_name_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An editor can jump to what is printed; the exit status says that there was something."""
    module = tmp_path / "src" / "module.py"
    module.parent.mkdir()
    module.write_text('"""Module."""\n\n\ndef run() -> None:\n    """Who runs."""\n')
    assert main([str(module)]) == 1
    assert capsys.readouterr().out.startswith(f"{module}:5: docstring opens with `Who`")
    module.write_text('"""Module."""\n')
    assert main([str(module)]) == 0


def test_pages_are_looked_at_for_words_alone() -> None:
    """Users read them; what a decision said stays as it was written, and names in code are other words."""
    page = "It begins anew.\nA `handle` beside it.\nWhoever has it is forgetful, and mended.\n"
    assert [line for line, _ in page_findings(page)] == [1, 3]
    names = {file.as_posix() for file in _files(())}
    assert {"CHANGELOG.md", "docs/index.md", "docs/how-to/start.md", "src/ftl/aio.py"} <= names
    assert not any("decisions" in name for name in names)
