"""Maintenance: messages of commands about a project whose visitors get 503."""

from __future__ import annotations

from ftl.common.next_step import ftl


def maintenance_text() -> str:
    """One line: visitors do not reach the live release."""
    return f"in maintenance: visitors get 503 until {ftl('maintenance off')}"
