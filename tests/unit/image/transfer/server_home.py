"""Home folder of a server in a test: its cache of layers, and the scripts that run there."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.image.transfer.remote.capabilities import cache_name
from ftl.image.transfer.remote.scripts import APPLY_DELTA, DESCRIBE, INDEX_TAR, RECEIVE

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 30.0
"""Seconds that a test waits at most; nothing is measured."""


def name(content: bytes) -> str:
    """The name of a layer in the cache."""
    return cache_name(f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))


@dataclass
class Home:
    """A home folder on a server."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> Path:
        """The folder of cached layers."""
        return self.folder / ".cache/ftl/layers"

    def cache(self, content: bytes, *, age: float = 60) -> Path:
        """Put a layer into the cache, last used `age` seconds ago."""
        self.layers.mkdir(parents=True, exist_ok=True)
        path = self.layers / name(content)
        path.write_bytes(zstd.compress(content))
        os.utime(path, (time.time() - age,) * 2)
        return path

    def cached(self) -> set[str]:
        """Names of everything in the folder of cached layers."""
        return {path.name for path in self.layers.iterdir()} if self.layers.exists() else set()

    def start(self, *command: str, run: str = "one", limit: int = 1 << 20) -> subprocess.Popen[bytes]:
        """Start the receiving script, with a command in place of `docker load`."""
        argv = ["sh", "-c", RECEIVE, "sh", run, str(limit), APPLY_DELTA, *(command or ("cat",))]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environment}
        return subprocess.Popen(
            argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, stdin: bytes, *command: str, limit: int = 1 << 20) -> tuple[int, bytes, str]:
        """Run the receiving script: its exit status, the archive, and its errors."""
        process = self.start(*command, limit=limit)
        stdout, stderr = process.communicate(stdin, timeout=PATIENCE)
        return process.returncode, stdout, stderr.decode()

    def describe(self, layer: str) -> bytes:
        """Run the script that describes a cached layer: the compressed index."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environment}
        argv = ["sh", "-c", DESCRIBE, "sh", layer, INDEX_TAR]
        return subprocess.run(argv, env=env, capture_output=True, check=False, timeout=PATIENCE).stdout
