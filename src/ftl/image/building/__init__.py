"""Building images on this machine: the docker CLI's call, what it prints, and why its cache was of no use."""

from ftl.image.building.built import BuildResult
from ftl.image.building.parallel import build_images

__all__ = ["BuildResult", "build_images"]
