"""Build images on this machine: run the docker CLI, parse its output, explain cache misses and failures."""

from ftl.image.building.parallel import build_images
from ftl.image.building.service_build import BuildResult

__all__ = ["BuildResult", "build_images"]
