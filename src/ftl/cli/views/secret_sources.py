"""Sources of secrets for a list, with the words that distinguish them, and no values.

Any word of a command may be a value. Only words at known places are shown: those that name an item of a vault.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from ftl.common.redact import MASK
from ftl.config.secret_command import credentials_in, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.config.models.project import Secret

_NAMES = """
    op doppler aws gcloud az vault bao bw bws lpass pass gopass passbolt keepassxc-cli infisical akeyless
    security secret-tool kubectl consul sops age chamber rbw dcli
"""
_VAULTS = frozenset(_NAMES.split())
"""Programs whose words say which secret it is, behind a word that reads one."""

_READING = frozenset({"read", "get", "show", "access", "get-secret-value", "get-parameter", "get-parameters"})
_OWN_READING = {
    "sops": frozenset({"-d", "--decrypt", "decrypt"}),
    "age": frozenset({"-d", "--decrypt"}),
    "secret-tool": frozenset({"lookup"}),
    "security": frozenset({"find-generic-password", "find-internet-password"}),
    "gopass": frozenset({"cat"}),
}
_GROUPS = frozenset(
    {"secrets", "secret", "secretsmanager", "ssm", "kv", "item", "keyvault", "versions", "parameters"}
)
"""Words before the one that reads; behind any other (login, unlock, auth) nothing is shown."""

_CREDENTIAL = re.compile(r"secret|token|pass|key|user|header|data|auth|cred|session|login", re.I)
"""Options whose value a program may log in with."""

_SHORT = frozenset({"-u", "-p", "-P", "-k", "-H", "-d"})
_NAMES_ITEM = frozenset({("aws", "--secret-id"), ("gcloud", "--secret")})
_FLAGS = frozenset({("lpass", "--password"), ("lpass", "--username")})

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ash"})
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\+?=.*", re.DOTALL)
_PROGRAM = re.compile(r"[\w./+~-]{1,60}")
_LONG_OPTION = re.compile(r"--[a-z][a-z-]{1,30}")
_FIELD = re.compile(r"-field=[A-Za-z_-]{1,30}")
_FOR_SHELL = re.compile(r"[`|;<>&]|\$\(")
_OPERATOR = re.compile(r"[();<>|&]+")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+-]*://)(?:.*@)?([^?#]*)([?#].*)?", re.DOTALL)
_RANDOM = re.compile(r"(?=[A-Za-z+=]*\d)[A-Za-z0-9+=]{20,}")
_HIDDEN = "..."
_LONGEST = 120


def source_of(secret: Secret, command: Sequence[str]) -> str:
    """Text for the source of a secret, with its command as ftl.yaml has it: without values."""
    key = f", key {secret.key}" if secret.key is not None else ""
    if secret.command is not None:
        return f"command: {_shown(command)}{key}"
    if secret.age is not None and secret.file is None:
        return f"age: {secret.age}{key}"
    if secret.file is not None:
        return f"file: {secret.file}{key}"
    return f"env: {secret.env or secret.name}{key}"


def _shown(command: Sequence[str]) -> str:
    """The words of a command that name a secret; `...` for others. Too long, it ends behind a word."""
    known = [*credentials_in(os.environ)]
    shown: list[str] = []
    for word in _of_command(command):
        clean = without_secrets(word, known)
        if clean == _HIDDEN and shown[-1:] == [_HIDDEN]:
            continue
        if len(" ".join((*shown, clean))) > _LONGEST:
            return " ".join((*shown, *([] if shown[-1:] == [_HIDDEN] else [_HIDDEN])))
        shown.append(clean)
    return " ".join(shown)


def _of_command(command: Sequence[str]) -> Iterator[str]:
    words = list(command)
    if len(words) == 1:
        try:
            words = shlex.split(words[0])
        except ValueError:
            yield _program(words[0].split()[0])
            yield _HIDDEN
            return
    is_script = len(words) > 2 and words[0].rpartition("/")[2] in _SHELLS
    if not is_script or not re.fullmatch("-[a-z]*c", words[1]):
        yield from _words(words)
        return
    yield from (_program(words[0]), "-c")
    yield from _of_script(words[2])
    if words[3:]:
        yield _HIDDEN


def _of_script(script: str) -> Iterator[str]:
    lines = script.replace("\\\n", " ").replace("\n", " ; ")
    lexer = shlex.shlex(lines, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        tokens = list(lexer)
    except ValueError:
        yield _HIDDEN
        return
    words: list[str] = []
    for token in tokens:
        if not _OPERATOR.fullmatch(token) or {"<", ">"} & {*token}:
            words.append(token)
        else:
            yield from _words(words)
            yield token
            words = []
    yield from _words(words)


def _words(words: Sequence[str]) -> Iterator[str]:
    """The words of one command without a shell that may be shown."""
    rest = list(words)
    while rest and (assigned := _ASSIGNMENT.fullmatch(rest[0])):
        yield f"{assigned[1]}={MASK}"
        del rest[0]
    if not rest:
        return
    yield _program(rest[0])
    name = rest[0].rpartition("/")[2]
    yield from _of_vault(name, rest[1:]) if name in _VAULTS else _of_other(rest[1:])


def _program(word: str) -> str:
    return word if _PROGRAM.fullmatch(word) and not word.startswith("-") else _HIDDEN


def _of_other(words: Sequence[str]) -> Iterator[str]:
    """The addresses among the words of any program, without their paths; none that is the value of an option."""
    before = ""
    for word in words:
        if _FOR_SHELL.search(word.partition("?")[0]):
            yield _HIDDEN
            return
        address = None if before.startswith("-") else _ADDRESS.fullmatch(word)
        if address:
            host, slash, _ = address[2].partition("/")
            yield f"{address[1]}{host}{slash and f'/{_HIDDEN}'}"
        else:
            yield word if word.startswith("arn:") and not before.startswith("-") else _HIDDEN
        before = word


def _of_vault(program: str, words: Sequence[str]) -> Iterator[str]:
    reading = _READING | _OWN_READING.get(program, frozenset())
    is_reading, is_value = False, False
    for word in words:
        if _FOR_SHELL.search(word.partition("?")[0]):
            yield _HIDDEN
            return
        if is_value:
            is_value = False
            yield MASK
        elif not is_reading and word in reading:
            is_reading = True
            yield word
        elif word.startswith("-"):
            shown, is_value = _option(program, word, is_reading=is_reading)
            yield from shown
        elif is_reading:
            yield _clean(word)
        elif word in _GROUPS:
            yield word
        else:
            yield _HIDDEN
            return


def _option(program: str, word: str, *, is_reading: bool) -> tuple[list[str], bool]:
    """The words to show for an option, and whether the next word is a value of it that is not shown."""
    name, equals, value = word.partition("=")
    if not word.startswith("--"):
        if is_reading and program in ("vault", "bao") and _FIELD.fullmatch(word):
            return [word], False
        is_credential = name in _SHORT or (len(name) > 2 and _CREDENTIAL.search(name) is not None)
        return [word[:2]], is_credential and not equals
    if not _LONG_OPTION.fullmatch(name):
        return [_HIDDEN], not equals
    is_free = is_reading and (program, name) in _NAMES_ITEM
    is_credential = not is_free and (program, name) not in _FLAGS and _CREDENTIAL.search(name) is not None
    if not equals:
        return [name], is_credential
    return [f"{name}={MASK if is_credential or not is_reading else _clean(value)}"], False


def _clean(word: str) -> str:
    """A word that names a secret, without credentials; `...` for one that sets a value."""
    if _ASSIGNMENT.fullmatch(word):
        return _HIDDEN
    if address := _ADDRESS.fullmatch(word):
        word = f"{address[1]}{address[2]}{'?...' if address[3] else ''}"
    return _RANDOM.sub(lambda match: f"{match[0][:6]}...", word)
