"""A YAML map of secrets in an age file, with its recipients in the file next to it.

`secrets.yaml.age` is encrypted for the public keys in `secrets.yaml.age.recipients`. That an age file does not tell its
X25519 recipients is why they are in a file of their own; `age -R` reads it too.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from ftl.common.files import read_small_file, sync_folder
from ftl.common.next_step import ftl
from ftl.config.age.cipher import InvalidKey, decrypt, encrypt, recipient_types
from ftl.config.age.keys import KEY, KEY_FILE, find_keys, public_keys, read_recipients
from ftl.config.values.scalars import InvalidValue, variable_name
from ftl.config.yaml.locations import Location, SourceFile, display_path
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode, ScalarNode, describe_kind
from ftl.errors import ConfigError, FtlError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_STALE_SECONDS = 5.0
"""Age of a file that is being written, in seconds, after which nobody writes it any more."""

DEFAULT = "secrets.yaml.age"
"""The file of a project that names none."""


class AgeFile:
    """An age file, read and written with the user's keys."""

    def __init__(self, path: Path, variables: Mapping[str, str]) -> None:
        self.path = path
        self.name = display_path(path)
        self.recipients_path = path.with_name(f"{path.name}.recipients")
        self._variables = variables

    def read(self) -> str:
        """The decrypted YAML.

        Raises:
            FileNotFoundError: There is none.
            FtlError: It cannot be read, is no age file, or none of the user's keys opens it.
            UsageError: pyrage is not installed.
        """
        try:
            return self._decrypt(self.read_encrypted()).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise FtlError(f"{self.name} does not contain text") from None

    def read_encrypted(self) -> bytes:
        """The file itself.

        Raises:
            FileNotFoundError: There is none.
            FtlError: It cannot be read.
        """
        try:
            return read_small_file(self.path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise FtlError(f"{self.name} cannot be read: {error.strerror}") from None

    def write(self, text: str) -> bool:
        """Encrypt the text for all recipients, and replace the file by it at once.

        Without a file of recipients and without an age file, the recipients are the user's own keys.

        Returns:
            Whether the file of recipients is new.

        Raises:
            ConfigError: The file of recipients is wrong, or missing beside an age file.
            FtlError: None of the user's keys would open what is written, or it cannot be written.
            UsageError: pyrage is not installed.
        """
        new = not self.path.exists() and not self.recipients_path.exists()
        recipients = self._own_recipients() if new else read_recipients(self.recipients_path)
        try:
            encrypted = encrypt(text.encode(), recipients)
        except InvalidKey as error:  # a public key beside a private one; the file of recipients was checked
            raise FtlError(f"the public key of one of your keys {error}") from None
        keys = find_keys(self._variables)
        if decrypt(encrypted, keys.usable) is None:
            recipients_name = display_path(self.recipients_path)
            message = (
                f"none of your keys is in {recipients_name}: you could not decrypt {self.name} afterwards"
            )
            raise FtlError(message, cause=f"tried: {keys}", hint="add your public key as a line")
        try:
            if new:
                lines = [
                    "# Public keys of all who can read the secrets, one per line: ssh-ed25519, ssh-rsa or age1."
                ]
                _replace(
                    self.recipients_path, "".join(f"{line}\n" for line in [*lines, *recipients]).encode()
                )
            _replace(self.path, encrypted)
        except OSError as error:
            raise FtlError(f"{self.name} cannot be written: {error.strerror}") from None
        return new

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other FTL processes from changing the file between a read and a write.

        The lock is the folder's: the file itself is replaced by each write.

        Raises:
            FtlError: Another process changes a file of secrets in this folder, or there is no such folder.
        """
        try:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise FtlError(f"{self.name} cannot be written: {error.strerror}") from None
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                message = f"another `ftl secrets` is changing {self.name}"
                raise FtlError(message, hint="close its editor first") from None
            yield
        finally:
            os.close(folder)

    def _decrypt(self, encrypted: bytes) -> bytes:
        types = recipient_types(encrypted)
        if not types:
            raise FtlError(f"{self.name} is not an age file", hint=f"{ftl('secrets set NAME')} creates one")
        if types == ("scrypt",):
            message = f"{self.name} is encrypted with a passphrase, and FTL cannot ask for one"
            raise FtlError(message, hint="encrypt it for public keys: `age -R RECIPIENTS -a`")
        keys = find_keys(self._variables)
        try:
            data = decrypt(encrypted, keys.usable)
        except FtlError as error:
            raise FtlError(f"{self.name}: {error.message}", cause=error.cause) from None
        if data is None:
            count = f"{len(types)} recipients" if len(types) > 1 else "1 recipient"
            where = self.recipients_path.name
            ask = f"ask someone who can read it to add your public key to {where} and to run {ftl('secrets edit')}"
            raise FtlError(
                f"{self.name} is encrypted for {count}, and none of your keys opens it (tried: {keys})",
                hint=keys.hint or f"{ask}, or set {KEY_FILE} or {KEY} to a key that can",
            )
        return data

    def _own_recipients(self) -> list[str]:
        keys = find_keys(self._variables)
        recipients = public_keys(keys)
        if not recipients:
            hint = f"`ssh-keygen -t ed25519` creates one, or set {KEY_FILE} to one"
            raise FtlError(
                f"there is no key to encrypt {self.name} for (tried: {keys})", hint=keys.hint or hint
            )
        return recipients


def _replace(path: Path, content: bytes) -> None:
    """Write a file under another name, and give it its name when it is whole.

    Behind a symbolic link it is the link's target that is written: other projects may share it.
    """
    path = path.resolve()
    for stray in path.parent.glob(f".{glob.escape(path.name)}.????????"):
        with contextlib.suppress(OSError):
            if time.time() - stray.stat().st_mtime > _STALE_SECONDS:
                stray.unlink()  # of a process that was killed
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


_TEXT = "tag:yaml.org,2002:str"


def parse_map(text: str, file: str) -> dict[str, str]:
    """Read the map; each value is the text as it is written, without its quotes.

    Problems name the file, and do not quote its lines.

    Raises:
        ConfigError: It is not a map of names to single values.
    """
    source = SourceFile(file, text, confidential=True)
    root, problems = parse(source, may_be_empty=True)
    if not isinstance(root, MappingNode):
        message = f"the file must be a map of names to values, not {describe_kind(root)}"
        raise Location(source, 1, 1).error(message, "write `NAME: value`, one per line")
    values: dict[str, str] = {}
    for name, entry in root.entries.items():
        try:
            variable_name(name)
        except InvalidValue as error:
            problems.append(entry.key.problem(f"a name {error.message}", error.hint))
        if isinstance(entry.value, ScalarNode):
            values[name] = "" if entry.value.is_null else entry.value.text
        else:
            hint = "write text of several lines after `|`"
            problems.append(entry.key.problem(f"{name} is not a single value", hint))
    if problems:
        raise ConfigError(problems)
    return values


def with_value(text: str, name: str, value: str, file: str) -> str:
    """The text with this value; everything else in it stays.

    Raises:
        ConfigError: The text is not a map of names to single values.
    """
    wanted = {**parse_map(text, file), name: value}
    for candidate in (_replaced(text, name, value), _appended(text, name, value)):
        try:
            if parse_map(candidate, file) == wanted:
                return candidate
        except ConfigError:
            continue
    return "".join(_line(*item) for item in wanted.items())  # a map in braces, for example


def _replaced(text: str, name: str, value: str) -> str:
    """The text with the line or the block of the name replaced."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    entries = root.value if isinstance(root, yaml.MappingNode) and not root.flow_style else ()
    for key, node in entries:
        if key.value == name:
            rest = text[node.end_mark.index :]
            line = _line(name, value)
            if rest.startswith((" ", "\t")):  # a comment behind the value
                line = line.removesuffix("\n")
            return text[: key.start_mark.index] + line + rest.removeprefix("\n")
    return ""


def _appended(text: str, name: str, value: str) -> str:
    return f"{text}\n{_line(name, value)}" if text and not text.endswith("\n") else text + _line(name, value)


def _line(name: str, value: str) -> str:
    """A line of the map; a value of several lines is a block where YAML can write it as one."""
    style = "|" if "\n" in value else None
    node = yaml.MappingNode(
        "tag:yaml.org,2002:map",
        [(yaml.ScalarNode(_TEXT, name), yaml.ScalarNode(_TEXT, value, style=style or '"'))],
        flow_style=False,
    )
    return yaml.serialize(node, Dumper=yaml.SafeDumper, allow_unicode=True, width=1 << 20)
