"""Rules of imports and exits that no contract of the linter can say by itself."""

from __future__ import annotations

import ast
import tomllib

import pytest

from tests.harness import ROOT

SOURCE = ROOT / "src/ftl"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
EXITS = ("sys.exit", "SystemExit", "os._exit", "os.abort", "exit", "quit")


@pytest.mark.parametrize(
    "contract",
    [each for each in CONTRACTS if each["type"] == "forbidden"],
    ids=lambda each: str(each["name"]),
)
def test_a_forbidden_library_is_forbidden_to_all_but_one_package(contract: dict[str, list[str]]) -> None:
    """A package that a contract does not list could import what only one may."""
    names = {
        path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    packages = {f"ftl.{name}" for name in names if not name.startswith("__")}
    assert len(packages - set(contract["source_modules"])) == 1


def test_every_contract_of_layers_is_exhaustive() -> None:
    """A module that no layer has could import anything."""
    layers = [each for each in CONTRACTS if each["type"] == "layers"]
    assert [each["name"] for each in layers if not each.get("exhaustive")] == []


def test_only_the_command_line_ends_the_program() -> None:
    """Below `cli` an error is raised, so that what was begun is cleaned up and reported."""
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).parts[0] not in ("cli", "__main__.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call | ast.Raise)
        and (ended := node.func if isinstance(node, ast.Call) else node.exc) is not None
        and ast.unparse(ended) in EXITS
    ]
    assert found == []
