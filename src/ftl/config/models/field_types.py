"""Field types: the vocabulary in which `models` declares the keys of ftl.yaml.

A field type is data. `read` parses nodes by it, `schema` writes JSON Schema from it and the reference page names it,
so that the three cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from ftl.config.values import addresses, bindings, container, scalars
from ftl.config.yaml.tree import MappingNode, SequenceNode
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value.

    Attributes:
        noun: Its name in the reference.
        parse: Text -> value; raises `scalars.InvalidValue`.
        json_schema: JSON Schema of the value without variables.
        confidential: The value itself is a secret: no message quotes it, wherever it is written.
    """

    noun: str
    parse: Callable[[str], object] = scalars.text
    json_schema: Mapping[str, object] = field(default_factory=dict)
    confidential: bool = False


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of items of one type."""

    item: FieldType


@dataclass(frozen=True, slots=True)
class StringMap:
    """Names with texts: a map, or a list of `NAME=TEXT`. The texts are taken exactly as written."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command: a text that is split into words as a shell splits it, or the list of words.

    Attributes:
        for_shell: The text is for a shell, and is not split: it may have whatever a shell understands.
    """

    for_shell: bool = False


@dataclass(frozen=True, slots=True)
class Nested:
    """A section inside another.

    Attributes:
        shorthand: The key that a single value in place of the section sets.
    """

    section: type[Any]
    shorthand: str | None = None


FieldType = Scalar | ListOf | StringMap | CommandLine | Nested


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a section.

    Attributes:
        optional: May be missing although the model has no default for it: FTL finds the value elsewhere.
        required: Must be in the file. `keys_of` sets it for every key that has no default and is not optional.
        sensitive: May contain a secret: values of variables in it are masked where the project is shown.
        default_text: The default as the reference describes it, if the model's says too little.
    """

    type: FieldType
    description: str
    optional: bool = False
    required: bool = False
    sensitive: bool = False
    default_text: str | None = None


def key(
    type: FieldType,  # noqa: A002 -- as the attribute
    description: str,
    default: T,
    *,
    sensitive: bool = False,
    default_text: str | None = None,
) -> T:
    """A field that is a key of ftl.yaml, under the field's name, with a default."""
    return field(
        default=default,
        metadata=key_metadata(type, description, sensitive=sensitive, default_text=default_text),
    )


def string_map(description: str, *, sensitive: bool = False) -> dict[str, str]:
    """A field that is a key with names and texts, without any by default."""
    return field(default_factory=dict, metadata=key_metadata(StringMap(), description, sensitive=sensitive))


def key_metadata(
    type: FieldType,  # noqa: A002 -- as the attribute
    description: str,
    *,
    optional: bool = False,
    sensitive: bool = False,
    default_text: str | None = None,
) -> dict[str, Key]:
    """Metadata of a field that is a key of ftl.yaml; alone for a key without a default."""
    return {"key": Key(type, description, optional, False, sensitive, default_text)}


def _choice(noun: str, words: tuple[str, ...], *more: object) -> Scalar:
    """One of some words; an editor accepts more, which YAML makes of them."""
    return Scalar(noun, scalars.one_of(*words), {"enum": [*words, *more]})


