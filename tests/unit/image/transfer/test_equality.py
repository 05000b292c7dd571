"""Whether two engines hold the same image."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.engine.values import Image
from ftl.image.transfer.equality import is_same_image

IMAGE = Image(
    "sha256:1", ("web:r1",), (), ("a", "b"), {"Env": ["A=1"], "Cmd": ["run"]}, "linux/amd64", 10, "2026"
)


@pytest.mark.parametrize(
    ("other", "equal"),
    [
        (replace(IMAGE, id="sha256:2", tags=(), size=99, created=""), True),
        (replace(IMAGE, id="sha256:2", config={**IMAGE.config, "Volumes": None, "User": ""}), True),
        (replace(IMAGE, id="sha256:2", config={**IMAGE.config, "User": "web"}), False),
        (replace(IMAGE, id="sha256:2", layers=("b", "a")), False),
        (replace(IMAGE, id="sha256:2", platform="linux/arm64"), False),
        (replace(IMAGE, config={}), True),
    ],
)
def test_images_are_the_same_if_a_container_could_not_tell(other: Image, equal: bool) -> None:
    """Stores give one image different IDs and engines spell out different empty fields; equal IDs are proof."""
    assert is_same_image(IMAGE, other) is equal
