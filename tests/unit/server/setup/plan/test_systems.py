"""Which systems are set up."""

from __future__ import annotations

import pytest

from ftl.errors import FtlError
from ftl.server.setup.plan.systems import docker_packages, refuse_unknown
from tests.unit.server.setup.world import BOOKWORM


@pytest.mark.parametrize(
    ("id_", "version", "known"),
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
def test_systems_are_known_by_their_version(id_: str, version: str, known: bool) -> None:
    """Debian 11 to 13, Ubuntu 20.04 to 24.04, and nothing that is merely like them."""
    from dataclasses import replace

    system = replace(BOOKWORM, id=id_, version=version)
    if known:
        refuse_unknown(system, name="shop", user="deploy")
        assert docker_packages(system)[0] == "docker.io"
        return
    with pytest.raises(FtlError, match="does not know") as caught:
        refuse_unknown(system, name="shop", user="deploy")
    assert "by hand" in (caught.value.hint or "")
