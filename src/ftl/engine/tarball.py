"""Small tar archives, as `Engine.put_archive` takes them."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def tar_archive(
    files: Mapping[str, bytes],
    *,
    folders: tuple[str, ...] = (),
    mode: int = 0o644,
    folder_mode: int = 0o755,
    parents: bool = True,
) -> bytes:
    """Tar archive of files, owned by root, with their parent folders unless `parents` is false.

    `files` is relative path -> content; `folders` are further ones, empty ones for example.
    """
    needed = {*folders, *(name.rpartition("/")[0] for name in files if parents)} - {""}
    all_folders = {
        str(path) for name in needed for path in (PurePosixPath(name), *PurePosixPath(name).parents)
    } - {"."}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for folder in sorted(all_folders):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, folder_mode
            tar.addfile(info)
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
