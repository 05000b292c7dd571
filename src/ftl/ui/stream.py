"""Standard streams that fail: their reader is gone, or they cannot be written."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import IO


def silence(stream: IO[str]) -> None:
    """Discard all further output of a stream that failed.

    Its buffer is discarded as well: Python would flush it at exit, print an error and exit with 120.
    """
    with suppress(OSError, ValueError):  # a stream of a test has no descriptor; a closed one is silent
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
