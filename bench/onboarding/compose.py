"""Compose files of the tests, taken over by `ftl init --from` and checked by `ftl validate`."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tools.calls import FTL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def compose_figures(folder: Path, environment: Mapping[str, str]) -> dict[str, float]:
    """Number of Compose files of different kinds, and of those whose ftl.yaml is valid; the others are on stderr."""
    from tests.unit.onboarding.takeover.compose.taking_over import BESIDE, COMPOSE

    valid = 0
    for number, (name, text) in enumerate(COMPOSE.items()):
        project = folder / f"compose-{number}"
        for path, content in {**BESIDE, "compose.yaml": text}.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text(content)
        for command in (("init", "--from", "compose.yaml"), ("validate",)):
            made = project / "ftl.yaml"  # an image that a variable names is demanded there
            written = text + (made.read_text() if made.exists() else "")
            demanded = dict.fromkeys(re.findall(r"\$\{(\w+):?\?", written), "1")
            done = subprocess.run(
                (FTL, *command),
                cwd=project,
                env={**environment, **demanded},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                print(f"{name}: `ftl {' '.join(command)}`: {done.stderr}", file=sys.stderr)
                break
        else:
            valid += 1
    return {"compose_files": len(COMPOSE), "compose_valid": valid}
