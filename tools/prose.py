"""Check of docstrings and texts: `python -m tools.prose [PATH...]`, part of `make lint`.

In src/ftl a first line is a noun phrase or an imperative in the field's words: at most 90 characters of a module, a
public class or function and a documented constant, at most 110 of what is private. String literals of three words and
more, which are messages, hints, steps and helps, are looked at for riddles. Elsewhere only a module's docstring is
looked at, and only its length. Pages are looked at for a few words that no reader needs (`PAGE_RIDDLES`), but not those
of decisions, which stay as they were written.
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

LONGEST_PRIVATE = 110

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
    r"\b(?-i:[Gg]et(s|ting)?) at\b": "say reads, or reaches",
    r"\bat odds\b": "say conflicting",
    r"\bsame way back\b|\bon the way\b": "name the direction",
    r"\bmends?\b": "say repairs, or names the command",
    r"\b(is|are|stays?|left|leaves?) as (it|they) (was|were)\b": "say unchanged",
    r"\ball the same\b": "say anyway, or although",
    r"\bg(o|oes|oing) on\b": "say continues, or keeps running",
    r"\bforgets?\b": "say removes, or deletes",
    r"\blets? .*\bknow\b": "say who reports what",
    r"\bbeside\b": "say next to, or in addition to",
    r"\bwhat (is|was) live\b": "say the live release",
    r"\banew\b": "say again, or recreate",
}
"""Pattern anywhere in the line -> advice."""

DOCSTRING_RIDDLES = {
    r"\b[Ww]hat\b[^,;:.]*\b(is|are|was|were|be|been)\b": "name the thing: mistakes, changes, missing steps",
}
"""Pattern anywhere in a docstring's first line -> advice; for docstrings alone."""

TEXT_RIDDLES = {
    r"(?<![Tt]here )\b(is|are) no (?!longer\b|more\b|other\b)\w+": "say `is not a`",
    r"\bhas (its|their) place\b": "say in use",
    r"\bwhat runs,? (runs|goes) on\b": "say keeps running",
    r"\bthe (state|one|release) before\b": "say the previous one",
    r"\bnobody can be asked\b|\bheard nothing\b": "say what is missing: a terminal, a heartbeat",
    r", whole\b": "say complete",
}
"""Pattern anywhere in a text -> advice; for texts alone."""

PAGE_RIDDLES = {
    pattern: RIDDLES[pattern]
    for pattern in (
        r"\btold\b",
        r"\bwho(m|so)?ever\b",
        r"\bone's own\b",
        r"\bmends?\b",
        r"\ball the same\b",
        r"\bforgets?\b",
        r"\banew\b",
    )
}
"""Pattern anywhere in a line of a page -> advice."""

PAGES = ("README.md", "CHANGELOG.md", "docs")

UNCHECKED_PAGES = ("docs/decisions", "docs/reference/cli.md")
"""Decisions, and the page that is made from the texts of the program."""

CODE = re.compile(r"\n\S|\.[*+]|\\|\(\?|^\W*$")
"""A literal of several lines, or a regular expression: no text."""

FEWEST_WORDS = 3


class Docstring(NamedTuple):
    """The first line of a docstring and its place."""

    line: int
    text: str
    of_module: bool
    of_bool: bool
    private: bool = False


def findings(source: str, *, length_only: bool = False) -> Iterator[tuple[int, str]]:
    """Line numbers and messages for a module's source text."""
    tree = ast.parse(source)
    for docstring in _docstrings(tree):
        if length_only and not docstring.of_module:
            continue
        longest = LONGEST_PRIVATE if docstring.private else LONGEST
        if len(docstring.text) > longest:
            yield (
                docstring.line,
                f"docstring's first line has {len(docstring.text)} characters, over {longest}",
            )
        if not length_only:
            yield from ((docstring.line, message) for message in _wording(docstring))
    if not length_only:
        for line, text in _texts(tree):
            yield from ((line, message) for message in _riddles("text", text, {**RIDDLES, **TEXT_RIDDLES}))


