"""Telling how it goes."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)
