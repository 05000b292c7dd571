"""Places that build: values of `build.on`, and the disk space that a build needs there."""

from __future__ import annotations

SERVER = "server"
"""The project's server as a value of `build.on`; of several the first manager that answers."""

ROOM = 1_000_000_000
"""Free bytes below which no build begins on another machine.

A build may fill the disk, and on a server that takes down what runs there. How much it will need is not known before:
base images, layers and BuildKit's cache.
"""
