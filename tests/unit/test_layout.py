"""Size of the folders of src/ftl."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src/ftl"
MOST = 15
FLAT = ("cli/commands",)
"""Found by name, see docs/explanation/architecture.md."""


def test_no_folder_has_many_files_without_rooms() -> None:
    """A folder has about 15 files at most, of whatever kind; more of them are divided by what they are about."""
    sizes = Counter(
        path.parent.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and path.name != "__init__.py" and path.suffix != ".pyc"
    )
    assert {name: size for name, size in sizes.items() if size > MOST and name not in FLAT} == {}
