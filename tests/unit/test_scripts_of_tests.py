"""Programs of FTL's names that stand in texts: tests start them in processes of their own."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec

from tests.harness import ROOT

_IMPORT = re.compile(r"^from (ftl[\w.]*) import ([\w, ]+)$", re.MULTILINE)
FILES = sorted(
    path for folder in ("tests", "bench", "lab", "tools") for path in (ROOT / folder).rglob("*.py")
)


def in_texts() -> set[tuple[str, str]]:
    """Module and name of each import at the start of a line; the module's own ones are checked, too."""
    found = (match for path in FILES for match in _IMPORT.findall(path.read_text()))
    return {(module, name.split(" as ")[0].strip()) for module, names in found for name in names.split(",")}


def test_what_programs_import_exists() -> None:
    """A renamed class is renamed there, too."""
    missing = [f"{module}.{name}" for module, name in sorted(in_texts()) if not _exists(module, name)]
    assert missing == []


def _exists(module: str, name: str) -> bool:
    return hasattr(import_module(module), name) or find_spec(f"{module}.{name}") is not None
