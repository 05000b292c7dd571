"""The command line: one module per command. It reads options, calls one function, picks the exit code."""

from ftl.cli.entry import main

__all__ = ["main"]
