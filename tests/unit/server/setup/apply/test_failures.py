"""Errors of failed steps."""

from __future__ import annotations

import pytest

from ftl.server.setup.apply import failures
from ftl.server.setup.plan import steps


@pytest.mark.parametrize(
    ("output", "hint"),
    [
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "free disk space"),
        ("dpkg: error processing archive x: cannot write: No space left on device", "free disk space"),
        (
            "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)",
            "another program",
        ),
        ('level=error msg="unable to configure the Docker daemon with file x"', "daemon.json"),
        ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", "dpkg --configure -a"),
        ("Err:1 http://mirror.example.com stable\n  Could not resolve 'mirror.example.com'", "cannot reach"),
        ("E: Unable to locate package docker.io", "package sources"),
        ("something new", "stay applied"),
    ],
)
def test_known_failures_have_a_hint(output: str, hint: str) -> None:
    """The cause is the program's own message, the details are its last lines, and the hint says what to do."""
    error = failures.step_failed(steps.InstallPackages(("zstd",)), ["", *output.splitlines()], server="shop")
    assert error.message == "shop could not install zstd"
    assert error.cause is not None
    assert error.cause.strip() in output
    assert hint in (error.hint or "")
    assert error.details[-1] in output
