"""The standard streams when something is wrong with them: nobody reads them, or they cannot be written."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import IO


def silence(stream: IO[str]) -> None:
    """Write nothing more to a stream that failed.

    What it still holds goes nowhere: Python would write that when it exits, complain, and end with 120.
    """
    with suppress(OSError, ValueError):  # a stream of a test has no descriptor; a closed one needs nothing
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
