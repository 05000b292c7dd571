"""Bounded reads of regular files (configuration, certificates, keys), renames, digests."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False  # like typing's, without importing typing
if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1_000_000
"""Default limit. A larger configuration, env file or certificate is some other file."""

CHANGED_MEANWHILE = 75
"""Exit status of replace_file.sh where a file is not as it was read (EX_TEMPFAIL)."""

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}


def read_small_file(path: Path | str, limit: int = MAX_BYTES) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Everything else is refused before a byte of it is read: a FIFO blocks until somebody writes to it, and /dev/zero
    has no end.

    Raises:
        OSError: The file cannot be opened or read, is not a regular file, or is larger. `strerror` says which, and
            `filename` is the path.
    """
    try:
        _refuse_irregular(path, os.stat(path).st_mode)  # noqa: PTH116 -- as os.open below
        # Between the two calls the path may become a FIFO: without O_NONBLOCK, opening it would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except ValueError:  # a NUL character, or one that the file system's encoding does not have
        raise OSError(errno.EINVAL, "not a valid file name", str(path)) from None
    try:
        _refuse_irregular(path, os.fstat(descriptor).st_mode)
        return _read(path, descriptor, limit)
    finally:
        os.close(descriptor)


def regular_file_size(path: Path) -> int:
    """The size of a regular file that another program will read, or 0 for /dev/null.

    It is not opened.

    Raises:
        OSError: There is none, or it is something else, which may block its reader or have no end; `strerror` says
            which.
    """
    if str(path) == os.devnull:
        return 0
    try:
        status = path.stat()
    except ValueError:
        raise OSError(errno.EINVAL, "not a valid file name", str(path)) from None
    _refuse_irregular(path, status.st_mode)
    return status.st_size


def read_small_text(path: Path) -> str:
    """Read a regular file of at most MAX_BYTES as UTF-8 text, without its byte order mark.

    Raises:
        OSError: As `read_small_file`, or the file is not UTF-8 text.
    """
    try:
        return read_small_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, "it is not UTF-8 text", str(path)) from error


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def content_digest(content: bytes | None) -> str:
    """Digest of a server's file as it was read, for replace_file.sh; None: there was none."""
    import hashlib

    return hashlib.sha256(content or b"").hexdigest()


def _refuse_irregular(path: Path | str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory", str(path))
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "a special file")
        raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))


def _read(path: Path | str, descriptor: int, limit: int) -> bytes:
    chunks: list[bytes] = []
    wanted = limit + 1
    while wanted and (chunk := os.read(descriptor, wanted)):
        chunks.append(chunk)
        wanted -= len(chunk)
    if not wanted:
        raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes", str(path))
    return b"".join(chunks)
