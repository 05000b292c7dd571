"""Errors of failed steps: a table from the messages of apt and others to hints.

The messages are apt's own under LC_ALL=C (seen on 2.2 to 3.0).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.server.setup.plan.steps import SetupStep

_LINES = 15

_TABLE: tuple[tuple[str, str], ...] = (
    (
        r"unable to configure the Docker daemon.*",
        "correct /etc/docker/daemon.json: Docker does not start with its previous content either, which was restored",
    ),
    (
        r"No space left on device|don't have enough free space",
        f"free disk space on the server (`apt-get clean`, `journalctl --vacuum-size=100M`), "
        f"then run {ftl('setup')} again",
    ),
    (
        r"Could not get lock .*|Unable to (?:lock|acquire) .*|Waiting for cache lock.*",
        f"another program is installing packages: wait until it has finished, then run {ftl('setup')} again",
    ),
    (
        r"dpkg was interrupted.*",
        f"an earlier installation was interrupted: on the server `sudo dpkg --configure -a`, "
        f"then run {ftl('setup')} again",
    ),
    (
        r"(?:Temporary failure resolving|Could not resolve|Could not connect to|Connection timed out|"
        r"Failed to fetch|Connection failed).*",
        "the server cannot reach its package mirror: check its network, its DNS and /etc/apt/sources.list",
    ),
    (
        r"(?:is not valid yet|Release file .* is expired).*",
        "its clock is wrong (`timedatectl`), or its package mirror is outdated (/etc/apt/sources.list)",
    ),
    (
        r"Unable to locate package.*|has no installation candidate|Unmet dependencies.*|unmet dependencies.*|"
        r"held broken packages",
        "its package sources are incomplete or inconsistent: see /etc/apt/sources.list and `apt-get -f install`",
    ),
    (r".* was changed meanwhile by somebody else.*", f"run {ftl('setup')} again: it keeps what was changed"),
    (r"Read-only file system", "its disk is mounted read-only: see `dmesg` on the server"),
)


def step_failed(step: SetupStep, log: Sequence[str], *, server: str) -> FtlError:
    """The error for a failed step, with the last lines of its output as details."""
    lines = [line.rstrip() for line in log if line.strip()]
    text = "\n".join(lines)
    message = f"{server} could not {step.text}"
    for pattern, hint in _TABLE:
        match = re.search(pattern, text)
        if match is not None:
            line = next(line for line in lines if match[0].splitlines()[0] in line)
            return FtlError(message, cause=line.removeprefix("E: "), hint=hint).with_details(lines[-_LINES:])
    cause = lines[-1].removeprefix("E: ") if lines else None
    return FtlError(message, cause=cause, hint="the steps before it stay applied").with_details(
        lines[-_LINES:]
    )
