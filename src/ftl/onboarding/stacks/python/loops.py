"""Modules of Python that look like workers, and that nothing starts."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftl.onboarding.app import Worker
from ftl.onboarding.names import project_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.onboarding.app import App
    from ftl.onboarding.folder import AppFolder

_MOST = 3
_MAIN = re.compile(r"^if __name__ == ['\"]__main__['\"]:", re.MULTILINE)
_LOOP = re.compile(r"^[ \t]*while\s", re.MULTILINE)
_ASKS = re.compile(r"\binput\(")
"""A program for someone at a terminal."""

_GOES_ON = re.compile(r"\b\w*(?:stop|shut|run|quit|terminat|alive|exit)\w*\b", re.IGNORECASE)
"""A condition that only a signal makes false."""

_NO_PARTS = (
    "scripts tools script examples example bench benchmarks docs demo e2e notebooks migrations alembic"
)
_NO_PART = frozenset(_NO_PARTS.split())
_TEST = re.compile(r"(?:test_.*|.*_test|tests?|conftest)\.py")
_NAMES = frozenset({"worker", "workers", "consumer", "daemon", "poller", "scheduler"})


def module_of(file: str) -> str:
    """The name of the module in a file, as `python -m` takes it."""
    return file.removesuffix(".py").removeprefix("src/").replace("/", ".").removesuffix(".__main__")


def unstarted_workers(folder: AppFolder, app: App) -> Iterator[Worker]:
    """Modules that loop without end, or are named as workers are, and that nothing starts."""
    commands = [app.start, *(worker.command for worker in (app.main, *app.workers) if worker is not None)]
    hook = app.hook if isinstance(app.hook, str) else " ".join(app.hook or ())
    started = " ".join([hook, *(" ".join(command) for command in commands)])
    taken = {"web", "app", *(worker.name for worker in app.workers)}
    found = 0
    for file, text in folder.sources.items():
        path, module = PurePosixPath(file), module_of(file)
        is_part = (
            file.endswith(".py") and not _NO_PART & {*path.parts[:-1]} and not _TEST.fullmatch(path.name)
        )
        if not is_part or found == _MOST or not _MAIN.search(text) or _ASKS.search(text):
            continue
        if re.search(rf"(?<![\w.]){re.escape(module)}(?![\w.])|(?<![\w./-]){re.escape(file)}\b", started):
            continue
        loops = _LOOP.search(text) is not None and _is_endless(text)
        stem = module.rpartition(".")[2]
        if not loops and stem.rpartition("_")[2] not in _NAMES:
            continue
        name = project_name(stem)
        name = f"{name}-worker" if name in taken else name
        taken.add(name)
        found += 1
        yield Worker(name, ("python", "-m", module), f"{file} loops without end" if loops else file)


def _is_endless(text: str) -> bool:
    """Whether a module has a loop that nothing in it leaves."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.While) and _goes_on(node.test) and not any(map(_leaves, node.body)):
            return True
    return False


def _goes_on(test: ast.expr) -> bool:
    if isinstance(test, ast.Constant):
        return bool(test.value)
    return _GOES_ON.search(ast.unparse(test)) is not None


def _leaves(node: ast.AST, *, inner: bool = False) -> bool:
    """Whether a statement of a loop ends it; the loops in it have their `break`."""
    if isinstance(node, ast.Return) or (isinstance(node, ast.Break) and not inner):
        return True
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        return False
    inner = inner or isinstance(node, (ast.While, ast.For, ast.AsyncFor))
    return any(_leaves(child, inner=inner) for child in ast.iter_child_nodes(node))
