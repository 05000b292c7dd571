"""JSON Schema (draft 2020-12) of ftl.yaml, made from the sections' own declarations.

It is for editors: it knows every key, its meaning and its short forms, and lets a variable stand wherever a
value may. What only `load` can know (files, names that are taken, routes that collide) is not in it.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ftl.config.models.field_types import CommandLine, ListOf, Nested, Scalar, StringMap, keys_of
from ftl.config.models.presets import PRESETS
from ftl.config.models.project import Container, Project, Proxy, Service
from ftl.config.read.short_forms import SHORT_FORMS

if TYPE_CHECKING:
    from ftl.config.models.field_types import FieldType, Key

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: dict[str, Any] = {"type": ["string", "number", "boolean"]}
"""YAML gives a program `1.10` as a number and `on` as a boolean; FTL takes both as text."""

_VARIABLE: dict[str, Any] = {"type": "string", "pattern": "\\$"}
_DURATION = "^([0-9]*\\.?[0-9]+(ns|us|µs|ms|s|m|h)?)+$"


def schema() -> dict[str, Any]:
    """The schema of the whole file; each section is one of its `$defs`."""
    definitions: dict[str, Any] = {}
    top = _section(Project, definitions)
    top["patternProperties"] = {"^x-": {"description": "Ignored: a place for anchors."}}
    return {"$schema": DIALECT, "title": "ftl.yaml", **top, "$defs": dict(sorted(definitions.items()))}


def _section(section: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    keys = keys_of(section)
    properties = {name: _property(key, definitions) for name, key in keys.items()}
    for name, value in _defaults(section).items():
        properties[name]["default"] = value
    properties |= _extra(section, properties)
    found: dict[str, Any] = {
        "description": _first_line(section),
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    if section is Service:
        found["anyOf"] = [{"required": [name]} for name in ("build", "image", "path")]
    required = [name for name, key in keys.items() if key.required]
    return {**found, "required": required} if required else found


def _first_line(section: type[Any]) -> str:
    return str(section.__doc__).partition("\n")[0].replace("`", "")


def _defaults(section: type[Any]) -> dict[str, Any]:
    """The defaults that a scalar has; None and empty lists say nothing that their absence does not."""
    plain = (str, int, float, bool)
    return {item.name: item.default for item in fields(section) if isinstance(item.default, plain)}


def _property(key: Key, definitions: dict[str, Any]) -> dict[str, Any]:
    text = key.text if key.default is None else f"{key.text} Default: {key.default}."
    accepted = _accepted(key.kind, definitions)
    if not key.required:
        accepted = _any(accepted, {"type": "null"})
    return {"description": text.replace("`", ""), **accepted}


def _accepted(kind: FieldType, definitions: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case Scalar():
            return _one(kind)
        case ListOf(item):
            return {"type": "array", "items": _accepted(item, definitions)}
        case StringMap():
            values = _any(_TEXT, {"type": "null"})
            pair = {"type": "string", "pattern": "=|\\$"}
            return _any(
                {"type": "object", "additionalProperties": values},
                {"type": "array", "items": pair},
            )
        case CommandLine():
            return _any(_TEXT, {"type": "array", "items": _TEXT, "minItems": 1})
        case Nested(section, short):
            return _nested(section, short, definitions)


def _one(kind: Scalar) -> dict[str, Any]:
    match kind.schema.get("type"):
        case None if not kind.schema:
            return dict(_TEXT)
        case "integer":
            return _any(dict(kind.schema), {"type": "string", "pattern": "\\$|^-?[0-9]+$"})
        case "number":
            return _any(dict(kind.schema), {"type": "string", "pattern": f"\\$|{_DURATION}"})
        case "boolean":
            return _any({"type": "boolean"}, {"enum": ["true", "false", "yes", "no", "on", "off"]}, _VARIABLE)
        case _:
            return _any(dict(kind.schema), _VARIABLE)


def _nested(section: type[Any], short: str | None, definitions: dict[str, Any]) -> dict[str, Any]:
    name = section.__name__
    if name not in definitions:
        definitions[name] = {}  # keeps its place while it is being described
        definitions[name] = _section(section, definitions)
    long = {"$ref": f"#/$defs/{name}"}
    if short is not None:
        return _any(_accepted(keys_of(section)[short].kind, definitions), long)
    if section in SHORT_FORMS and SHORT_FORMS[section].from_text is not None:
        return _any({"type": "string", **_examples(section)}, long)
    return long


def _examples(section: type[Any]) -> dict[str, Any]:
    return {"examples": sorted(PRESETS)} if section.__name__ == "Dependency" else {}


def _extra(section: type[Any], properties: dict[str, Any]) -> dict[str, Any]:
    """What `expanding` takes beside the section's own keys."""
    if section is Service:
        meanings = SHORT_FORMS[section].beside
        files = _any({"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"})
        return {
            "path": {"description": meanings["path"].replace("`", ""), "type": ["string", "null"]},
            "env_file": {"description": meanings["env_file"].replace("`", ""), **files},
        }
    if section is Container:
        limit = _any(
            {"type": "integer"},
            _VARIABLE,
            {
                "type": "object",
                "properties": {"soft": {"type": "integer"}, "hard": {"type": "integer"}},
                "required": ["soft", "hard"],
                "additionalProperties": False,
            },
        )
        return {"ulimits": _with(properties["ulimits"], {"type": "object", "additionalProperties": limit})}
    if section is Proxy:
        hosts = {"type": "object", "additionalProperties": {"type": "string"}}
        return {"redirects": _with(properties["redirects"], hosts)}
    if section is Project:
        nothing = _any({"type": "null"}, {"type": "object", "maxProperties": 0})
        return {"volumes": _with(properties["volumes"], {"type": "object", "additionalProperties": nothing})}
    return {}


def _with(schema: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "anyOf": [*schema["anyOf"], other]}


def _any(*schemas: dict[str, Any]) -> dict[str, Any]:
    """One of several; what is itself a choice is laid open."""
    choices: list[dict[str, Any]] = []
    for one in schemas:
        choices += one["anyOf"] if set(one) == {"anyOf"} else [one]
    return {"anyOf": choices}
