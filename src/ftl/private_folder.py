"""A folder for secrets that goes with the process that made it, or else with the next one that makes such a folder.

A process that is killed (SIGKILL) removes nothing. But it lets go of its lock, by which the next one knows.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def private_folder(prefix: str) -> Iterator[Path]:
    """A new folder of mode 0700 for temporary files, held by us until it is removed.

    Args:
        prefix: How its name begins, and the names of those that are looked for: other processes' that are gone.
    """
    _sweep(prefix)
    with tempfile.TemporaryDirectory(prefix=prefix) as name, _opened(Path(name)) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield Path(name)


def _sweep(prefix: str) -> None:
    """Remove the folders whose owners are gone. An empty one may be so new that it is not held yet: it may stay."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        try:
            with _opened(path) as folder:
                if os.fstat(folder).st_uid == os.getuid() and any(path.iterdir()):
                    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
        except OSError:  # held, somebody else's, or removed meanwhile
            continue


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield folder
    finally:
        os.close(folder)
