"""New files in a folder: all of them or none, and none is overwritten."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def encoded(text: str) -> bytes:
    """The bytes of a text; names of files keep bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def existing(folder: Path, names: Iterable[str]) -> list[str]:
    """Files that exist already.

    Raises:
        UsageError: Something that is no file has one of the names: a folder, or a link that leads nowhere.
    """
    found: list[str] = []
    for name in names:
        path = folder / name
        if not os.path.lexists(path):
            continue
        if not path.is_file():
            what = "a folder" if path.is_dir() else "a link to a file that does not exist"
            what = what if path.is_dir() or path.is_symlink() else "no regular file"
            raise UsageError(
                f"{path} is {what}", hint="remove it, or give it another name, then `ftl init` again"
            )
        found.append(name)
    return found


def write(folder: Path, files: Mapping[str, str], *, file: str) -> list[str]:
    """Create the files; if one cannot be written, those that were are taken away again.

    The project's `file` is written last: with it, all others are there.

    Returns:
        Names of the files, the one with the project first.

    Raises:
        UsageError: The project's file exists already, or a file cannot be written.
    """
    if os.path.lexists(folder / file):
        raise _exists(folder / file)
    contents = {name: encoded(text) for name, text in files.items()}
    written: list[str] = []
    try:
        for name in sorted(contents, key=lambda name: name == file):
            path = folder / name
            mode = 0o600 if name == ".env" else 0o666
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
                written.append(name)
                with os.fdopen(descriptor, "wb") as opened:
                    opened.write(contents[name])
            except FileExistsError:
                if name == file:
                    raise _exists(path) from None
            except OSError as error:
                raise UsageError(f"{path} cannot be written", cause=error.strerror) from error
    except BaseException:
        for name in written:
            with suppress(OSError):
                (folder / name).unlink()
        raise
    return [name for name in files if name in written]


def _exists(path: Path) -> UsageError:
    return UsageError(f"{path} already exists", hint=f"{ftl('validate')} checks it")
