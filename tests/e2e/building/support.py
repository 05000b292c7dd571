"""Helpers for tests of `ftl build`."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.harness import Outcome, Project

SOURCE = """\
FROM ftl-lab-busybox
WORKDIR /app
COPY requirements.txt .
RUN wc -l requirements.txt > installed
COPY . .
"""


def docker(*argv: str) -> str:
    """Output of the docker CLI."""
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=True).stdout


def inspect(image: str) -> dict[str, Any]:
    """`docker image inspect` of an image."""
    found: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]
    return found


def built(made: Project, *argv: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Build, and return the services of the result."""
    services: dict[str, Any] = made.run("--json", "build", *argv, env=env).ok().result["services"]
    return services


def warnings(outcome: Outcome) -> list[tuple[str, str]]:
    """(text, hint) of the warnings."""
    return [(note["text"], note["hint"]) for note in outcome.events("note") if note["level"] == "warning"]
