"""YAML text with comments, in FTL's own style."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from ftl.dataclass import dataclass

COLUMN = 40
_PLAIN = re.compile(r"[A-Za-z0-9_./$@~%+=\\(^<\"'-][^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]*")
_AMBIGUOUS = re.compile(
    r": |:$| #|^[-?] |^---|^[%@`~]|^(?:null|~)$|\s$|^\s|^[\"']|^-$|^=$|^<<$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Commented:
    """A value with a comment at its line."""

    value: object
    comment: str


@dataclass(frozen=True, slots=True)
class Anchored:
    """A mapping that other places repeat by an alias."""

    name: str
    value: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Alias:
    """A repetition of an anchored mapping."""

    name: str


@dataclass(frozen=True, slots=True)
class CommentLine:
    """A line of comment in place of a value; its key is not printed."""

    text: str


def scalar(value: object, *, in_flow: bool = False) -> str:
    """A single value; texts are quoted where YAML would read something else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    text = str(value)
    if (
        not text
        or not _PLAIN.fullmatch(text)
        or _AMBIGUOUS.search(text)
        or (in_flow and re.search(r"[\[\]{},]", text))
    ):
        return (
            json.dumps(text, ensure_ascii=False)
            if not re.search(r"[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]", text)
            else json.dumps(text)
        )
    return text


def lines(value: Mapping[str, object], indent: int = 0) -> list[str]:
    """Lines of a mapping in block style."""
    out: list[str] = []
    pad = " " * indent
    for key, given in value.items():
        if isinstance(given, CommentLine):
            out.append(f"{pad}# {_one_line(given.text)}".rstrip())
            continue
        item, comment = _split(given)
        out += _entry(f"{pad}{scalar(key)}:", item, comment, indent)
    return out


def _split(item: object) -> tuple[object, str]:
    return (item.value, item.comment) if isinstance(item, Commented) else (item, "")


def _entry(head: str, item: object, comment: str, indent: int) -> list[str]:
    match item:
        case Anchored(name, mapping):
            return [_with(f"{head} &{name}", comment), *lines(mapping, indent + 2)]
        case Alias(name):
            return [_with(f"{head} *{name}", comment)]
        case Mapping() if item:
            return [_with(head, comment), *lines(item, indent + 2)]
        case Mapping():
            return [_with(f"{head} {{}}", comment)]
        case str() | bool() | int() | float() | None:
            return [_with(f"{head} {scalar(item)}", comment)]
        case tuple():
            return [_with(f"{head} {flow(item)}", comment)]
        case Sequence():
            return [_with(head, comment), *_items(item, indent + 2)]
    raise TypeError(type(item))


def _items(items: Sequence[object], indent: int) -> list[str]:
    out: list[str] = []
    for given in items:
        item, comment = _split(given)
        if isinstance(item, CommentLine):
            out.append(f"{' ' * indent}# {_one_line(item.text)}")
        elif isinstance(item, Mapping) and item:
            inner = lines(item, indent + 2)
            first = _with(inner[0], comment)
            out += [f"{' ' * indent}- {first.lstrip()}", *inner[1:]]
        else:
            out.append(_with(f"{' ' * indent}- {scalar(item)}", comment))
    return out


def flow(items: Sequence[object]) -> str:
    """A list on one line."""
    return f"[{', '.join(scalar(item, in_flow=True) for item in items)}]"


def _with(line: str, comment: str) -> str:
    return f"{line:<{COLUMN}} # {_one_line(comment)}" if comment else line


def _one_line(comment: str) -> str:
    """A comment as YAML has it: names of files may have line breaks, and bytes that are no text."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in comment)


def literal(text: str) -> str:
    """A text whose dollar signs are for others: in ftl.yaml `$$` is one sign."""
    return re.sub(r"\$(?=[${])", "$$", text)
