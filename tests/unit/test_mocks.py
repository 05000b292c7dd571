"""No unit test replaces a function or a class of FTL: another one is an argument."""

from __future__ import annotations

import ast
import importlib
from inspect import isclass, isroutine
from typing import TYPE_CHECKING

from tests.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


def _own_names(tree: ast.Module) -> dict[str, str]:
    """Name in a module -> the module or member of FTL that it stands for."""
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ftl"
        for alias in node.names
    }


def _replaced(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of what `setattr` of a monkeypatch replaces in FTL."""
    own = _own_names(tree)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("monkeypatch.setattr")):
            continue
        target, member = node.args[0], node.args[1]
        if isinstance(target, ast.Constant) and str(target.value).startswith("ftl."):
            yield node.lineno, str(target.value)
        elif isinstance(target, ast.Name) and target.id in own:
            yield node.lineno, f"{own[target.id]}.{ast.literal_eval(member)}"
        elif isinstance(target, ast.JoinedStr):
            yield node.lineno, ast.unparse(target)


def _is_code(name: str) -> bool:
    """Whether a dotted name is of a function or class; constants and state are not."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return isroutine(found) or isclass(found)
    return True  # computed: it cannot be told


def test_no_test_replaces_code_of_ftl() -> None:
    """A test that does tells nothing of what is called, and hides a seam that is missing."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted((ROOT / "tests/unit").rglob("*.py"))
        for line, name in _replaced(ast.parse(path.read_text()))
        if _is_code(name)
    ]
    assert found == []
