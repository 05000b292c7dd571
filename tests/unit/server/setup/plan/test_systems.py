"""Supported operating systems."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.errors import FtlError
from ftl.server.setup.plan.systems import docker_packages, refuse_unsupported
from tests.unit.server.setup.world import BOOKWORM


@pytest.mark.parametrize(
    ("id_", "version", "supported"),
    [
        ("debian", "10", False),
        ("debian", "11", True),
        ("debian", "13", True),
        ("debian", "14", False),
        ("debian", "", False),
        ("ubuntu", "18.04", False),
        ("ubuntu", "20.04", True),
        ("ubuntu", "22.04", True),
        ("ubuntu", "24.04", True),
        ("ubuntu", "24.10", False),
        ("linuxmint", "22", False),
    ],
)
def test_supported_versions(id_: str, version: str, supported: bool) -> None:
    """Debian 11 to 13 and Ubuntu 20.04 to 24.04, but no derivatives."""
    system = replace(BOOKWORM, id=id_, version=version)
    if supported:
        refuse_unsupported(system, name="shop", user="deploy")
        assert docker_packages(system)[0] == "docker.io"
        return
    with pytest.raises(FtlError, match="does not support") as caught:
        refuse_unsupported(system, name="shop", user="deploy")
    assert "by hand" in (caught.value.hint or "")
