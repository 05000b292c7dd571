"""Reference pages that are generated from the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tools.reference import FOLDER, pages

from ftl.cli.overview import names

if TYPE_CHECKING:
    from pathlib import Path

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_page_says_what_the_program_does(path: Path) -> None:
    """The pages in docs/reference are those that `make docs` generates."""
    assert path.read_text() == PAGES[path], "run `make docs`"


def test_every_command_has_its_section() -> None:
    """The page of commands has a section for each command."""
    text = PAGES[FOLDER / "cli.md"]
    assert [name for name in names() if f"\n### ftl {name}\n" not in text] == []
