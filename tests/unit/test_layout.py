"""Folders of src/ftl and of tests: their size, and that they are the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MOST = 15
FLAT = ("src/ftl/cli/commands",)
"""Found by name, see docs/explanation/architecture.md."""

OF_THE_REPOSITORY = {"bench", "ci", "docs", "lab", "support", "tools"}
"""Folders of tests that are about something else than src/ftl."""

PARTS = {"deploy/kills", "operations/changes/removal"}
"""Folders of tests about a part of what a folder of src/ftl has."""


def _crowded(files: Iterable[Path]) -> dict[str, int]:
    sizes = Counter(
        path.parent.relative_to(ROOT).as_posix()
        for path in files
        if path.is_file() and path.name != "__init__.py" and path.suffix != ".pyc"
    )
    return {name: size for name, size in sizes.items() if size > MOST and name not in FLAT}


def test_no_folder_has_many_files_without_rooms() -> None:
    """A folder has about 15 files at most, of whatever kind; more of them are divided by what they are about."""
    assert _crowded((ROOT / "src/ftl").rglob("*")) == {}


def test_no_folder_of_tests_has_many_modules_without_rooms() -> None:
    """The same of tests, whose cases in files of their own are data."""
    assert _crowded((ROOT / "tests").rglob("*.py")) == {}


def test_unit_tests_mirror_the_program() -> None:
    """Unit tests of a folder or module of src/ftl are in the folder of its name."""
    unit = ROOT / "tests/unit"
    folders = {path.parent.relative_to(unit).as_posix() for path in unit.rglob("test_*.py")} - {"."}
    program = {
        path.relative_to(ROOT / "src/ftl").with_suffix("").as_posix()
        for path in (ROOT / "src/ftl").rglob("*")
    }
    assert folders - program == OF_THE_REPOSITORY | PARTS
