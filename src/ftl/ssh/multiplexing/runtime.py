"""Private folder of the user for kept connections.

Imports little: it is looked for before most of FTL is loaded.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False  # like typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Mapping

# A unix socket's path ends at 104 bytes on macOS. Below this folder the longest ones are the control socket while ssh
# binds it ("/0123456789ab.1/master" and 17 bytes that ssh appends then) and "/0123456789ab.1/command-abcdefgh/dial123".
LONGEST_FOLDER = 60


def candidates(environ: Mapping[str, str]) -> list[str]:
    """Paths of folders for kept connections, the best first.

    Without XDG_RUNTIME_DIR it is among the temporary files, where anybody may make a folder of that name.
    """
    runtime = environ.get("XDG_RUNTIME_DIR")
    temporary = [environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    usual = dict.fromkeys(folder for folder in (*temporary, "/tmp") if folder)  # noqa: S108
    paths = [
        *([f"{runtime}/ftl"] if runtime else []),
        *(f"{folder.rstrip('/')}/ftl-{os.getuid()}" for folder in usual),
    ]
    return [path for path in paths if path.startswith("/") and len(path) <= LONGEST_FOLDER]


def is_private(path: str | os.PathLike[str]) -> bool:
    """Whether it is a folder that the user owns, and nobody else may enter.

    Raises:
        OSError: There is none.
    """
    status = os.lstat(path)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
