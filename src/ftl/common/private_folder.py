"""A temporary folder for secrets that is removed even if its process is killed.

A process that is killed (SIGKILL) removes nothing, but it loses its lock on the folder. The next process that creates
such a folder removes those that are no longer locked. An empty one may be too new to be locked, so it has to be a
minute old.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEW_SECONDS = 60.0


@contextmanager
def private_folder(prefix: str) -> Iterator[Path]:
    """Create a folder of mode 0700 for temporary files; it is removed on exit.

    Folders with this prefix whose processes have ended are removed, too.
    """
    _sweep(prefix)
    with tempfile.TemporaryDirectory(prefix=prefix) as name, _opened(Path(name)) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield Path(name)


def _sweep(prefix: str) -> None:
    """Remove folders whose processes have ended."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        try:
            with _opened(path) as folder:
                status = os.fstat(folder)
                is_new = time.time() - status.st_mtime < _NEW_SECONDS and not any(path.iterdir())
                if status.st_uid == os.getuid() and not is_new:
                    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
        except OSError:  # locked, of another user, or removed meanwhile
            continue


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield folder
    finally:
        os.close(folder)
