"""Sources of the lines of `.kamal/secrets`, also where one names another."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.takeover.kamal.secrets.shell import (
    REFERENCE,
    NotInShell,
    script_of,
    simple_command,
    substituted,
)
from ftl.onboarding.takeover.kamal.secrets.vaults import vault_source
from ftl.onboarding.yaml_text import literal

if TYPE_CHECKING:
    from collections.abc import Mapping

_INNER = re.compile(r"\$\([^()]*\)")
_KAMAL = re.compile(r"\$\(\s*kamal\b")
_HOST = r"[\w.\0-]*(?::[\d\0]+)?"
_DATABASE = re.compile(
    r"((?:postgres(?:ql)?|postgis|mysql2?|mariadb|trilogy|rediss?|valkeys?|mongodb|amqps?|memcached?)(?:\+\w+)?://)"
    rf"(?:([^:@/?#\s]*)(:?)(.*)@)?({_HOST}(?:,{_HOST})*(?:/[\w.\0-]*)?)((?:[?#].*)?)",
    re.IGNORECASE,
)
"""Scheme, user, colon, password, host with port and database, and the rest of a database's URL."""

_REDIS = re.compile(r"(?:redis|valkey)", re.IGNORECASE)
_SCHEME = re.compile(r"(?:https?|wss?|smtps?|ssh|git|s?ftp|ldaps?)://|")
_VARIABLE, _HIDDEN = "\0", "\1"


@dataclass(frozen=True, slots=True)
class SecretSources:
    """Sources and texts for ftl.yaml by the name of the line; all others are values.

    Attributes:
        declared: Those of `secrets`.
        composed: Texts with others in them, which are written where the secret is used.
        aliases: The other name of those that have the source of another line, or of a variable.
        parts: Of texts that are secret in part, the variables in place of those parts.
        printed: Sources of the texts without such parts, for uses that take no text: `build.secrets`.
    """

    declared: Mapping[str, dict[str, object]]
    composed: Mapping[str, str]
    aliases: Mapping[str, str]
    parts: Mapping[str, tuple[str, ...]]
    printed: Mapping[str, dict[str, object]]


def sources_of(values: Mapping[str, str]) -> SecretSources:
    """The sources of all lines.

    Args:
        values: The text of each line, by name.
    """
    lines = _Lines(values)
    found = {name: source for name in values if (source := lines.source(name)) is not None}
    return SecretSources(
        declared={name: source for name, source in found.items() if isinstance(source, dict)},
        composed={name: source for name, source in found.items() if isinstance(source, str)},
        aliases=lines.aliases,
        parts=lines.parts,
        printed={
            name: source
            for name, text in found.items()
            if isinstance(text, str) and name not in lines.parts and (source := lines.printed(name))
        },
    )


