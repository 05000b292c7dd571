"""Text of `ftl --help`, and the tables of commands and global options.

The tables are kept here, and not read from the commands and from click, so that help needs to import neither: it is
asked for more often than anything else, and click alone costs four times what Python needs to start.
"""

from __future__ import annotations

COMMANDS: dict[str, dict[str, str]] = {
    "Start": {
        "init": "Create an ftl.yaml for the app in this folder.",
        "validate": "Check ftl.yaml and the files it refers to.",
        "config": "Print the resolved ftl.yaml.",
        "secrets": "List, print, set and edit the project's secrets.",
    },
    "Deploy": {
        "plan": "Show what a deploy would do, without doing it.",
        "build": "Build the images of all or some services.",
        "deploy": "Build, send and start a new release without downtime.",
        "preview": "Deploy the working tree next to the project, for a limited time.",
        "rollback": "Go back to an earlier release without downtime.",
    },
    "Operate": {
        "restart": "Replace the containers of all or some services without downtime.",
        "scale": "Run more or fewer containers of a service.",
        "stop": "Stop services until they are started again.",
        "start": "Start services that were stopped.",
        "maintenance": "Answer with a maintenance page (503) instead of the project.",
        "prune": "Remove leftovers of old releases and interrupted deploys.",
        "remove": "Remove the project from its server.",
    },
    "Inspect": {
        "status": "Show what runs on the server.",
        "releases": "List the releases of the project, newest first.",
        "audit": "List the changes of the project: who, when, what, and the outcome.",
        "logs": "Print the logs of services and dependencies, merged by time.",
    },
    "Run and data": {
        "exec": "Run a command or a shell in a running container.",
        "run": "Run a command in a new container of a service.",
        "jobs": "List the jobs of the project, or run one now.",
        "backup": "Back up a database into a file on this machine.",
        "restore": "Restore a database from a backup.",
        "tunnels": "Forward the dependencies' ports to this machine.",
    },
    "Servers": {
        "servers": "List the servers of the project, or drain one.",
        "setup": "Prepare a bare Debian or Ubuntu server for deploys.",
        "doctor": "Check this machine, the server and the connection; suggest fixes.",
        "sandbox": "Run a throwaway server on this machine, for a first try or for CI.",
    },
    "This machine": {
        "completion": "Complete commands, options and names in bash, zsh or fish.",
        "upgrade": "Show how this FTL was installed, and the command that upgrades it.",
        "version": "Print the versions of FTL, Python and the server's engine.",
    },
}
"""Section -> name -> one-line help.

The command `name` is `command` in the module `ftl.cli.commands.name`; a test compares its help with this one.
"""

OPTIONS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "file": (("-f", "--file"), "FILE", "Use this file instead of the nearest ftl.yaml."),
    "env": (("-e", "--env"), "NAME", "Use the environment of ftl.NAME.yaml; default: $FTL_ENV."),
    "server": (("--server",), "HOST", "Use this server: [USER@]HOST[:PORT], sandbox or local."),
    "json": (("--json",), "", "Print one JSON object per line on stdout."),
    "quiet": (("-q", "--quiet"), "", "Print errors and data only."),
    "verbose": (("-v", "--verbose"), "", "Show the output of builds and hooks; -vv: tracebacks too."),
}
"""Global options: name -> flags, metavar, help."""

ROOT_FLAGS: dict[str, tuple[tuple[str, ...], str]] = {
    "version": (("--version",), "Print FTL's version."),
    "help": (("-h", "--help"), "Print this help, or that of a COMMAND."),
}
"""The flags that `ftl` itself has besides: name -> flags, help."""

INTRODUCTION = """\
Usage: ftl [OPTIONS] COMMAND [ARGUMENTS]

Deploy containerised apps to plain Linux servers over SSH.

`ftl.yaml` describes the services and their server; `ftl deploy` releases them
without a failed request.
"""


def names() -> list[str]:
    """Names of all commands, in the order of the table."""
    return [name for section in COMMANDS.values() for name in section]


def overview() -> str:
    """Text of `ftl --help` for 80 columns."""
    options = {
        ", ".join(flags) + (f" {word}" if word else ""): text for flags, word, text in OPTIONS.values()
    }
    flags_of_root = {", ".join(flags): text for flags, text in ROOT_FLAGS.values()}
    sections = {**COMMANDS, "Options, before or after the command": {**options, **flags_of_root}}
    return INTRODUCTION + "".join(_section(title, rows) for title, rows in sections.items())


def _section(title: str, rows: dict[str, str]) -> str:
    width = max(map(len, rows))
    return f"\n{title}:\n" + "".join(f"  {name:<{width}}  {text}\n" for name, text in rows.items())
