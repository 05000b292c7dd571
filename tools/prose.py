"""Check of docstrings' first lines: `python -m tools.prose [PATH...]`, part of `make lint`.

In src/ftl it is a noun phrase or an imperative in the field's words, at most 90 characters: of every module, public
class, function and documented constant. Elsewhere only a module's is looked at, and only its length.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST = 90

ROOTS = ("src/ftl", "tests", "lab", "bench", "tools")

NOUN_OR_IMPERATIVE = "begin with a noun phrase or an imperative"

OPENINGS = {
    r"(What|Who|Whom|Whose|Where|Whither|When|Why|How|Which)\b": NOUN_OR_IMPERATIVE,
    r"Whether\b": f"{NOUN_OR_IMPERATIVE} (`Whether` is for what returns a bool)",
    r"(It|There|That|Those|These|So)\b": NOUN_OR_IMPERATIVE,
    r"(The same|As above)\b": "say it in full: it is read alone, in an editor or an index",
    r"(Is|Are|Has|Was) \w+": NOUN_OR_IMPERATIVE,
}
"""Pattern at the beginning of the line -> advice."""

RIDDLES = {
    r"\btold\b": "say who reports what",
    r"\bwho(m|so)?ever\b": "name the caller",
    r"\bof ([\w']+ ){1,3}own\b": "say `separate`, `private` or whose",
    r"\bone's own\b": "say whose",
    r"\b[Ss]o many\b": "say the number of what",
    r"\bheld (fast|against)\b": "say pinned, or compared",
    r"^(?!.*\block).*\bheld\b": "say pinned, kept, open or locked",
    r"\bhand(s|ed)\b|\b[Hh]and(ing)? (out|over)\b": "say yields, returns or passes",
    r"\bas (it is|they are|things are) now\b": "say current",
    r"\bwhat (there is|is there|was there|it is made of)\b": "name it",
    r"\b(is|are|was|were|be) there\b": "say exists, or on the server",
    r"\b(it|they|that|all) c(a|o)mes? to\b|\bwhat c(a|o)mes? of\b": "say result",
    r"\bcomes? to be\b": "say starts, or succeeds",
    r"\bto be had\b": "say available",
    r"\bin (so many )?words\b|\bin the words of\b": "say message, text or description",
    r"\bsees? to it\b": "say ensures",
    r"\bof nobody\b|\bnobody's\b": "say unowned, or whose",
    r"\bwhither\b|\bwhereby\b|\bthereof\b": "use plain words",
    r"\bget(s|ting)? at\b": "say reads, or reaches",
    r"\bat odds\b": "say conflicting",
    r"\bsame way back\b|\bon the way\b": "name the direction",
}
"""Pattern anywhere in the line -> advice."""


class Docstring(NamedTuple):
    """The first line of a docstring and its place."""

    line: int
    text: str
    of_module: bool
    of_bool: bool


def findings(source: str, *, length_only: bool = False) -> Iterator[tuple[int, str]]:
    """Line numbers and messages for a module's source text."""
    for docstring in _docstrings(ast.parse(source)):
        if length_only and not docstring.of_module:
            continue
        if len(docstring.text) > LONGEST:
            yield (
                docstring.line,
                f"docstring's first line has {len(docstring.text)} characters, over {LONGEST}",
            )
        if not length_only:
            yield from ((docstring.line, message) for message in _wording(docstring))


def _wording(docstring: Docstring) -> Iterator[str]:
    for pattern, advice in OPENINGS.items():
        match = re.match(pattern, docstring.text)
        if match and not (match[0] == "Whether" and docstring.of_bool):
            yield f"docstring opens with `{match[0]}`: {advice}"
    for pattern, advice in RIDDLES.items():
        match = re.search(pattern, docstring.text)
        if match:
            yield f"docstring says `{match[0].split(' ')[-1] if '.*' in pattern else match[0]}`: {advice}"


def _docstrings(tree: ast.Module) -> Iterator[Docstring]:
    """Module, public classes and functions with their public members, and documented public constants."""
    if text := ast.get_docstring(tree):
        yield Docstring(tree.body[0].lineno, text.splitlines()[0], of_module=True, of_bool=False)
    yield from _members(tree.body)


def _members(body: Sequence[ast.stmt]) -> Iterator[Docstring]:
    previous: ast.stmt | None = None
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text and not node.name.startswith("_"):
                returns = None if isinstance(node, ast.ClassDef) else node.returns
                of_bool = returns is not None and "bool" in ast.unparse(returns)
                yield Docstring(node.body[0].lineno, text.splitlines()[0], of_module=False, of_bool=of_bool)
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield from _members(node.body)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            value = node.value.value
            if isinstance(value, str) and _public_name(previous):
                yield Docstring(node.lineno, value.strip().splitlines()[0], of_module=False, of_bool=True)
        previous = node


def _public_name(node: ast.stmt | None) -> bool:
    """Whether a statement assigns to a public name: a string after it documents that."""
    if isinstance(node, ast.AnnAssign):
        targets: Sequence[ast.expr] = [node.target]
    elif isinstance(node, ast.Assign):
        targets = node.targets
    else:
        return False
    return any(isinstance(target, ast.Name) and not target.id.startswith("_") for target in targets)


def _files(paths: Sequence[str]) -> Iterator[Path]:
    """Python files below the paths; without any, all of the project's."""
    for path in map(Path, paths or ROOTS):
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def main(paths: Sequence[str]) -> int:
    """Print `path:line: message` for each finding; the exit status is 1 if there is any."""
    failed = 0
    for file in _files(paths):
        in_ftl = "src" in file.parts
        for line, message in findings(file.read_text(encoding="utf-8"), length_only=not in_ftl):
            print(f"{file}:{line}: {message}")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
