"""The git commit that a folder is at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.image.process import output_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SECONDS = 3.0
_COMMIT = re.compile(r"[0-9a-f]{40,64}(?:-dirty)?")


async def git_commit(folder: Path, environ: Mapping[str, str]) -> str | None:
    """The full id, with `-dirty` behind it where tracked files were changed; None outside of a checkout."""
    argv = ["git", "--no-optional-locks", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=64"]
    try:
        status, text = await output_of([*argv, "--exclude=*"], env=environ, cwd=folder, timeout=_SECONDS)
    except (OSError, TimeoutError):
        return None
    return text.strip() if status == 0 and _COMMIT.fullmatch(text.strip()) else None
