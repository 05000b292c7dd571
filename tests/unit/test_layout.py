"""Size of the folders of src/ftl."""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src/ftl"
MOST = 15
FLAT = ("cli/commands",)
"""Found by name, see docs/explanation/architecture.md."""


def test_no_folder_has_many_modules_without_rooms() -> None:
    """A folder has about 15 modules at most; more of them are divided by what they are about."""
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    sizes = {
        folder.relative_to(SOURCE).as_posix(): sum(path.stem != "__init__" for path in folder.glob("*.py"))
        for folder in folders
    }
    assert {name: size for name, size in sizes.items() if size > MOST and name not in FLAT} == {}
