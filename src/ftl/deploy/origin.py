"""Origin of a project: its git repository, which tells two projects of one name apart."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.child import complete
from ftl.common.next_step import ftl
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.child import Completed

_GIT_SECONDS = 3.0
"""Limit for facts that are only recorded: without an answer they are left out."""

STATUS_SECONDS = 120.0
"""Limit where a deploy depends on the answer; git reads each file of a fresh checkout once."""

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

    A folder outside of any checkout has nothing to commit.

    Raises:
        UsageError: There are some, or files that git does not know; or git does not say.
    """
    checkout = _checkout(folder)
    if checkout is None:
        return
    changed = (await _status(folder, checkout)).splitlines()
    if changed:
        names = ", ".join(line.split(maxsplit=1)[-1] for line in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise UsageError(
            "the project is protected, and the checkout has changes",
            cause=f"not committed: {names}{more}",
            hint="commit or stash them",
        )


def _checkout(folder: Path) -> Path | None:
    """Top of the checkout that a folder is in; None where it is in none."""
    place = folder.resolve()
    top = next((up for up in (place, *place.parents) if os.path.lexists(up / ".git")), None)
    return top or (place if "GIT_DIR" in os.environ else None)


async def _status(folder: Path, checkout: Path) -> str:
    """Changes of a checkout, one a line; files that git does not know count, whatever the user's settings are.

    Raises:
        UsageError: Git cannot say: it is not there, refuses, or takes too long.
    """
    try:
        done = await _run_git(folder, os.environ, STATUS_SECONDS, "status", "--porcelain", "-unormal")
    except FileNotFoundError:
        raise _unknown(
            f"there is no git on this machine, and {folder} is in a checkout", "install git"
        ) from None
    except TimeoutError as error:
        raise _unknown(f"`git status`: {error}", "") from None
    except OSError as error:
        raise _unknown(f"git cannot be started: {error.strerror}", "") from None
    if done.exit_code != 0:
        said = done.error_text
        owner = f"git config --global --add safe.directory {shlex.quote(str(checkout))}"
        raise _unknown(
            said or f"`git status` ended with exit code {done.exit_code}",
            f"if the checkout belongs to another user, as in CI: `{owner}`"
            if "safe.directory" in said
            else "",
        )
    return done.text


def _unknown(cause: str, way_out: str) -> UsageError:
    """The refusal of a checkout of which git does not say whether it has changes."""
    return UsageError(
        "the project is protected, and git does not say whether the checkout has changes",
        cause=cause,
        hint=way_out or f"{ftl('deploy')} is possible once `git status` works in the folder of ftl.yaml",
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
    try:
        done = await _run_git(folder, environ, _GIT_SECONDS, *arguments)
    except (OSError, TimeoutError):
        return ""
    return done.text.strip() if done.exit_code == 0 else ""


async def _run_git(folder: Path, environ: Mapping[str, str], seconds: float, *arguments: str) -> Completed:
    argv = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    return await complete(argv, seconds=seconds, env=environ, cwd=folder)
