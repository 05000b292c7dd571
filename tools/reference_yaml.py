"""Reference page of ftl.yaml, made from its declarations; `tools.reference` writes it."""

from __future__ import annotations

from dataclasses import MISSING, fields
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

from ftl.config.models.field_types import CommandLine, ListOf, Nested, Scalar, StringMap, keys_of
from ftl.config.models.project import Project
from ftl.config.read.short_forms import SHORT_FORMS
from ftl.databases import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.config.models.field_types import FieldType, Key

_INTRODUCTION = """\
# ftl.yaml

<!-- Written by `make docs` from the program itself: change src/ftl/config, not this page. -->

The file describes a project: its services, its dependencies, and the server to deploy them to. `ftl validate` checks
the file, `ftl config` prints it with defaults and variables filled in, and `ftl config --schema` prints a JSON Schema
with which editors check and complete it.

An example:

```yaml
{small}```

## Values

- **Text** is taken exactly as written: `1.10`, `0644` and `on` stay what they are in `env` and `args`. A name without
  a value (`GREETING:`) is empty. If a `.env` file or a secret has that name, it is an error, for Compose would take its
  value: write `GREETING: ${{GREETING}}`, or `GREETING: ''`.
- **Durations** are `500ms`, `10s`, `1m30s`, `1h`, or a number of seconds.
- **Paths** on this machine are relative to the folder of ftl.yaml; `~` is your home folder. Files that FTL reads must
  be regular files of at most 1 MB.
- **Unknown keys** are errors. Keys at the top that begin with `x-` are ignored: put anchors (`&name`) there, and
  use them with `*name` or `<<: *name`.

## Variables

Any value, but no key, may contain variables. They are interpolated after the file has been parsed, so that the value
of a variable cannot change the structure of the file, and the value itself is not interpolated again.

| expression | value |
|---|---|
| `${{NAME}}` | the variable; an error if unset |
| `${{NAME:-word}}`, `${{NAME-word}}` | `word` if unset or empty; if unset |
| `${{NAME:?message}}`, `${{NAME?message}}` | an error with that message if unset or empty; if unset |
| `${{NAME:+word}}`, `${{NAME+word}}` | `word` if set and not empty; if set |
| `$$` | a dollar sign: write `$${{HOME}}` for an expression that a shell in the container evaluates |

`word` and `message` may contain variables themselves. A `$` before anything else is an ordinary character: `$HOME` in a
hook is evaluated by its shell.
Variables come from the environment and from `.env` beside ftl.yaml; the environment wins.

## .env and env files

Lines are `NAME=VALUE`; a `NAME` alone takes its value from the environment. `export` before the name and comments after
` #` are ignored. The rules are those of Compose:

| written | value |
|---|---|
| `A=x y` | `x y`, with the expressions above interpolated from `secrets`, the environment and the lines before |
| `A="x\\ty"` | as above, with the escapes `\\n`, `\\t`, `\\\\`, `\\"` and `\\$` (a dollar sign); several lines |
| `A='x\\y${{B}}'` | exactly what is written, except that `\\'` is a quote; several lines |
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
    """The page, as Markdown."""
    parts = [_INTRODUCTION.format(small=SMALL), *_sections(Project, "The whole file", 2), _presets()]
    return "\n".join(parts)


def _sections(section: type[Any], title: str, level: int) -> Iterator[str]:
    """The table of a section, then those of the sections below it, each once."""
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
        field_type = key.type.item if isinstance(key.type, ListOf) else key.type
        if isinstance(field_type, Nested):
            yield f"{prefix}{name}{'[]' if isinstance(key.type, ListOf) else ''}", field_type.section


def _text(section: type[Any]) -> str:
    """The docstring of a section without its name, and without `Attributes:`, which is for programmers."""
    text = cleandoc(str(section.__doc__)).partition("\n\nAttributes:")[0]
    if text.startswith("`"):
        text = text.partition(":` ")[2]
    return text[:1].upper() + text[1:]


def _table(section: type[Any]) -> str:
    rows = [
        (name, _noun(key.type), _default(section, name, key), key.description)
        for name, key in keys_of(section).items()
    ]
    if section in SHORT_FORMS:
        rows += [(name, "path", "", text) for name, text in SHORT_FORMS[section].extra_keys.items()]
    lines = [f"| `{name}` | {noun} | {default} | {text} |" for name, noun, default, text in rows]
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *lines, ""])


def _noun(field_type: FieldType) -> str:
    match field_type:
        case Scalar(noun):
            return noun
        case ListOf(Nested()):
            return "list of mappings"
        case ListOf(item):
            return f"list of {_noun(item)}s"
        case StringMap():
            return "map, or list of `NAME=TEXT`"
        case CommandLine():
            return "text, or list of words"
        case Nested(_, shorthand):
            return f"mapping, or its `{shorthand}`" if shorthand else "mapping"


def _default(section: type[Any], name: str, key: Key) -> str:
    if key.default_text is not None:
        return key.default_text
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
        "`- postgres:16` in `dependencies` is short for a mapping with the ports, the volume and the variables below;",
        "the text after the colon is the tag of the image (default `latest`). Variables are taken from the environment",
        "or .env; those in bold are required. Any other image can be written the same way, without ports and volume.\n",
        "| name | image | ports | volume | variables |",
        "|---|---|---|---|---|",
    ]
    for name, preset in PRESETS.items():
        ports = ", ".join(str(port) for port in preset.ports)
        volume = f"`{preset.volume}`" if preset.volume else ""
        names = [f"**`{required}`**" for required in preset.required]
        names += [f"`{optional}`" for optional in preset.optional]
        lines.append(f"| `{name}` | `{preset.image}` | {ports} | {volume} | {', '.join(names)} |")
    lines += [
        "",
        "A dependency with the image `rabbitmq` gets `RABBITMQ_NODENAME=rabbit@localhost` unless `env` sets it: its",
        "data belongs to the node's name, which would otherwise change with the container.",
    ]
    return "\n".join([*lines, ""])
