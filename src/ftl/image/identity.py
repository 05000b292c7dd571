"""Identity of an image: a digest of its content, and the git commit it was built from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ftl.aio import gather2
from ftl.child import complete

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.engine.values import Image

_FIELDS = (
    *("Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck"),
    *("Shell", "StopSignal", "User", "Volumes", "WorkingDir"),
)
"""Fields of the config that affect containers.

The others are left over from the classic builder (Hostname, Image, AttachStdin, ...) or differ between engine versions
(ArgsEscaped, OnBuild, Domainname).
"""

_GIT_SECONDS = 3.0
_HEAD = re.compile(r"# branch\.oid ([0-9a-f]{40,64})")


def content_id(image: Image) -> str:
    """Return a digest of the layers and of the config that containers run with.

    Stable across engines (20.10 to 28) and their stores, and across builds that differ only in time, git commit or
    other `ftl.*` labels: if the ids are equal, a container need not be replaced. Empty values (null, {}, [], "") are
    left out, because engines differ in which of them they write.
    """
    config = {name: _normal(name, image.config.get(name)) for name in _FIELDS}
    labels = image.config.get("Labels")
    user_labels = (
        {key: value for key, value in labels.items() if not key.startswith("ftl.")}
        if isinstance(labels, Mapping)
        else {}
    )
    content = {
        "layers": list(image.layers),
        "config": {name: value for name, value in {**config, "Labels": user_labels}.items() if value},
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _normal(name: str, value: object) -> object:
    """Normalize differences between engines. The order of lists is kept: it matters for Cmd and Env."""
    if name == "WorkingDir" and value == "/":  # BuildKit writes the default explicitly
        return ""
    if name == "Healthcheck" and isinstance(value, Mapping):  # durations of 0 are the defaults
        return {key: item for key, item in value.items() if item}
    if name in ("ExposedPorts", "Volumes") and isinstance(value, Mapping):  # sets, written as maps to {}
        return sorted(value)
    return value


async def git_commit(folder: Path, environ: Mapping[str, str]) -> str | None:
    """Return the commit ID of a checkout, with the suffix `-dirty` if no commit has its state.

    What counts are changes of tracked files anywhere, and in this folder new files that are not ignored: a build of the
    commit would lack them. None outside of a checkout. `git describe --dirty` would write the index, and leave its lock
    if it is killed.
    """
    tracked, new = await gather2(
        _status(folder, environ, "--porcelain=v2", "--branch", "--no-ahead-behind", "--untracked-files=no"),
        # Apart: where a large folder takes too long, the commit is known without it.
        _status(
            folder, environ, "--porcelain", "--untracked-files=normal", "--ignore-submodules=all", "--", "."
        ),
    )
    found = (match[1] for line in tracked if (match := _HEAD.fullmatch(line)))
    commit = next(found, None)
    is_dirty = any(not line.startswith("#") for line in tracked) or any(line.startswith("?") for line in new)
    return f"{commit}-dirty" if commit and is_dirty else commit


async def _status(folder: Path, environ: Mapping[str, str], *arguments: str) -> list[str]:
    """Lines of git's status; none without an answer."""
    argv = ["git", "--no-optional-locks", "-C", str(folder), "status", *arguments]
    try:
        done = await complete(argv, seconds=_GIT_SECONDS, env=environ, cwd=folder)
    except (OSError, TimeoutError):
        return []
    return done.lines if done.exit_code == 0 else []
