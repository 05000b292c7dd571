"""From what apt and others print when they fail to an error that says what to do: one table.

The texts are apt's own under LC_ALL=C (seen on 2.2 to 3.0).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.server.setup.plan.steps import SetupStep

_LINES = 15

_TABLE: tuple[tuple[str, str], ...] = (
    (
        r"unable to configure the Docker daemon.*",
        "correct /etc/docker/daemon.json: Docker would not start with what was in it before; that is there again",
    ),
    (
        r"No space left on device|don't have enough free space",
        "make room there (`apt-get clean`, `journalctl --vacuum-size=100M`), then run `ftl setup` again",
    ),
    (
        r"Could not get lock .*|Unable to (?:lock|acquire) .*|Waiting for cache lock.*",
        "another program installs packages there: wait until it is done, then run `ftl setup` again",
    ),
    (
        r"dpkg was interrupted.*",
        "an earlier installation was cut off: on the server `sudo dpkg --configure -a`, then run this again",
    ),
    (
        r"(?:Temporary failure resolving|Could not resolve|Could not connect to|Connection timed out|"
        r"Failed to fetch|Connection failed).*",
        "the server cannot reach its package mirror: its network, its DNS, or /etc/apt/sources.list",
    ),
    (
        r"(?:is not valid yet|Release file .* is expired).*",
        "its clock is wrong, or its mirror is old: `timedatectl` shows the one, /etc/apt/sources.list the other",
    ),
    (
        r"Unable to locate package.*|has no installation candidate|Unmet dependencies.*|unmet dependencies.*|"
        r"held broken packages",
        "its package sources are incomplete or at odds: see /etc/apt/sources.list and `apt-get -f install`",
    ),
    (r"Read-only file system", "its disk is mounted read-only: look at `dmesg` there"),
)


def step_failed(step: SetupStep, log: Sequence[str], *, server: str) -> FtlError:
    """The error for a step that failed, with the last lines that were printed there as details.

    Args:
        step: Which.
        log: What its programs printed.
        server: What messages call the server.
    """
    said = [line.rstrip() for line in log if line.strip()]
    text = "\n".join(said)
    message = f"{server} could not {step.text}"
    for pattern, hint in _TABLE:
        found = re.search(pattern, text)
        if found is not None:
            line = next(line for line in said if found[0].splitlines()[0] in line)
            return FtlError(message, cause=line.removeprefix("E: "), hint=hint).with_details(said[-_LINES:])
    return FtlError(
        message, cause=said[-1].removeprefix("E: ") if said else None, hint="what was done before it stays"
    ).with_details(said[-_LINES:])
