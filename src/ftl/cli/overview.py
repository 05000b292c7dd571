"""What `ftl --help` says: the tables of commands and of global options, and their text.

The tables are kept here, and not read from the commands and from click, so that help needs to import neither: it is
asked for more often than anything else, and click alone costs four times what Python needs to start.
"""

from __future__ import annotations

COMMANDS: dict[str, dict[str, str]] = {
    "Start": {
        "init": "Write a first ftl.yaml for the app in this folder.",
        "validate": "Check ftl.yaml and the files it names.",
        "config": "Print the resolved ftl.yaml.",
    },
    "Deploy": {
        "plan": "Show what a deploy would do, and change nothing.",
        "build": "Build the images of all or some services.",
        "deploy": "Build, send and start a new release without losing a request.",
    },
    "Look": {
        "status": "Show what runs on the server.",
        "logs": "Print the logs of services and dependencies, merged by time.",
        "tunnels": "Reach the dependencies' ports from this machine.",
        "version": "Print the versions of FTL, Python and the server's engine.",
    },
    "Servers": {
        "setup": "Make a bare Debian or Ubuntu server ready for deploys.",
        "doctor": "Check this machine, the server and what lies between; say what to do.",
        "sandbox": "A throwaway server on this machine: to try things on, and for CI.",
    },
}
"""Section -> name -> one-line help. The command `name` is `command` in the module `ftl.cli.name`; a test compares
the help with the first line of the command's own."""

OPTIONS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "file": (("-f", "--file"), "FILE", "Instead of the ftl.yaml here or in a folder above."),
    "server": (("--server",), "HOST", "Instead of the file's: [USER@]HOST[:PORT], sandbox, local."),
    "json": (("--json",), "", "One JSON object a line on stdout."),
    "quiet": (("-q", "--quiet"), "", "Print errors and data only."),
    "verbose": (("-v", "--verbose"), "", "Show what builds and hooks print; -vv: tracebacks too."),
}
"""The options that every command takes: name -> flags, what follows them, help."""

_OWN = {"--version": "Print FTL's version.", "-h, --help": "Print this, or with a COMMAND, what it does."}

INTRODUCTION = """\
Usage: ftl [OPTIONS] COMMAND [ARGUMENTS]

Deploy containerised apps to plain Linux servers over SSH.

One file, `ftl.yaml`, says what runs where; `ftl deploy` makes it so, and no
request fails meanwhile.
"""


def names() -> list[str]:
    """Every command's name, in the order of the table."""
    return [name for section in COMMANDS.values() for name in section]


def overview() -> str:
    """The text of `ftl --help`, for 80 columns."""
    options = {
        ", ".join(flags) + (f" {word}" if word else ""): text for flags, word, text in OPTIONS.values()
    }
    sections = {**COMMANDS, "Options, before or after the command": {**options, **_OWN}}
    return INTRODUCTION + "".join(_section(title, rows) for title, rows in sections.items())


def _section(title: str, rows: dict[str, str]) -> str:
    width = max(map(len, rows))
    return f"\n{title}:\n" + "".join(f"  {name:<{width}}  {text}\n" for name, text in rows.items())
