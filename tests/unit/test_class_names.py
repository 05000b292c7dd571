"""Names of types: one name, one meaning."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPITALIZED = re.compile(r"[A-Z]\w*[a-z]\w*")
"""Name of a class or of an alias; constants are in capitals."""


def public_types(source: str) -> Iterator[str]:
    """Names of a module's public classes and of its aliases: `X = A | B`, `type X = ...`, `X = NewType(...)`."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
    for statement in tree.body:
        for name in _assigned(statement):
            if CAPITALIZED.fullmatch(name):
                yield name


def _assigned(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    elif type(statement).__name__ == "TypeAlias":  # `type X = ...`, which Python 3.11 has no node for
        targets = [statement.name]  # type: ignore[attr-defined]
    else:
        return []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def test_public_types_have_unique_names() -> None:
    """No two public classes or aliases of the program share a name, so that a name alone says which is meant."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "src" / "ftl").rglob("*.py")):
        for name in public_types(path.read_text()):
            places[name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_aliases_count_as_types() -> None:
    """An alias takes a name as a class does; constants, variables and private names do not."""
    source = (
        "class Server: ...\nImage = Built | Named\nKind = Literal['a']\nShow = Callable[[str], None]\n"
        "Port = NewType('Port', int)\nNode: TypeAlias = 'Scalar'\nLIMIT = 3\nlimit = 4\n_Row = tuple[str, int]\n"
    )
    assert list(public_types(source)) == ["Server", "Image", "Kind", "Show", "Port", "Node"]
