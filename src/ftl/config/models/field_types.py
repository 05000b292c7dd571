"""What a key of ftl.yaml takes: the vocabulary in which `models` declares its fields.

A kind is data. `reading` turns nodes into values by it, `schema` writes JSON Schema from it, and `reference`
names it in the documentation, so that the three cannot disagree.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from ftl.config.models import bindings
from ftl.config.read import scalars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value.

    Attributes:
        words: What it is called in messages and in the reference.
        parse: Text -> value; raises `scalars.InvalidValue`.
        schema: JSON Schema of the value as an editor sees it, variables aside.
    """

    words: str
    parse: Callable[[str], object] = scalars.text
    schema: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of things of one kind."""

    item: FieldType


@dataclass(frozen=True, slots=True)
class StringMap:
    """Names and texts: a map, or a list of `NAME=TEXT`. The texts are taken exactly as written."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command: a text that is split as a shell splits words, or the list of words."""


@dataclass(frozen=True, slots=True)
class Nested:
    """A section of its own.

    Attributes:
        section: The dataclass that declares it.
        short: The key that a single value in the section's place stands for.
    """

    section: type[Any]
    short: str | None = None


FieldType = Scalar | ListOf | StringMap | CommandLine | Nested


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a section.

    Attributes:
        text: What it means, for the reference and for editors.
        optional: May be left out although the model has no default for it: FTL finds the value elsewhere.
        required: Must stand in the file. `keys_of` says so of every key without a default.
        private: May hold a secret: what came from variables is masked where the project is shown.
        default: How the reference tells the default where the model's says too little.
    """

    kind: FieldType
    text: str
    optional: bool = False
    required: bool = False
    private: bool = False
    default: str | None = None


def key(
    kind: FieldType, text: str, *, optional: bool = False, private: bool = False, default: str | None = None
) -> dict[str, Key]:
    """The metadata of a field that stands in ftl.yaml under the field's name."""
    return {"key": Key(kind, text, optional, False, private, default)}


TEXT = Scalar("text")
PATH = Scalar("path")
BOOLEAN = Scalar("true or false", scalars.boolean, {"type": "boolean"})
PORT = Scalar("port", scalars.port, {"type": "integer", "minimum": 1, "maximum": 65535})
COUNT = Scalar("whole number", scalars.count, {"type": "integer", "minimum": 1})
LIMIT = Scalar("whole number", scalars.limit, {"type": "integer", "minimum": -1})
DURATION = Scalar("duration", scalars.duration, {"type": "number", "minimum": 0})
INTERVAL = Scalar("duration", scalars.interval, {"type": "number", "exclusiveMinimum": 0})
NAME = Scalar("name", scalars.name, {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$", "maxLength": 63})
DOMAIN = Scalar("domain", scalars.domain, {"type": "string", "pattern": r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$"})
ROUTE_HOST = Scalar("domain", scalars.route_host, {"type": "string"})
EMAIL = Scalar("email address", scalars.email, {"type": "string", "pattern": r"^[^@\s]+@[^@\s]+\.[^@\s]+$"})
SSH_HOST = Scalar("host", scalars.ssh_host)
SSH_USER = Scalar("user name", scalars.ssh_user)
IMAGE = Scalar("image reference", scalars.image)
REGISTRY = Scalar("registry", scalars.registry)
PLATFORM = Scalar("platform", scalars.platform)
URL_PATH = Scalar("URL path", scalars.url_path, {"type": "string", "pattern": "^/"})
PROBE_PATH = Scalar("URL path", scalars.probe_path, {"type": "string", "pattern": "^/"})
NETWORK = Scalar("address range", scalars.network)
ACME_URL = Scalar("URL", scalars.acme_url, {"type": "string", "format": "uri"})
TLS = Scalar("`auto`, `internal` or `off`", scalars.tls, {"enum": ["auto", "internal", "off", False]})
LIMIT_NAME = Scalar("name of a limit", scalars.limit_name, {"enum": list(scalars.LIMITS)})
VOLUME_NAME = Scalar("volume name", scalars.volume_name)
VOLUME = Scalar("volume", bindings.volume, {"type": "string", "pattern": "^[^:]+:/[^:]+(:r[ow])?$"})
FORWARD = Scalar("forward", bindings.forward, {"type": "string", "pattern": "^.*[0-9]+:[0-9]+(/(tcp|udp))?$"})


def keys_of(section: type[Any]) -> Mapping[str, Key]:
    """The keys of a section, in the order in which it declares them."""
    if section not in _known:
        _known[section] = dict(_declared(section))
    return _known[section]


_known: dict[type[Any], Mapping[str, Key]] = {}


def _declared(section: type[Any]) -> Iterator[tuple[str, Key]]:
    for item in fields(section):
        if "key" in item.metadata:
            declared: Key = item.metadata["key"]
            bare = item.default is MISSING and item.default_factory is MISSING
            yield item.name, replace(declared, required=bare and not declared.optional)
