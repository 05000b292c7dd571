"""JSON Schema (draft 2020-12) of ftl.yaml, made from the declarations of the sections.

It is for editors: it has every key with its description and short forms, and accepts a variable in place of any
value. Checks that only `load` can do (files, duplicate names, conflicting routes) are not in it.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ftl.config.models.container import ContainerSettings, File
from ftl.config.models.field_types import CommandLine, ListOf, Nested, Scalar, StringMap, keys_of
from ftl.config.models.project import ContainerOptions, Project, Proxy, Secret, Service
from ftl.config.read.short_forms import SHORT_FORMS
from ftl.databases import PRESETS

if TYPE_CHECKING:
    from ftl.config.models.field_types import FieldType, Key

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: dict[str, Any] = {"type": ["string", "number", "boolean"]}
"""To an editor `1.10` is a number and `on` a boolean; FTL reads both as text."""

_VARIABLE: dict[str, Any] = {"type": "string", "pattern": "\\$"}
_DURATION = "^([0-9]*\\.?[0-9]+(ns|us|µs|ms|s|m|h)?)+$"


def schema() -> dict[str, Any]:
    """The schema of the whole file; each section is one of its `$defs`."""
    definitions: dict[str, Any] = {}
    top = _section(Project, definitions)
    top["patternProperties"] = {"^x-": {"description": "Ignored: for anchors."}}
    for section, key in ((Secret, "name"), (File, "path")):
        definition = definitions[section.__name__]
        others = {name: value for name, value in definition["properties"].items() if name != key}
        definitions[f"Named{section.__name__}"] = {**definition, "properties": others, "required": []}
    return {"$schema": DIALECT, "title": "ftl.yaml", **top, "$defs": dict(sorted(definitions.items()))}


def _section(section: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    keys = keys_of(section)
    properties = {name: _property(key, definitions) for name, key in keys.items()}
    for name, value in _defaults(section).items():
        properties[name]["default"] = value
    properties |= _extra(section, properties)
    result: dict[str, Any] = {
        "description": str(section.__doc__).partition("\n")[0].replace("`", ""),
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    required = [name for name, key in keys.items() if key.required]
    return {**result, "required": required} if required else result


def _defaults(section: type[Any]) -> dict[str, Any]:
    """Defaults of scalars; None and empty lists add nothing to the key being optional."""
    plain = (str, int, float, bool)
    keys = keys_of(section)
    return {
        item.name: item.default
        for item in fields(section)
        if item.name in keys and isinstance(item.default, plain)
    }


def _property(key: Key, definitions: dict[str, Any]) -> dict[str, Any]:
    text = key.description if key.default_text is None else f"{key.description} Default: {key.default_text}."
    accepted = _accepted(key.type, definitions)
    if not key.required:
        accepted = _any(accepted, {"type": "null"})
    return {"description": text.replace("`", ""), **accepted}


def _accepted(field_type: FieldType, definitions: dict[str, Any]) -> dict[str, Any]:
    match field_type:
        case Scalar():
            return _scalar(field_type)
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
        case Nested(section, shorthand):
            return _nested(section, shorthand, definitions)


def _scalar(scalar: Scalar) -> dict[str, Any]:
    match scalar.json_schema.get("type"):
        case None if not scalar.json_schema:
            return dict(_TEXT)
        case "integer":
            return _any(dict(scalar.json_schema), {"type": "string", "pattern": "\\$|^-?[0-9]+$"})
        case "number":
            return _any(dict(scalar.json_schema), {"type": "string", "pattern": f"\\$|{_DURATION}"})
        case "boolean":
            return _any({"type": "boolean"}, {"enum": ["true", "false", "yes", "no", "on", "off"]}, _VARIABLE)
        case _:
            return _any(dict(scalar.json_schema), _VARIABLE)


def _nested(section: type[Any], shorthand: str | None, definitions: dict[str, Any]) -> dict[str, Any]:
    name = section.__name__
    if name not in definitions:
        definitions[name] = {}  # keeps its position while the sections below it are described
        definitions[name] = _section(section, definitions)
    long = {"$ref": f"#/$defs/{name}"}
    if shorthand is not None:
        return _any(_accepted(keys_of(section)[shorthand].type, definitions), long)
    if section in SHORT_FORMS and SHORT_FORMS[section].from_text is not None:
        examples = {"examples": sorted(PRESETS)} if name == "Dependency" else {}
        return _any({"type": "string", **examples}, long)
    return long


def _extra(section: type[Any], properties: dict[str, Any]) -> dict[str, Any]:
    """Keys and forms that `short_forms` converts."""
    if issubclass(section, ContainerSettings):
        addresses = _any({"type": "string"}, {"type": "array", "items": {"type": "string"}})
        hosts = {"type": "object", "additionalProperties": addresses}
        named_file = _any({"type": "string"}, {"$ref": "#/$defs/NamedFile"})
        forms = {
            "tmpfs": _or(properties["tmpfs"], {"type": "string", "pattern": "^/"}),
            "extra_hosts": _or(properties["extra_hosts"], hosts),
            "files": _or(properties["files"], {"type": "object", "additionalProperties": named_file}),
            "ulimits": {
                "description": SHORT_FORMS[section].extra_keys["ulimits"].replace("`", ""),
                **_limits(),
            },
        }
        if section is Service:
            forms["on"] = _or(properties["on"], {"type": "string"})
            forms |= _service_forms()
        return forms
    if section is ContainerOptions:
        return {"ulimits": _or(properties["ulimits"], _limits())}
    if section is Proxy:
        addresses = _any({"type": "string"}, {"type": "array", "items": {"type": "string"}})
        hosts = {"type": "object", "additionalProperties": addresses}
        return {"redirects": _or(properties["redirects"], hosts)}
    if section is Project:
        nothing = _any({"type": "null"}, {"type": "object", "maxProperties": 0})
        reference = {"$ref": "#/$defs/NamedSecret"}
        return {
            "volumes": _or(properties["volumes"], {"type": "object", "additionalProperties": nothing}),
            "secrets": _or(properties["secrets"], {"type": "object", "additionalProperties": reference}),
        }
    return {}


def _service_forms() -> dict[str, Any]:
    descriptions = SHORT_FORMS[Service].extra_keys
    files = _any({"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"})
    return {
        "path": {"description": descriptions["path"].replace("`", ""), "type": ["string", "null"]},
        "env_file": {"description": descriptions["env_file"].replace("`", ""), **files},
    }


def _limits() -> dict[str, Any]:
    """Ulimits as a map."""
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
    return {"type": "object", "additionalProperties": limit}


def _or(schema: dict[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "anyOf": [*schema["anyOf"], choice]}


def _any(*schemas: dict[str, Any]) -> dict[str, Any]:
    """A choice of schemas; choices inside it are flattened."""
    choices: list[dict[str, Any]] = []
    for item in schemas:
        choices += item["anyOf"] if set(item) == {"anyOf"} else [item]
    return {"anyOf": choices}
