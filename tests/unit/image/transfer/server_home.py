"""A home folder as one on a server is, with layers that are kept, and the scripts that run there, run here."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.image.transfer.remote.capabilities import cache_name
from ftl.image.transfer.remote.scripts import DESCRIBE, RECEIVE

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 30.0
"""Seconds that a test waits for what must happen; nothing is measured."""


def name(content: bytes) -> str:
    """What a layer of that content is called there."""
    return cache_name(f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))


@dataclass
class Home:
    """A home folder on a server."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> Path:
        """Where layers are kept."""
        return self.folder / ".cache/ftl/layers"

    def keep(self, content: bytes, *, called: str | None = None, age: float = 60) -> Path:
        """Keep a layer there, used so many seconds ago."""
        self.layers.mkdir(parents=True, exist_ok=True)
        path = self.layers / (called or name(content))
        path.write_bytes(zstd.compress(content))
        os.utime(path, (time.time() - age,) * 2)
        return path

    def kept(self) -> set[str]:
        """Everything in the folder of layers."""
        return {path.name for path in self.layers.iterdir()} if self.layers.exists() else set()

    def start(self, *command: str, run: str = "one", limit: int = 1 << 20) -> subprocess.Popen[bytes]:
        """Start the script, with a command in place of `docker load`."""
        argv = ["sh", "-c", RECEIVE, "sh", run, str(limit), *(command or ("cat",))]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environment}
        return subprocess.Popen(
            argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, told: bytes, *command: str, limit: int = 1 << 20) -> tuple[int, bytes, str]:
        """Run it to its end: its status, the archive, and what it says."""
        process = self.start(*command, limit=limit)
        made, said = process.communicate(told, timeout=PATIENCE)
        return process.returncode, made, said.decode()

    def describe(self, layer: str) -> bytes:
        """What the server tells of a layer that it keeps."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environment}
        argv = ["sh", "-c", DESCRIBE, "sh", layer]
        return subprocess.run(argv, env=env, capture_output=True, check=False, timeout=PATIENCE).stdout
