"""Images of the project, by the label that a build gives them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.engine import labels

if TYPE_CHECKING:
    from ftl.engine.values import Image

OURS = {labels.PROJECT: "shop"}


def ours(one: Image) -> Image:
    """The image with the label of the project, as a build gives it."""
    return replace(one, config={"Labels": OURS})
