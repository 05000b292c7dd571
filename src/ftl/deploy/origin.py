"""Origin of a project: its git repository, which tells two projects of one name apart."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.child import complete
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_GIT_SECONDS = 3.0

_URL = re.compile(
    r"(?:[a-z+]+://)?(?:[^@/]*@)?(?P<host>[^/:]+)(?::[0-9]+(?=/))?[:/](?P<path>.+?)(?:\.git)?/*"
)


async def git_origin(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Identify the repository of a folder.

    Returns:
        "remote": host and path of the remote `origin`, without credentials; "root": ID of the first commit, which all
        clones and forks share. Either is missing where it is not known (a shallow clone has no first commit); both
        outside of a checkout.
    """
    remote, shallow, roots = await gather(
        [
            _git(folder, environ, "config", "--get", "remote.origin.url"),
            _git(folder, environ, "rev-parse", "--is-shallow-repository"),
            _git(folder, environ, "rev-list", "--max-parents=0", "HEAD"),
        ]
    )
    first = min(roots.split(), default="") if shallow == "false" else ""
    known = {"remote": normal_remote(remote), "root": first}
    return {key: value for key, value in known.items() if value}


async def git_subject(folder: Path, environ: Mapping[str, str]) -> str:
    """First line of the message of the commit that is checked out; empty outside of a checkout."""
    return await _git(folder, environ, "log", "-1", "--format=%s")


async def require_clean(folder: Path) -> None:
    """Refuse a checkout with changes that are not committed, for protected environments.

    Raises:
        UsageError: There are some, or files that git does not know.
    """
    changed = (await _git(folder, os.environ, "status", "--porcelain")).splitlines()
    if changed:
        names = ", ".join(line.split(maxsplit=1)[-1] for line in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise UsageError(
            "the project is protected, and the checkout has changes",
            cause=f"not committed: {names}{more}",
            hint="commit or stash them",
        )


def normal_remote(url: str) -> str:
    """Normalize the URL of a remote: host and path, without scheme, user and suffix."""
    match = _URL.fullmatch(url)
    return f"{match['host']}/{match['path']}".lower() if match else ""


def is_other(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether two origins differ: no identifier that both have is equal."""
    shared = before.keys() & now.keys()
    return bool(shared) and all(before[key] != now[key] for key in shared)


async def _git(folder: Path, environ: Mapping[str, str], *arguments: str) -> str:
    argv = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = await complete(argv, seconds=_GIT_SECONDS, env=environ, cwd=folder)
    except (OSError, TimeoutError):
        return ""
    return done.stdout.decode(errors="replace").strip() if done.exit_code == 0 else ""