class _Lines:
    """Lines that may name each other.

    Attributes:
        aliases: Lines that are nothing but the name of another one, or of a variable.
        parts: Variables for parts of texts.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._open: set[str] = set()
        self.aliases: dict[str, str] = {}
        self.parts: dict[str, tuple[str, ...]] = {}

    def source(self, name: str) -> dict[str, object] | str | None:
        """A source of `secrets`, or a text of ftl.yaml; None for values and unknown commands."""
        if name in self._open:
            return None
        self._open.add(name)
        try:
            return self._source(name, self._values[name])
        except NotInShell:
            return None
        finally:
            self._open.remove(name)

    def printed(self, name: str) -> dict[str, object] | None:
        """A command that prints a text with others in it; None where a shell has none of them."""
        text = self._values[name]
        text = text[1:-1] if text[0] == text[-1] == '"' else text
        try:
            return self._in_quotes(name, text)
        except NotInShell:
            return None

    def _opened(self, name: str, text: str) -> str:
        """A line inside of double quotes; in a circle, it is a variable of the environment."""
        is_open = name in self._open
        self._open.add(name)
        try:
            return script_of(text, self._needed_in_shell, quoted=True)
        finally:
            if not is_open:
                self._open.remove(name)

    def _in_quotes(self, name: str, text: str) -> dict[str, object]:
        script = self._opened(name, text)
        return {"command": ["sh", "-c", literal(f'printf %s "{script}"')]}

    def _source(self, name: str, value: str) -> dict[str, object] | str | None:
        if value[:1] == "'":
            return None
        text = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
        if words := simple_command(value):
            is_file = len(words) == 2 and words[0] == "cat"
            return {"file": words[1]} if is_file else {"command": _written(words)}
        if vault := vault_source(text, self._values):
            command = vault["command"]
            return (
                {**vault, "command": _written([*map(str, command)])} if isinstance(command, list) else vault
            )
        if match := REFERENCE.fullmatch(text):
            return self._alias(name, match[1] or match[2])
        if "`" in text or _KAMAL.search(text):
            return None
        if script := substituted(text):
            return {"command": ["sh", "-c", literal(script_of(script, self._in_shell))]}
        if "\\" in text or '"' in _INNER.sub("", text):
            return None
        if "$(" in text:
            if _HIDDEN in _hidden(_INNER.sub(_VARIABLE, REFERENCE.sub(_VARIABLE, text))):
                return None
            return self._in_quotes(name, text)
        return self._composed(name, text)

    def _alias(self, name: str, other: str) -> dict[str, object] | str | None:
        if other == name:
            return None
        self.aliases[name] = other
        return (self.source(other) if other in self._values else None) or {"env": other}

    def _composed(self, name: str, text: str) -> str | None:
        """A text with variables; that of one which is composed itself is in it, no part that may be secret is."""
        others = [match[1] or match[2] for match in REFERENCE.finditer(text)]
        if not others or name in others:
            return None
        plain = _hidden(REFERENCE.sub(_VARIABLE, text))
        count = plain.count(_HIDDEN)
        own = [f"{name}_PART{f'_{number}' if count > 1 else ''}" for number in range(1, count + 1)]
        if own:
            self.parts[name] = tuple(own)
        written: list[str] = []
        for piece in re.split(f"([{_VARIABLE}{_HIDDEN}])", plain):
            if piece == _HIDDEN:
                written.append(f"${{{own.pop(0)}}}")
            elif piece == _VARIABLE:
                other = others.pop(0)
                source = self.source(other) if other in self._values else None
                written.append(source if isinstance(source, str) else f"${{{other}}}")
            else:
                written.append(literal(piece))
        return "".join(written)

    def _needed_in_shell(self, name: str) -> str:
        """A line for a shell, which ends where a variable of the environment is not set."""
        return self._in_shell(name) or f"${{{name}:?}}"

    def _in_shell(self, name: str) -> str | None:
        """The command that prints a line, for a shell; None for a variable of the environment or .env."""
        source = self.source(name) if name in self._values else None
        match source:
            case None:
                return None
            case str() if name not in self.parts:
                return self._opened(name, self._values[name].strip('"'))
            case {"env": other}:
                return f"${other}"
            case {"file": path}:
                return f"$({shlex.join(('cat', str(path)))})"
            case {"command": list(words), **rest} if not rest:
                return f"$({shlex.join(word.replace('$$', '$') for word in words)})"
            case {"command": str(line), **rest} if not rest:
                return f"$({line})"
        raise NotInShell


def _hidden(plain: str) -> str:
    """A text without its variables, in which a character stands for each part that may be secret.

    Whatever is written there may be: the path of a web hook is. Only what a database's URL says besides is none.
    """
    if (url := _DATABASE.fullmatch(plain)) and (url[3] or not url[4]):
        # Alone before the host stands a password in Redis' URLs as many write them.
        user = _parts(url[2] or "") if _REDIS.match(plain) and not url[3] else url[2] or ""
        login = f"{user}{url[3] or ''}{_parts(url[4])}@" if url[2] is not None else ""
        return f"{url[1]}{login}{url[5]}{_parts(url[6])}"
    scheme = _SCHEME.match(plain)
    begin = scheme.end() if scheme else 0
    return plain[:begin] + _parts(plain[begin:])


def _parts(text: str) -> str:
    """A character for each piece between variables, but for a separator."""
    return re.sub(r"[^\0]*[^\W_][^\0]*|[^\0]{4,}", _HIDDEN, text)


def _written(words: list[str]) -> str | list[str]:
    """A command as ftl.yaml has it: a text, or its words where one of them needs quotes."""
    line = " ".join(words)
    return line if shlex.join(words) == line else words
