"""Reporters of events: on a terminal, as plain lines, as JSON lines."""
