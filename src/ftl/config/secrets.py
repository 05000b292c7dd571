"""Secrets of a project: which are declared, which are used, and their values as variables."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from ftl.common.files import read_small_text
from ftl.common.references import split
from ftl.config.models.project import Project
from ftl.config.read.interpolator import Interpolator
from ftl.config.read.parts import ALL_SECRETS, Fetch, Parts
from ftl.config.read.problems import Problems
from ftl.config.read.reader import Reader
from ftl.config.read.secret_values import SecretError, fetch_secrets
from ftl.config.read.short_dependencies import known_dependency
from ftl.config.read.short_forms import SHORT_FORMS
from ftl.config.values.scalars import InvalidValue, local_path
from ftl.config.variables.env_file import Variable, parse_env_file
from ftl.config.variables.interpolation import MASK, InterpolationError, interpolate, secret_reference
from ftl.config.variables.sources import ENV_FILE
from ftl.config.yaml.locations import SourceFile
from ftl.config.yaml.tree import MappingNode, ScalarNode, SequenceNode, mapping_of, scalars
from ftl.databases import PRESETS
from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ftl.config.models.secret import Secret
    from ftl.config.variables.sources import Variables
    from ftl.config.yaml.locations import Location
    from ftl.config.yaml.tree import Node

_EXPRESSION = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
_BUILD_SECRET = re.compile(r'^"?id=.*,"?env=([A-Za-z_][A-Za-z0-9_]*)')


class ProjectSecrets:
    """The secrets that a file declares.

    Attributes:
        declared: By name; what is wrong with them is reported when the whole file is read.
        used_by: The services and dependencies that use each, or the section or the .env file that does; a secret that
            nothing uses is not in it.
    """

    def __init__(
        self,
        root: MappingNode,
        folder: Path,
        variables: Variables,
        problems: Problems | None = None,
        *,
        only: Fetch = ALL_SECRETS,
    ) -> None:
        """Find the secrets in a parsed file, and who uses them; the uses `only` count.

        `folder` is the start of relative paths. The .env files that variables are of are read again with the secrets.
        """
        self._folder = folder
        only_secrets = Parts(frozenset({"secrets"}))
        reader = Reader(Interpolator(variables, problems or Problems()), folder, SHORT_FORMS, only_secrets)
        section = reader.section(Project, mapping_of({"secrets": root.get("secrets")}, root.location), ())
        self.declared = {secret.name: secret for secret in section.secrets if secret.name}
        self._locations: dict[str, Location] = {
            secret.name: reader.locations[("secrets", index)] for index, secret in enumerate(section.secrets)
        }
        self._root = root
        self._unread = variables
        asked = _Asked(dict.fromkeys(self.declared, MASK))
        self._variables = variables.with_secrets(asked)
        self.used_by: dict[str, tuple[str, ...]] = {}
        self._in_env = frozenset(asked.names & self.declared.keys())
        for name, user in self._uses(only):
            self._use(name, user)
        if only.is_whole:
            for name in sorted(self._in_env - self.used_by.keys()):
                self._use(name, ENV_FILE)

    def source(
        self, problems: Problems, *, fetch: Fetch | None, known: Mapping[str, str] | None = None
    ) -> dict[str, Variable]:
        """The used secrets as variables; those that are fetched and have no value are reported.

        They have a placeholder then, as those have that are not to be fetched. Values that are `known` are not
        fetched again.
        """
        used = [self.declared[name] for name in self.declared if name in self.used_by]
        source = {secret.name: Variable(MASK, unresolved=secret_reference(secret.name)) for secret in used}
        if fetch is None:
            return source
        known = known or {}
        names = self.used_by.keys() if fetch.is_whole else {name for name, _ in self._uses(fetch)}
        if fetch.names and self._has_local_hook(fetch):
            names = names | self._in_env
        asked = [secret for secret in used if secret.name in names and secret.name not in known]
        found = {name: value for name, value in known.items() if name in source}
        for name, value in (found | self.fetch(asked)).items():
            if isinstance(value, SecretError):
                problems.add(self._locations[name], f"the secret {name}: {value.message}", value.hint)
            text = MASK if isinstance(value, SecretError) else value
            source[name] = Variable(text, self._locations[name], secret_reference(name))
        return source

    def fetch(self, secrets: Sequence[Secret]) -> dict[str, str | SecretError]:
        """Fetch values; no command has, and no value is, a variable with a secret in it."""
        mixed = {name: found for name in self._variables if (found := self._variables.find(name)).secrets}
        plain = {name: value for name, value in self._variables.items() if name not in mixed}
        values = fetch_secrets(secrets, self._folder, plain)
        for secret in secrets:
            variable = mixed.get(secret.env or secret.name)
            if variable is not None and not (secret.command or secret.file or secret.age):
                message = f"its variable has the secret {min(variable.secrets)} in it ({variable.origin})"
                hint = "a secret's source has no secrets: name its parts as secrets, and join them in `env`"
                values[secret.name] = SecretError(message, hint)
        return values

    def fetch_all(self, secrets: Sequence[Secret]) -> dict[str, str]:
        """Fetch values, as `fetch` does.

        Raises:
            FtlError: One of the secrets has none.
        """
        values: dict[str, str] = {}
        for name, value in self.fetch(secrets).items():
            if isinstance(value, SecretError):
                place = self._locations[name].origin
                raise FtlError(f"the secret {name}: {value.message} ({place})", hint=value.hint)
            values[name] = value
        return values

    def variables(self, source: Mapping[str, Variable]) -> Variables:
        """All variables: the secrets, and those of .env with the secrets in them."""
        values = dict.fromkeys(self.declared, MASK) | {name: item.value for name, item in source.items()}
        return self._unread.with_secrets(values).above(source)

    def written_command(self, name: str) -> tuple[str, ...]:
        """Words of a secret's command as written: with variables, not with their values."""
        section = self._root.get("secrets")
        items = section.items if isinstance(section, SequenceNode) else ()
        named = [
            item for item in items if isinstance(item, MappingNode) and self._text(item.get("name")) == name
        ]
        secret = section.get(name) if isinstance(section, MappingNode) else next(iter(named), None)
        command = secret.get("command") if isinstance(secret, MappingNode) else None
        return tuple(node.text for node in scalars(command)) if command is not None else ()

    def _use(self, name: str, user: str) -> None:
        users = self.used_by.get(name, ())
        self.used_by[name] = users if user in users else (*users, user)

    def _uses(self, fetch: Fetch) -> Iterator[tuple[str, str]]:
        """Secrets in `${...}`, by their name, by a variable of .env, or by a preset, with who uses them."""
        for section, item in self._items() if self.declared else ():
            parts = fetch.of(section, self._owner(section, item))
            if parts is not None and parts.have((section,)):
                yield from self._uses_in(section, item, parts)

    def _items(self) -> Iterator[tuple[str, Node]]:
        """Items of the sections that are lists, and the others as a whole."""
        for section, entry in self._root.entries.items():
            items = entry.value.items if isinstance(entry.value, SequenceNode) else (entry.value,)
            yield from ((section, item) for item in items if section != "secrets")

    def _uses_in(self, section: str, item: Node, parts: Parts) -> Iterator[tuple[str, str]]:
        name = self._text(item.get("name")) if isinstance(item, MappingNode) else ""
        has_env = parts.have((section, "env"))
        read = parts.of(item, (section,), item.entries) if isinstance(item, MappingNode) else item
        for node in scalars(read):
            user = name or section
            names = {node.text, node.text.partition("=")[0], *_EXPRESSION.findall(node.text)}
            names |= {*_BUILD_SECRET.findall(node.text)}
            preset = PRESETS.get(split(node.text)[0].lower()) if section == "dependencies" else None
            if preset is not None and has_env:
                names |= {*preset.required, *preset.optional}
                user = preset.name if node is item else user
            yield from ((used, user) for used in self._secrets_in(names))
        if isinstance(item, MappingNode) and name and has_env:
            yield from ((used, name) for used in self._secrets_in(self._in_env_files(item)))

    def _owner(self, section: str, item: Node) -> str:
        """Name of the service or dependency that an item is, or is of; empty where that is not known."""
        if isinstance(item, MappingNode):
            return self._text(item.get("service" if section == "jobs" else "name"))
        short = known_dependency(item, self._variables) if section == "dependencies" else None
        return short.name if short is not None else ""

    def _text(self, node: Node | None) -> str:
        """The text of a single value; empty: it is none, or a variable in it is not set."""
        if not isinstance(node, ScalarNode):
            return ""
        try:
            return interpolate(node.text, self._variables.get).text
        except InterpolationError:
            return ""

    def _has_local_hook(self, fetch: Fetch) -> bool:
        """Whether a service of these has a hook that runs here, with all variables of .env."""
        for section, item in self._items():
            if section == "services" and fetch.of(section, self._owner(section, item)) is fetch.parts:
                hooks = item.get("hooks") if isinstance(item, MappingNode) else None
                entries = hooks.entries.values() if isinstance(hooks, MappingNode) else ()
                if any(
                    isinstance(each.value, MappingNode) and each.value.get("local") is not None
                    for each in entries
                ):
                    return True
        return False

    def _secrets_in(self, names: Iterable[str]) -> Iterator[str]:
        """Secrets that are used where these names are."""
        for name in names:
            if name in self.declared:
                yield name
            elif name in self._variables:
                yield from self._variables.find(name).secrets

    def _in_env_files(self, service: MappingNode) -> set[str]:
        """Names that the env files of a service use; mistakes in the files are reported when they are read."""
        files = service.get("env_file")
        asked = _Asked(ChainMap(dict.fromkeys(self.declared, MASK), cast("dict[str, str]", self._variables)))
        before: dict[str, Variable] = {}
        for file in scalars(files) if files is not None else ():
            with suppress(InterpolationError, InvalidValue, OSError):
                path = local_path(interpolate(file.text, self._variables.get).text)
                text = read_small_text(self._folder / path)
                before |= parse_env_file(SourceFile(path, text, confidential=True), asked, before=before)[0]
        return asked.names


class _Asked(Mapping[str, str]):
    """Values by name.

    Attributes:
        names: Names whose values were asked for.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.names: set[str] = set()
        self._values = values

    def __getitem__(self, name: str) -> str:
        value = self._values[name]
        self.names.add(name)
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