def _wording(docstring: Docstring) -> Iterator[str]:
    for pattern, advice in OPENINGS.items():
        match = re.match(pattern, docstring.text)
        if match and not (match[0] == "Whether" and docstring.of_bool):
            yield f"docstring opens with `{match[0]}`: {advice}"
    yield from _riddles("docstring", docstring.text, {**RIDDLES, **DOCSTRING_RIDDLES})


def _riddles(kind: str, text: str, riddles: dict[str, str]) -> Iterator[str]:
    for pattern, advice in riddles.items():
        match = re.search(pattern, text, re.IGNORECASE)
        if match:
            yield f"{kind} says `{match[0].split(' ')[-1] if '.*' in pattern else match[0]}`: {advice}"


def _docstrings(tree: ast.Module) -> Iterator[Docstring]:
    """Module, classes and functions with their members, and documented constants."""
    if text := ast.get_docstring(tree):
        yield Docstring(tree.body[0].lineno, text.splitlines()[0], of_module=True, of_bool=False)
    yield from _members(tree.body, private=False)


def _members(body: Sequence[ast.stmt], *, private: bool) -> Iterator[Docstring]:
    previous: ast.stmt | None = None
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            hidden = private or node.name.startswith("_")
            if text:
                returns = None if isinstance(node, ast.ClassDef) else node.returns
                of_bool = returns is not None and "bool" in ast.unparse(returns)
                line = node.body[0].lineno
                yield Docstring(line, text.splitlines()[0], of_module=False, of_bool=of_bool, private=hidden)
            yield from _members(node.body, private=hidden or not isinstance(node, ast.ClassDef))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            value = node.value.value
            name = _assigned_name(previous)
            if isinstance(value, str) and name:
                hidden = private or name.startswith("_")
                first = value.strip().splitlines()[0]
                yield Docstring(node.lineno, first, of_module=False, of_bool=True, private=hidden)
        previous = node


def _assigned_name(node: ast.stmt | None) -> str:
    """The name that a statement assigns to, which a string after it documents; empty without one."""
    if isinstance(node, ast.AnnAssign):
        targets: Sequence[ast.expr] = [node.target]
    elif isinstance(node, ast.Assign):
        targets = node.targets
    else:
        return ""
    return next((target.id for target in targets if isinstance(target, ast.Name)), "")


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line numbers and texts of the literals that are read by people; `{}` stands for each value in them."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            skipped.add(id(node.value))  # a docstring
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(value) for value in node.values)
            text = "".join(
                str(value.value) if isinstance(value, ast.Constant) else "{}" for value in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if len(text.split()) >= FEWEST_WORDS and not CODE.search(text.strip()):
            yield node.lineno, text


def page_findings(text: str) -> Iterator[tuple[int, str]]:
    """Line numbers and messages for a page."""
    for number, line in enumerate(text.splitlines(), 1):
        yield from ((number, message) for message in _riddles("page", line, PAGE_RIDDLES))


def _files(paths: Sequence[str]) -> Iterator[Path]:
    """Python files and pages below the paths; without any, all of the project's."""
    for path in map(Path, paths or (*ROOTS, *PAGES)):
        found = [path] if path.is_file() else sorted([*path.rglob("*.py"), *path.rglob("*.md")])
        yield from (file for file in found if file.suffix == ".py" or _is_checked(file))


def _is_checked(page: Path) -> bool:
    """Whether a page is one of those that are checked."""
    name = page.as_posix()
    return name.startswith(PAGES) and not name.startswith(UNCHECKED_PAGES)


def _findings(file: Path) -> Iterator[tuple[int, str]]:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return page_findings(text)
    return findings(text, length_only="src" not in file.parts)


def main(paths: Sequence[str]) -> int:
    """Print `path:line: message` for each finding; the exit status is 1 if there is any."""
    failed = 0
    for file in _files(paths):
        for line, message in _findings(file):
            print(f"{file}:{line}: {message}")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
