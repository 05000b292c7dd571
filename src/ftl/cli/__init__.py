"""The command line. A command reads options, calls one function and picks the exit code."""

from ftl.cli.entry import main

__all__ = ["main"]
