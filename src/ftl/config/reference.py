"""The reference page of ftl.yaml, made from the sections' own declarations: `python -m ftl.config.reference`."""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

from ftl.config.models.field_types import CommandLine, ListOf, Nested, Scalar, StringMap, keys_of
from ftl.config.models.presets import PRESETS
from ftl.config.models.project import Project
from ftl.config.read.short_forms import SHORT_FORMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.config.models.field_types import FieldType, Key

_INTRODUCTION = """\
# ftl.yaml

<!-- Written by `make docs` from the program itself: change src/ftl/config, not this page. -->

One file says what runs where. `ftl validate` checks it, `ftl config` prints what FTL makes of it, and
`ftl config --schema` prints a JSON Schema with which editors check and complete it.

A small one:

```yaml
{small}```

## Values

- **Text** is taken exactly as written: `1.10`, `0644` and `on` stay what they are in `env` and `args`.
- **Durations** are `500ms`, `10s`, `1m30s`, `1h`, or a number of seconds.
- **Paths** start from the folder of ftl.yaml.
- **Unknown keys** are errors. Keys at the top that begin with `x-` are ignored: put anchors (`&name`) there, and
  use them with `*name` or `<<: *name`.

## Variables

Any value, but no key, may hold variables. They are filled in after the file has been parsed, so that nothing in a
variable's value can change the file's form, and what a variable holds is never looked through for variables again.

| written | means |
|---|---|
| `${{NAME}}` | the value; an error if unset |
| `${{NAME:-word}}`, `${{NAME-word}}` | `word` if unset or empty; if unset |
| `${{NAME:?message}}`, `${{NAME?message}}` | an error with that message if unset or empty; if unset |
| `${{NAME:+word}}`, `${{NAME+word}}` | `word` if set and not empty; if set |
| `$$` | a dollar sign: write `$${{HOME}}` for an expression that a shell in the container is to see |

`word` and `message` may hold variables themselves. A `$` before anything else
stands for itself: `$HOME` in a hook is its shell's.
Variables come from the environment and from `.env` beside ftl.yaml; the environment wins.
"""

SMALL = """\
project:
  name: shop
  domain: shop.example.com
  email: ops@example.com

services:
  - name: web
    build: .
    port: 8000
    routes:
      - path: /
    health_check:
      path: /up
    env:
      DATABASE_URL: postgresql://postgres:${POSTGRES_PASSWORD}@postgres:5432/postgres
    hooks:
      pre: python manage.py migrate

dependencies:
  - postgres:16
"""


def page() -> str:
    """The whole page, as Markdown."""
    parts = [_INTRODUCTION.format(small=SMALL), *_sections(Project, "The whole file", 2), _presets()]
    return "\n".join(parts)


def _sections(section: type[Any], title: str, level: int) -> Iterator[str]:
    """A section's own table, then those of the sections below it, each once."""
    described: set[type[Any]] = {section}
    waiting = [(section, title)]
    while waiting:
        current, name = waiting.pop(0)
        yield f"{'#' * level} {name}\n\n{_text(current)}\n\n{_table(current)}"
        below: dict[type[Any], str] = {}
        for inner, nested in _below(current, name):
            if nested in below:
                below[nested] += f", {inner.rpartition('.')[2]}"
            elif nested not in described:
                below[nested] = inner
        described |= set(below)
        waiting = [*below.items(), *waiting]


def _below(section: type[Any], title: str) -> Iterator[tuple[str, type[Any]]]:
    prefix = "" if section is Project else f"{title}."
    for name, key in keys_of(section).items():
        kind = key.kind.item if isinstance(key.kind, ListOf) else key.kind
        if isinstance(kind, Nested):
            yield f"{prefix}{name}{'[]' if isinstance(key.kind, ListOf) else ''}", kind.section


def _text(section: type[Any]) -> str:
    """The section's docstring without the name that it begins with and without what is only for programmers."""
    text = cleandoc(str(section.__doc__)).partition("\n\nAttributes:")[0]
    if text.startswith("`"):
        text = text.partition(":` ")[2]
    return text[:1].upper() + text[1:]


def _table(section: type[Any]) -> str:
    rows = [
        (name, _words(key.kind), _default(section, name, key), key.text)
        for name, key in keys_of(section).items()
    ]
    if section in SHORT_FORMS:
        rows += [(name, "path", "", text) for name, text in SHORT_FORMS[section].beside.items()]
    lines = [f"| `{name}` | {kind} | {default} | {text} |" for name, kind, default, text in rows]
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *lines, ""])


def _words(kind: FieldType) -> str:
    match kind:
        case Scalar(words):
            return words
        case ListOf(Nested()):
            return "list of mappings"
        case ListOf(item):
            return f"list of {_words(item)}s"
        case StringMap():
            return "map, or list of `NAME=TEXT`"
        case CommandLine():
            return "text, or list of words"
        case Nested(_, short):
            return f"mapping, or its `{short}`" if short else "mapping"


def _default(section: type[Any], name: str, key: Key) -> str:
    if key.default is not None:
        return key.default
    if key.required:
        return "**required**"
    value = next(item.default for item in fields(section) if item.name == name)
    if value is MISSING or value is None or isinstance(value, tuple) or hasattr(value, "to_dict"):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}s`" if isinstance(value, float) else f"`{value}`"


def _presets() -> str:
    lines = [
        "## Known dependencies\n",
        "`- postgres:16` in `dependencies` stands for a mapping with the ports, the volume and the variables below;",
        "the text behind the colon is the image's tag (`latest` without one). Variables are taken from the environment",
        "or .env; those in bold must be set. Any other image can be named the same way, without ports and volume.\n",
        "| name | image | ports | volume | variables |",
        "|---|---|---|---|---|",
    ]
    for word, preset in PRESETS.items():
        ports = ", ".join(str(port) for port in preset.ports)
        volume = f"`{preset.volume}`" if preset.volume else ""
        names = [f"**`{name}`**" for name in preset.required] + [f"`{name}`" for name in preset.optional]
        lines.append(f"| `{word}` | `{preset.image}` | {ports} | {volume} | {', '.join(names)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(page())
