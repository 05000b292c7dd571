"""Output of events and errors: on a terminal, as plain lines, as JSON lines."""

from ftl.ui.reporter import Reporter, open_reporter

__all__ = ["Reporter", "open_reporter"]
