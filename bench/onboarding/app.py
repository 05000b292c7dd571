"""Apps as their frameworks' own generators make them: what makes one, and how."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab import images

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 300.0
"""Seconds for one command of a generator."""


@dataclass(frozen=True, slots=True)
class App:
    """An app to be.

    Attributes:
        name: Name of its folder.
        commands: What makes it, one after the other, in the folder above it; "APP" is its name.
        files: Files that a developer writes then, by path below the folder.
        says: Text of the first page.
        images: Images of the lab that its commands need.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    files: Mapping[str, str]
    says: str
    images: tuple[str, ...] = ()

    def make(self, folder: Path) -> Path:
        """Make the app in a folder that is empty, and return the app's own.

        Raises:
            RuntimeError: A generator failed; with the end of its output.
        """
        if self.images:
            images.ensure(*self.images)
        app = folder / self.name
        app.mkdir(parents=True, exist_ok=True)
        for command in self.commands:
            _run(command, app)
        for path, text in self.files.items():
            (app / path).parent.mkdir(parents=True, exist_ok=True)
            (app / path).write_text(text)
        shutil.rmtree(app / "node_modules", ignore_errors=True)
        if not (app / ".git").exists():
            _run(("git", "init", "--quiet", "."), app)
        return app


def _run(command: tuple[str, ...], folder: Path) -> None:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "CI": "true", "npm_config_yes": "true", "PATH": tools}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}`: {(done.stdout + done.stderr)[-1500:]}")


LOCK = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts")
