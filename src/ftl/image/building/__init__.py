"""Build images with the docker CLI; explain cache misses and failures."""

from ftl.image.building.parallel import build_images
from ftl.image.building.service_build import BuildResult

__all__ = ["BuildResult", "build_images"]
