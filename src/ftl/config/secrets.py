"""Secrets of a project: which are declared, which are used, and their values as variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.common.references import split
from ftl.config.models.field_types import ListOf, Nested, Section, key
from ftl.config.models.secret import Secret
from ftl.config.read.interpolator import Interpolator
from ftl.config.read.problems import Problems
from ftl.config.read.reader import Reader
from ftl.config.read.secret_values import SecretError, fetch_secrets
from ftl.config.read.short_forms import SHORT_FORMS
from ftl.config.values.scalars import InvalidValue, local_path
from ftl.config.variables.env_file import Variable, parse_env_file
from ftl.config.variables.interpolation import MASK, InterpolationError, interpolate
from ftl.config.yaml.marks import SourceFile
from ftl.config.yaml.tree import MappingNode, ScalarNode, SequenceNode, scalars
from ftl.databases import PRESETS
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ftl.config.variables.sources import Variables
    from ftl.config.yaml.marks import Mark

_EXPRESSION = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secrets(Section):
    secrets: tuple[Secret, ...] = key(ListOf(Nested(Secret)), "", ())


class ProjectSecrets:
    """The secrets that a file declares.

    Attributes:
        declared: By name; what is wrong with them is reported when the whole file is read.
        used_by: The services and dependencies that use each, or the section of the file where it is another; a secret
            that nothing uses is not in it.
    """

    def __init__(
        self, root: MappingNode, folder: Path, variables: Variables, problems: Problems | None = None
    ) -> None:
        self._folder = folder
        self._variables = variables
        reader = Reader(Interpolator(variables, problems or Problems()), folder, SHORT_FORMS)
        only = MappingNode({}, root.mark).replace({"secrets": root.get("secrets")})
        section = reader.section(_Secrets, only, ())
        self.declared = {secret.name: secret for secret in section.secrets if secret.name}
        self._marks: dict[str, Mark] = {
            secret.name: reader.marks[("secrets", index)] for index, secret in enumerate(section.secrets)
        }
        self.used_by: dict[str, tuple[str, ...]] = {}
        for name, user in self._uses(root) if self.declared else ():
            users = self.used_by.get(name, ())
            self.used_by[name] = users if user in users else (*users, user)

    def source(self, problems: Problems, *, fetch: bool) -> dict[str, Variable]:
        """The used secrets as variables; those without a value are reported, and have a placeholder."""
        used = [self.declared[name] for name in self.declared if name in self.used_by]
        if not fetch:
            return {secret.name: Variable(MASK) for secret in used}
        source: dict[str, Variable] = {}
        for name, value in fetch_secrets(used, self._folder, self._variables).items():
            if isinstance(value, SecretError):
                problems.add(self._marks[name], f"the secret {name}: {value.message}", value.hint)
            source[name] = Variable(MASK if isinstance(value, SecretError) else value, self._marks[name])
        return source

    def _uses(self, root: MappingNode) -> Iterator[tuple[str, str]]:
        """Secrets in `${...}`, by their name, or by a preset, with who uses them."""
        for section, entry in root.entries.items():
            if section == "secrets":
                continue
            items = entry.value.items if isinstance(entry.value, SequenceNode) else (entry.value,)
            for item in items:
                name = item.get("name") if isinstance(item, MappingNode) else None
                for node in scalars(item):
                    user = name.text if isinstance(name, ScalarNode) else section
                    names = {node.text, node.text.partition("=")[0], *_EXPRESSION.findall(node.text)}
                    preset = PRESETS.get(split(node.text)[0].lower()) if section == "dependencies" else None
                    if preset is not None:
                        names |= {*preset.required, *preset.optional}
                        user = preset.name if node is item else user
                    yield from ((used, user) for used in names & self.declared.keys())
                if isinstance(item, MappingNode) and isinstance(name, ScalarNode):
                    yield from ((used, name.text) for used in self._in_env_files(item))

    def _in_env_files(self, service: MappingNode) -> set[str]:
        """Secrets that the env files of a service use; what is wrong with the files is reported when they are read."""
        files = service.get("env_file")
        asked = _Asked(self._variables, self.declared)
        before: dict[str, Variable] = {}
        for file in scalars(files) if files is not None else ():
            with suppress(InterpolationError, InvalidValue, OSError):
                path = local_path(interpolate(file.text, self._variables.get).text)
                text = read_small_text(self._folder / path)
                before |= parse_env_file(SourceFile(path, text, confidential=True), asked, before=before)[0]
        return asked.secrets


class _Asked(Mapping[str, str]):
    """Variables with a placeholder for each secret.

    Attributes:
        secrets: Those whose values were asked for.
    """

    def __init__(self, variables: Variables, declared: Collection[str]) -> None:
        self.secrets: set[str] = set()
        self._variables = variables
        self._declared = declared

    def __getitem__(self, name: str) -> str:
        if name in self._declared:
            self.secrets.add(name)
            return MASK
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter({*self._variables, *self._declared})

    def __len__(self) -> int:
        return len({*self._variables, *self._declared})
