"""Private keys of the user, and the public keys that an age file is encrypted for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.config.age.cipher import Identity, InvalidKey, check_recipient, read_identities
from ftl.config.yaml.locations import Location, SourceFile, display_path
from ftl.dataclass import dataclass
from ftl.errors import ConfigError, FtlError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = "FTL_AGE_KEY"
"""Variable with a private key itself, for CI."""

KEY_FILE = "FTL_AGE_KEY_FILE"
"""Variable with the path of a file with private keys."""

_SSH_KEYS = ("id_ed25519", "id_rsa")
_PUBLIC_KEY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Keys:
    """The private keys that are tried.

    Attributes:
        usable: Those that can be.
        unusable: Path -> why it cannot be used: it has a passphrase, for example.
    """

    usable: tuple[Identity, ...]
    unusable: Mapping[str, str]

    def __str__(self) -> str:
        tried = [identity.name for identity in self.usable]
        tried += [f"{name}, which {reason}" for name, reason in self.unusable.items()]
        return "; ".join(dict.fromkeys(tried)) or "none: there is neither an SSH key nor an age key"

    @property
    def hint(self) -> str | None:
        """Advice for a key with a passphrase: age cannot ask the SSH agent for a decryption."""
        for name, reason in self.unusable.items():
            if reason == "has a passphrase":
                copy = f"{name}.ftl"
                return (
                    f"make a copy without the passphrase: `cp {name} {copy} && ssh-keygen -p -N '' -f {copy}`, "
                    f"and `export {KEY_FILE}={copy}`"
                )
        return None


def find_keys(variables: Mapping[str, str]) -> Keys:
    """Find the private keys of the two variables, ~/.ssh/id_ed25519 and ~/.ssh/id_rsa.

    Raises:
        FtlError: A variable has no key, or the path of a file that cannot be read or has none.
        UsageError: pyrage is not installed.
    """
    usable: list[Identity] = []
    unusable: dict[str, str] = {}
    if text := variables.get(KEY):
        try:
            usable += read_identities(text, f"${KEY}")
        except InvalidKey as error:
            raise FtlError(f"the variable {KEY} {error}") from None
    paths = [Path(variables[KEY_FILE]).expanduser()] if variables.get(KEY_FILE) else []
    for path in paths:
        try:
            usable += read_identities(read_small_text(path), _short(path))
        except OSError as error:
            message = f"the key file {_short(path)} cannot be read: {error.strerror}"
            raise FtlError(message, hint=f"it is the value of {KEY_FILE}") from None
        except InvalidKey as error:
            raise FtlError(
                f"the key file {_short(path)} {error}", hint=Keys((), {_short(path): str(error)}).hint
            ) from None
    for path in (Path("~/.ssh").expanduser() / name for name in _SSH_KEYS):
        try:
            usable += read_identities(read_small_text(path), _short(path))
        except FileNotFoundError:
            continue
        except OSError as error:
            unusable[_short(path)] = f"cannot be read: {error.strerror}"
        except InvalidKey as error:
            unusable[_short(path)] = str(error)
    return Keys(tuple(usable), unusable)


def public_keys(keys: Keys) -> list[str]:
    """The public keys of the usable private keys; that of an SSH key is in its .pub file.

    A key whose public half is nowhere is left out.
    """
    recipients = (identity.public or _beside(Path(identity.name).expanduser()) for identity in keys.usable)
    return list(dict.fromkeys(public for public in recipients if public))


def read_recipients(path: Path) -> list[str]:
    """Read a file of public keys: one a line, `#` begins a comment, as `age -R` reads it.

    Raises:
        ConfigError: The file cannot be read, has no key, or a line is not a public key.
        UsageError: pyrage is not installed.
    """
    file = SourceFile(display_path(path))
    try:
        file = SourceFile(file.name, read_small_text(path))
    except FileNotFoundError:
        hint = "write the public keys of all who may read the secrets into it, one per line"
        raise Location(file).error("the file does not exist", hint) from None
    except OSError as error:
        raise Location(file).error(f"the file cannot be read: {error.strerror}") from None
    recipients = list(_lines(file))
    problems = []
    for number, public in recipients:
        try:
            check_recipient(public)
        except InvalidKey as error:
            problems.append(Location(file, number, 1).problem(f"the line {error}"))
    if not recipients:
        problems = [Location(file).problem("the file has no public key")]
    if problems:
        raise ConfigError(problems)
    return [public for _, public in recipients]


def _lines(file: SourceFile) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file.text.splitlines(), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, text


def _beside(path: Path) -> str | None:
    """The public half of an SSH key."""
    try:
        return read_small_text(path.with_name(f"{path.name}.pub")).strip() or None
    except OSError:
        pass
    try:
        command = ["ssh-keygen", "-y", "-f", str(path)]
        printed = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PUBLIC_KEY_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return printed.stdout.decode(errors="replace").strip() or None


def _short(path: Path) -> str:
    """The path as the user would type it."""
    home = os.path.expanduser("~")  # noqa: PTH111 -- pathlib's raises where there is none
    text = str(path)
    return f"~{text[len(home) :]}" if home != "/" and text.startswith(f"{home}/") else text
