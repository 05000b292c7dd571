"""Events and errors for people (a terminal, plain lines) and for programs (JSON lines)."""

from ftl.ui.reporter import Reporter, open_reporter

__all__ = ["Reporter", "open_reporter"]
