"""Model of an app: processes, port, databases, and the facts behind them."""

from __future__ import annotations

import re
import shlex
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

Command = tuple[str, ...]
"""A command in exec form."""

Migration = tuple[str | None, str]
"""A command before a release, and the evidence for it."""

NO_MIGRATION: Migration = (None, "")

_SHELL = re.compile(r"[|&;<>()$`*?~#\n]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something that was found, and the evidence for it.

    Attributes:
        subject: "start command", "port".
        reason: The evidence: "CMD of the Dockerfile".
        sure: False: ftl.yaml has a comment about it, too.
    """

    subject: str
    value: str
    reason: str
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Worker:
    """Another process than the web process, of the same image.

    Attributes:
        source: Where the code of its program is, if FTL's Dockerfile builds that; another image may lack it.
    """

    name: str
    command: Command
    reason: str
    single: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class DataFile:
    """An SQLite file that is on a volume by FTL's Dockerfile alone, or not at all.

    Attributes:
        source: The file that opens it.
        path: Its path below the app's folder, which FTL's Dockerfile links to the volume; empty if it is not known.
        folder: Its folder in the image, where it is opened by an absolute path.
    """

    source: str
    path: str = ""
    folder: str = ""


@dataclass(frozen=True, slots=True)
class FoundHealthCheck:
    """The health check: a path, or only the port, with the reason.

    Attributes:
        maybe: A path that is not sure: ftl.yaml has it as a comment.
    """

    path: str | None
    reason: str
    maybe: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One app and what it needs.

    Attributes:
        port: The port that it listens on; None if it has no web process.
        dockerfile: The Dockerfile to write; None if the app has one.
        packages: Names of its direct dependencies, by which databases are found.
        addresses: Client of a database -> variables that get its address by the app's settings, each with the name of
            its database; empty for the usual one.
        hook: Command before a release: migrations.
        env: Environment that the stack needs, with the reason as a comment.
        secrets: Variables with a value to put into .env.
        main: The process of its first service, where a Procfile has no web process.
        volumes: Named volumes, with the reason as a comment.
        ignored: Lines of .dockerignore that only this stack needs.
        build_args: Variables that the build writes into what browsers get.
        top: The app's folder in the image that FTL's Dockerfile makes.
        below: The folder of the code below `top`, where that image's commands begin; empty if it is the same.
        programs: Name -> path of the programs in an image that can run nothing else of the app; None if the image has
            the files of the app, and the tools that its commands need.
        data_file: A file that only FTL's Dockerfile can put on a volume.
        image_todo: Those of `todo` that are about FTL's Dockerfile.
        remarks: Comments below a key of the first service: `volumes`.
        unstarted: Modules that look like workers, and that nothing starts.
    """

    stack: str
    evidence: str
    port: int | None
    port_reason: str = ""
    dockerfile: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    packages: frozenset[str] = frozenset()
    addresses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    start: Command = ()
    start_reason: str = ""
    health: FoundHealthCheck = FoundHealthCheck(None, "no health path was found")
    hook: str | Command | None = None
    hook_reason: str = ""
    workers: tuple[Worker, ...] = ()
    main: Worker | None = None
    env: dict[str, tuple[str, str]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    build_args: tuple[str, ...] = ()
    facts: tuple[Evidence, ...] = ()
    todo: tuple[str, ...] = ()
    top: str = "/app"
    below: str = ""
    programs: Mapping[str, str] | None = None
    data_file: DataFile | None = None
    image_todo: tuple[str, ...] = ()
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unstarted: tuple[Worker, ...] = ()


def exec_form(line: str) -> Command:
    """Split a command line into words; `sh -c` only where it needs a shell.

    That shell is replaced by the last program, so that SIGTERM reaches it.
    """
    assigned = _ASSIGNMENT.match(line)
    if not _SHELL.search(line) and not assigned:
        try:
            return tuple(shlex.split(line))
        except ValueError:
            return ("sh", "-c", line)
    head, separator, last = line.rpartition("&&")
    last = last.strip()
    if re.search(r"[|;&\n(]", last) or last.startswith("exec "):
        return ("sh", "-c", line)
    prefix = "exec env " if _ASSIGNMENT.match(last) else "exec "
    return ("sh", "-c", f"{head}{separator}{' ' if separator else ''}{prefix}{last}")
