"""What a build leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.engine.values import Image
    from ftl.image.building.context import Context
    from ftl.image.building.dockerfile import Dockerfile


@dataclass(frozen=True, slots=True)
class BuildResult:
    """An image that is there after a build.

    Attributes:
        reference: What to deploy: `image` of ftl.yaml where it is given, else PROJECT-SERVICE:latest.
        content: Its content id.
        built: False when every step came from the cache and the image is what it was.
        first_miss: The first instruction, in the Dockerfile's order, that was not in the cache.
        miss_seconds: What it and the steps after it took.
        miss_reason: What changed there.
        context: The build context, as walked.
        dockerfile: What it was built by.
    """

    service: str
    reference: str
    image: Image
    content: str
    built: bool
    seconds: float
    context: Context
    dockerfile: Dockerfile
    first_miss: str | None = None
    miss_seconds: float = 0.0
    miss_reason: str | None = None
