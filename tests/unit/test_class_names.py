"""Class names: one name, one meaning."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.harness import ROOT


def test_public_class_names_are_unique() -> None:
    """No two public classes of the program share a name, so that a name alone says which class is meant."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "src" / "ftl").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
