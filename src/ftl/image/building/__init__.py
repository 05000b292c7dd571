"""Building images on this machine: the docker CLI's call, what it prints, and why its cache was of no use."""

from ftl.image.building.built import Built
from ftl.image.building.services import build

__all__ = ["Built", "build"]
