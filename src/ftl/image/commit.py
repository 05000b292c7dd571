"""The git commit that a folder is at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.child import complete

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SECONDS = 3.0
_COMMIT = re.compile(r"[0-9a-f]{40,64}(?:-dirty)?")


async def git_commit(folder: Path, environ: Mapping[str, str]) -> str | None:
    """The full id, with `-dirty` behind it where tracked files were changed; None outside of a checkout."""
    argv = ["git", "--no-optional-locks", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=64"]
    try:
        done = await complete([*argv, "--exclude=*"], seconds=_SECONDS, env=environ, cwd=folder)
    except (OSError, TimeoutError):
        return None
    text = done.stdout.decode(errors="replace").strip()
    return text if done.exit_code == 0 and _COMMIT.fullmatch(text) else None