TEXT = Scalar("text")
PATH = Scalar("path", scalars.local_path)
BOOLEAN = Scalar("true or false", scalars.boolean, {"type": "boolean"})
PORT = Scalar("port", scalars.port, {"type": "integer", "minimum": 1, "maximum": 65535})
COUNT = Scalar("whole number", scalars.count, {"type": "integer", "minimum": 1})
LIMIT = Scalar("whole number", scalars.limit, {"type": "integer", "minimum": -1})
DURATION = Scalar("duration", scalars.duration, {"type": "number", "minimum": 0})
INTERVAL = Scalar("duration", scalars.interval, {"type": "number", "exclusiveMinimum": 0})
NAME = Scalar("name", scalars.name, {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$", "maxLength": 63})
DOMAIN = Scalar(
    "domain", addresses.domain, {"type": "string", "pattern": r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$"}
)
ROUTE_HOST = Scalar("domain", addresses.route_host, {"type": "string"})
EMAIL = Scalar("email address", addresses.email, {"type": "string", "pattern": r"^[^@\s]+@[^@\s]+\.[^@\s]+$"})
SSH_HOST = Scalar("host", addresses.ssh_host)
PLACE = Scalar("role or host", addresses.place)
BUILD_HOST = Scalar("`server`, `local` or host", addresses.build_host)
BUILD_CACHE = Scalar("build cache", scalars.build_cache)
IP_ADDRESS = Scalar("IP address", addresses.ip_address)
SSH_USER = Scalar("user name", addresses.ssh_user)
IMAGE = Scalar("image reference", scalars.image)
REGISTRY = Scalar("registry", addresses.registry)
PLATFORM = Scalar("platform", scalars.platform)
URL_PATH = Scalar("URL path", addresses.url_path, {"type": "string", "pattern": "^/"})
PROBE_PATH = Scalar("URL path", addresses.probe_path, {"type": "string", "pattern": "^/"})
NETWORK = Scalar("address range", addresses.network)
ACME_URL = Scalar("URL", addresses.acme_url, {"type": "string", "format": "uri"})
TLS = _choice("`auto`, `internal` or `off`", ("auto", "internal", "off"), False)
PROTOCOL = _choice("`http`, `h2c` or `tcp`", ("http", "h2c", "tcp"))
LIMIT_NAME = _choice("name of a limit", scalars.LIMITS)
SCHEDULE = Scalar("cron schedule", scalars.schedule, {"type": "string", "pattern": r"^\s*(\S+\s+){4}\S+\s*$"})
TIMEZONE = Scalar("time zone", scalars.timezone)
VARIABLE = Scalar("name of a variable", scalars.variable_name)
SECRET_FORMAT = _choice("`text`, `dotenv` or `json`", ("text", "dotenv", "json"))
CONTAINER_PATH = Scalar("path", container.absolute_path, {"type": "string", "pattern": "^/"})
_SIZE_SCHEMA = {"type": "string", "pattern": "^[0-9.]+ ?[bkmgtBKMGT]?[iI]?[bB]?$"}
SIZE = Scalar("size", container.size, _SIZE_SCHEMA)
MEMORY = Scalar("size", container.memory, _SIZE_SCHEMA)
CPUS = Scalar("number", container.cpus, {"type": "number", "exclusiveMinimum": 0})
SIGNAL = Scalar("signal", container.signal)
CAPABILITY = Scalar("capability", container.capability)
EXTRA_HOST = Scalar("host", container.extra_host)
RESTART = Scalar("restart policy", container.restart)
MODE = Scalar("permissions", container.mode)
OWNER = Scalar("user", container.owner)
TMPFS = Scalar("path", container.tmpfs, {"type": "string", "pattern": "^/"})
DEVICE = Scalar("device", scalars.checked(container.parse_device), {"type": "string", "pattern": "^/"})
VOLUME_NAME = Scalar("volume name", scalars.volume_name)
VOLUME = Scalar(
    "volume", scalars.checked(bindings.parse_volume), {"type": "string", "pattern": "^[^:]+:/[^:]+(:r[ow])?$"}
)
FORWARD = Scalar(
    "forward",
    scalars.checked(bindings.parse_forward),
    {"type": "string", "pattern": "^.*[0-9]+:[0-9]+(/(tcp|udp))?$"},
)


_keys: dict[type[Any], Mapping[str, Key]] = {}


def keys_of(section: type[Any]) -> Mapping[str, Key]:
    """The keys of a section, in the order of its declaration; those of a base class come last."""
    if section in _keys:
        return _keys[section]
    keys: dict[str, Key] = {}
    for item in sorted(fields(section), key=lambda item: item.name not in section.__annotations__):
        if "key" in item.metadata:
            declared: Key = item.metadata["key"]
            has_default = item.default is not MISSING or item.default_factory is not MISSING
            keys[item.name] = replace(declared, required=not has_default and not declared.optional)
    return _keys.setdefault(section, keys)


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Keys of a section of which only one may be given.

    Attributes:
        details: Keys that describe the value of the one that is given, and are of no use for another.
    """

    keys: tuple[str, ...]
    details: tuple[str, ...] = ()

    def given(self, mapping: MappingNode) -> tuple[str, ...]:
        """Select those that a mapping gives; `ftl config` prints an empty list for one it has not."""
        values = {name: mapping.get(name) for name in self.keys}
        return tuple(
            name
            for name, value in values.items()
            if value is not None and not (isinstance(value, SequenceNode) and not value.items)
        )


@dataclass(frozen=True, slots=True)
class Section:
    """A section: converts to plain JSON values (for release records) and back."""

    ALTERNATIVES: ClassVar[tuple[Alternatives, ...]] = ()

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, by key; tuples become lists, sections become maps."""
        return {name: _plain(getattr(self, name)) for name in keys_of(type(self))}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Restore the section from the result of `to_dict`; unknown keys are ignored."""
        known = keys_of(cls)
        return cls(
            **{name: _restored(value, known[name].type) for name, value in data.items() if name in known}
        )


def _plain(value: object) -> Any:
    if isinstance(value, Section):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _restored(value: Any, field_type: FieldType) -> Any:
    if isinstance(field_type, Nested) and isinstance(value, Mapping):
        return field_type.section.from_dict(value)
    if isinstance(value, list):
        item_type = field_type.item if isinstance(field_type, ListOf) else None
        return tuple(
            item_type.section.from_dict(item) if isinstance(item_type, Nested) else item for item in value
        )
    return value
