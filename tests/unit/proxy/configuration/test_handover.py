"""Kernel settings by which one configuration takes over from another."""

from __future__ import annotations

import pytest

from ftl.proxy.configuration.handover import sysctls


@pytest.mark.parametrize(
    ("kernel", "migrates"),
    [
        ("6.1.0-18-amd64", True),
        ("5.14.0-427.el9.x86_64", True),
        ("5.15.167.4-microsoft-standard-WSL2", True),
        ("5.10.0-28-amd64", False),
        ("4.19", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_only_kernels_with_the_setting_get_it(kernel: str, migrates: bool) -> None:
    """Queued connections migrate from Linux 5.14 on; on an older kernel the proxy would not start."""
    assert bool(sysctls(kernel)) is migrates
