"""Variables of settings classes of Pydantic: their fields, by prefix and aliases."""

from __future__ import annotations

import ast
import re
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.variables.variable import CodeVariable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CLASS = re.compile(r"^class\s+(\w+)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)\s*:", re.MULTILINE)
_IMPORTED_AS = re.compile(r"\b(BaseSettings|BaseModel)\s+as\s+(\w+)")
_OF_TESTS = re.compile(r"(?:^|/)(?:test_[^/]*|conftest)\.py$")
_FOR_OTHER_PLACES = re.compile(r"_?(?:Tests?|Testing|Dev|Development|Local|Staging|CI)(?=[A-Z_]|$)")
"""Classes of settings that a server does not use."""

_MOST_DEEP = 3
_UNKNOWN = "\0"


@dataclass(frozen=True, slots=True)
class _Options:
    """Options of a settings class for the names of its variables.

    Attributes:
        delimiter: Between the names of a field and of the fields of its model; empty: the field is JSON.
    """

    prefix: str = ""
    delimiter: str = ""
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a class.

    Attributes:
        aliases: Names in place of prefix and name.
        models: Names in its type.
    """

    name: str
    is_required: bool
    aliases: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Class:
    """A class of the app that derives from one of Pydantic's."""

    file: str
    bases: tuple[str, ...]
    fields: Mapping[str, _Field] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)


def settings_variables(sources: Mapping[str, str]) -> Iterator[CodeVariable]:
    """Fields of the settings classes that the app uses; those without a default are demanded."""
    code = {
        file: text for file, text in sources.items() if file.endswith(".py") and not _OF_TESTS.search(file)
    }
    written = {
        match[1]: (file, tuple(re.findall(r"\w+", match[2])))
        for file, text in code.items()
        for match in _CLASS.finditer(text)
    }
    parents = {"BaseSettings": {"BaseSettings"}, "BaseModel": {"BaseModel"}}
    for text in code.values():
        for match in _IMPORTED_AS.finditer(text):
            parents[match[1]].add(match[2])
    settings = _derived(written, parents["BaseSettings"])
    models = _derived(written, parents["BaseModel"])
    classes = _parsed(code, {name: written[name][0] for name in (*settings, *models)})
    bases = {base for name in settings for base in written[name][1]}
    for name in settings:
        used = name not in bases or any(re.search(rf"(?<!class ){name}\(", text) for text in code.values())
        if name in classes and used and not _FOR_OTHER_PLACES.match(name):
            yield from _variables(classes, name)


def _derived(written: Mapping[str, tuple[str, tuple[str, ...]]], parents: set[str]) -> list[str]:
    """Classes that derive from one of the parents, in the order of the code."""
    known = set(parents)
    while more := {name for name, (_, bases) in written.items() if name not in known and known & {*bases}}:
        known |= more
    return [name for name in written if name in known - parents]


def _parsed(code: Mapping[str, str], places: Mapping[str, str]) -> dict[str, _Class]:
    found: dict[str, _Class] = {}
    for file in dict.fromkeys(places.values()):
        try:
            tree = ast.parse(code[file])
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        is_old = re.search(r"from pydantic(?:\.v1)? import [^\n]*\bBaseSettings\b", code[file]) is not None
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and places.get(node.name) == file:
                found[node.name] = _class(node, file, is_old=is_old)
    return found


def _class(node: ast.ClassDef, file: str, *, is_old: bool) -> _Class:
    fields: dict[str, _Field] = {}
    options: dict[str, object] = _constants(node.keywords)
    for item in node.body:
        match item:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=value):
                if name != "model_config" and not name.startswith("_") and "ClassVar" not in _names(kind):
                    fields[name] = _field(name, kind, value, is_old=is_old)
                elif isinstance(value, ast.Call):
                    options |= _constants(value.keywords)
            case ast.Assign(targets=[ast.Name(id="model_config")], value=ast.Call(keywords=keywords)):
                options |= _constants(keywords)
            case ast.Assign(targets=[ast.Name(id="model_config")], value=ast.Dict(keys=keys, values=values)):
                named = zip(keys, values, strict=True)
                constants = ((key.value, value) for key, value in named if isinstance(key, ast.Constant))
                options |= _constants([ast.keyword(str(key), value) for key, value in constants])
            case ast.ClassDef(name="Config", body=body):
                options |= _constants(
                    [
                        ast.keyword(one.targets[0].id, one.value)
                        for one in body
                        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)
                    ]
                )
    return _Class(file, tuple(name for base in node.bases for name in _names(base)), fields, options)


