"""Settings of a Dockerfile's image: the port."""

from __future__ import annotations

import pytest

from ftl.image.building.inputs.image_settings import exposed_port


@pytest.mark.parametrize(
    ("dockerfile", "port"),
    [
        ("FROM x\n", None),
        ("FROM x\nEXPOSE 3000\n", 3000),
        ("FROM x\nexpose 80/tcp\nEXPOSE 9000 9001\n", 9000),
        ("FROM x\nEXPOSE $PORT\nEXPOSE 99999\n", None),
        ("FROM x\nENV PORT=3000\nEXPOSE $PORT\n", 3000),
        ("FROM x\nENV PORT 3000\nEXPOSE ${PORT}/tcp\n", 3000),
        ("FROM x\nARG P=5000\nENV A=1 PORT=$P\nEXPOSE $PORT\n", 5000),
        ("FROM x\nEXPOSE ${PORT:-4000}\n", 4000),
        ("FROM x AS build\nEXPOSE 1\nFROM y\nEXPOSE 2\n", 2),
    ],
)
def test_the_exposed_port_is_found(dockerfile: str, port: int | None) -> None:
    """The port is the first of the image's last EXPOSE, with variables put in."""
    assert exposed_port(dockerfile) == port
