"""Sources of secrets for a list, with the words that distinguish them, and no values."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ftl.common.redact import MASK
from ftl.config.secret_command import credentials_in, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.config.models.project import Secret

_VAULTS = """
    1password op doppler aws gcloud az vault bao bw bws lpass pass gopass passbolt keepassxc-cli infisical akeyless
    enpass-cli security secret-tool kubectl consul sops age chamber teller rbw dcli git cat
"""
VAULTS = frozenset(_VAULTS.split())
"""Programs whose words say which secret it is."""

_PRINTERS = frozenset({"echo", "printf"})
_LONGEST = 120

_CREDENTIAL_OPTION = re.compile(
    r"token|passw|passphrase|session|api-?key|access-?key|private-?key|secret-?key|credential|^--?auth", re.I
)
"""Options whose value a program logs in with; `--secret-id` of aws is the name of a secret."""

_ASSIGNMENT = re.compile(r"[\"']?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_USER = re.compile(r"(://[^/\s:@]*):[^/\s@]+@")
_QUERY = re.compile(r"([?&][^=&\s]*(?:token|key|secret|passw|sig)[^=&\s]*)=[^&\s]+", re.I)
_RANDOM = re.compile(r"(?=[A-Za-z+=]*\d)[A-Za-z0-9+=]{20,}")
_REFERENCE = re.compile(r"[/:.]|\$\{\w+[^}]*\}")
_SUBSTITUTION = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*=)?[\"']?\$\(")
_SHELLS = frozenset({"sh", "bash"})
_OPERATOR = re.compile(r"[|&;]+|.*;")


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
    """The words of a command that name a secret; `...` for others, as an argument may be a value itself."""
    words: list[str] = []
    known = [*credentials_in(os.environ)]
    for word in _words(word for text in command for word in without_secrets(text, known).split()):
        if word != "..." or words[-1:] != ["..."]:
            words.append(word)
    text = " ".join(words)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _words(words: Iterator[str]) -> Iterator[str]:
    program = ""
    for word in words:
        begun = _SUBSTITUTION.match(word)
        assigned = _ASSIGNMENT.fullmatch(word)
        is_first = not program or (program in _SHELLS and not word.startswith("-"))
        if begun is None and is_first and assigned is not None:
            program = ""
            yield f"{assigned[1]}={MASK}"
        elif begun is not None or is_first:
            program = _program(word[begun.end() :] if begun is not None else word)
            yield word
        elif _OPERATOR.fullmatch(word):
            program = ""
            yield word if not word.strip("|&;") else "...;"
        elif word.startswith("-"):
            option, equals, value = word.partition("=")
            is_credential = _CREDENTIAL_OPTION.search(option) is not None
            yield option + (equals and f"={MASK if is_credential else _clean(value, program)}")
            if is_credential and not equals and next(words, ""):
                yield MASK
        else:
            yield _clean(word, program)


def _program(word: str) -> str:
    return word.rpartition("/")[2].strip("\"'()")


def _clean(word: str, program: str) -> str:
    """A word that names a secret, without credentials; `...` for another one."""
    if program in _PRINTERS or (program not in VAULTS and not _REFERENCE.search(word)):
        return "..."
    word = _QUERY.sub(rf"\1={MASK}", _USER.sub(rf"\1:{MASK}@", word))
    return _RANDOM.sub(lambda match: f"{match[0][:6]}...", word)