def _constants(keywords: list[ast.keyword]) -> dict[str, object]:
    return {
        one.arg: one.value.value if isinstance(one.value, ast.Constant) else _UNKNOWN
        for one in keywords
        if one.arg is not None
    }


def _names(node: ast.AST) -> list[str]:
    """Names in an expression; an annotation may be a text."""
    found: list[str] = []
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            found.append(each.id)
        elif isinstance(each, ast.Attribute):
            found.append(each.attr)
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            found += re.findall(r"\w+", each.value)
    return found


def _field(name: str, kind: ast.expr, value: ast.expr | None, *, is_old: bool) -> _Field:
    described = [
        each
        for part in (kind, value)
        if part is not None
        for each in ast.walk(part)
        if isinstance(each, ast.Call) and _names(each.func)[-1:] == ["Field"]
    ]
    aliases: list[str] = []
    has_default = value is not None and value not in described and not _is_ellipsis(value)
    for call in described:
        given = {one.arg: one.value for one in call.keywords}
        has_default |= bool(given.keys() & {"default", "default_factory"}) and not _is_ellipsis(
            given.get("default")
        )
        has_default |= bool(call.args) and not _is_ellipsis(call.args[0])
        for key in ("validation_alias", "env", "alias"):
            if key in given and not aliases:
                aliases = _texts(given[key])
    if is_old and "Optional" in _names(kind):
        has_default = True
    return _Field(name, not has_default, tuple(aliases), tuple(_names(kind)))


def _is_ellipsis(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _texts(node: ast.expr) -> list[str]:
    """The names in an alias: one, those of AliasChoices, the first of each AliasPath."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.Call):
        parts = node.args[:1] if _names(node.func)[-1:] == ["AliasPath"] else node.args
        return [name for part in parts for name in _texts(part)]
    items = node.elts if isinstance(node, (ast.List, ast.Tuple)) else []
    return [name for part in items for name in _texts(part)]


def _variables(classes: Mapping[str, _Class], name: str) -> Iterator[CodeVariable]:
    given = _options(classes, name)
    if _UNKNOWN in (given.get("env_prefix"), given.get("env_nested_delimiter")):
        return  # names that are computed
    options = _Options(
        str(given.get("env_prefix") or ""),
        str(given.get("env_nested_delimiter") or ""),
        given.get("case_sensitive") is True,
    )
    yield from _of_fields(classes, name, options, options.prefix)


def _of_fields(
    classes: Mapping[str, _Class],
    name: str,
    options: _Options,
    prefix: str,
    depth: int = 0,
    *,
    is_demanded: bool = True,
) -> Iterator[CodeVariable]:
    """Variables of a class; with a delimiter, a field that is a model has one for each of its fields."""
    for one in _fields(classes, name).values():
        file = classes[name].file
        names = one.aliases or (f"{prefix}{one.name}",)
        required = is_demanded and one.is_required
        inner = next((model for model in one.models if model in classes), None)
        if inner is not None and not one.is_required and "env_prefix" in _options(classes, inner):
            continue  # a settings class that reads its own variables
        if inner is not None and options.delimiter and depth < _MOST_DEEP:
            start = f"{names[0]}{options.delimiter}"
            yield from _of_fields(classes, inner, options, start, depth + 1, is_demanded=required)
            continue
        first, *others = names if options.is_exact else map(str.upper, names)
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", first):
            yield CodeVariable(first, file, file if required else "", (*others, one.name.upper()))


def _lineage(classes: Mapping[str, _Class], name: str, seen: tuple[str, ...] = ()) -> list[_Class]:
    """A class behind those that it derives from, whose fields and options it replaces."""
    if name not in classes or name in seen:
        return []
    own = classes[name]
    return [*(each for base in reversed(own.bases) for each in _lineage(classes, base, (*seen, name))), own]


def _fields(classes: Mapping[str, _Class], name: str) -> dict[str, _Field]:
    return {key: value for each in _lineage(classes, name) for key, value in each.fields.items()}


def _options(classes: Mapping[str, _Class], name: str) -> dict[str, object]:
    return {key: value for each in _lineage(classes, name) for key, value in each.options.items()}
