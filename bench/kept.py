"""Connections that stay after a command, as on a user's own machine: tests and CI keep none."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class KeptConnections:
    """Connections of the commands that run in an environment.

    Attributes:
        folder: The folder of their control sockets.
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a command's environment has in place of CI's."""
        return {"CI": "", "XDG_RUNTIME_DIR": str(self.folder)}

    def end(self) -> None:
        """End those that are kept now."""
        for socket in self.folder.glob("ftl/*/master"):
            subprocess.run(("ssh", "-S", socket, "-O", "exit", "kept"), capture_output=True, check=False)


@contextmanager
def kept_connections() -> Iterator[KeptConnections]:
    """A folder for connections; those that are kept at the end are ended."""
    # In /tmp: the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="ftl-bench-", dir="/tmp") as folder:
        kept = KeptConnections(Path(folder))
        try:
            yield kept
        finally:
            kept.end()
