"""A Procfile: processes in place of those that were found, where the image can run them."""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Command, FoundHealthCheck, Worker, exec_form
from ftl.onboarding.names import project_name
from ftl.onboarding.periodic import is_periodic
from ftl.onboarding.templates import cmd, with_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.onboarding.folder import AppFolder

_BEFORE = re.compile(r"^(?:exec\s+|(?:env\s+)?[A-Za-z_]\w*=\S*\s+)*")
"""Words before the program of a line."""

_CMD = re.compile(r"^(?:# A guess: .*\n)?CMD .*\n?", re.MULTILINE)
_PORT = re.compile(r"\$(?:PORT\b|\{PORT(?::-[^}]*)?\})")
_OF_A_SHELL = re.compile(r"[|&;<>()$`*?~#\n]")
_NO_SERVICE = ("web", "release", "console", "rake")


def with_procfile(app: App, folder: AppFolder) -> App:
    """An app with the processes of its Procfile in place of those that were found."""
    processes = dict(processes_of(folder.read("Procfile")))
    if not processes:
        return app
    has_image = folder.has("Dockerfile") is not None  # what is in that one is not known here
    if not has_image:
        app = _at_top(app)
    commands = {
        name: exec_form(line) if has_image else command_of(app, folder, line)
        for name, line in processes.items()
    }
    workers = [
        Worker(project_name(name), command, "Procfile", single=is_periodic(name, processes[name]))
        for name, command in commands.items()
        if name not in _NO_SERVICE and command is not None
    ]
    app = replace(app, workers=tuple(workers) or app.workers)
    for name, line in processes.items():
        if commands[name] is None and name not in _NO_SERVICE[:1]:
            lost = f"`{name}: {line}` of the Procfile is left out: the image has no program for it"
            app = replace(app, todo=(*app.todo, lost), image_todo=(*app.image_todo, lost))
    if (release := commands.get("release")) is not None:
        hook = processes["release"] if app.programs is None or has_image else release
        app = replace(app, hook=hook, hook_reason="release in the Procfile")
    web = processes.get("web")
    if web is None:
        return _without_web(app, workers)
    start = commands["web"]
    if start is None:
        reason = f"the image's command: it has neither the files nor the tools for `{web}` of the Procfile"
        return replace(app, start_reason=reason)
    fixed = re.search(r"(?::|--port[ =]|-p |--bind[ =]\S*:)(\d{4,5})\b", web)
    port = int(fixed[1]) if fixed else app.port or 8000
    dockerfile = app.dockerfile
    if dockerfile is not None:
        dockerfile = _CMD.sub("", dockerfile).rstrip() + f"\n{cmd(start)}\n"
        # A program of a Procfile may count on PORT in its code, too: Heroku and its like always set it
        dockerfile = with_port(dockerfile, port, variable=not fixed)
    reason = "web in the Procfile" if fixed else "PORT, which the Dockerfile sets"
    return replace(
        app,
        start=start,
        start_reason="web in the Procfile",
        dockerfile=dockerfile,
        port=port,
        port_reason=reason,
    )


def _at_top(app: App) -> App:
    """An app whose commands begin in its top folder, as those of a Procfile do, and not in that of its code."""
    if not app.below or app.dockerfile is None:
        return app
    into = f"cd {shlex.quote(app.below)} && "
    start = exec_form(into + shlex.join(app.start))
    back = f"# The commands of the Procfile begin here.\nWORKDIR {app.top}\nUSER "
    text = re.sub(r"^USER ", back, app.dockerfile, count=1, flags=re.MULTILINE)
    hook = app.hook if app.hook is None or isinstance(app.hook, str) else shlex.join(app.hook)
    return replace(
        app,
        below="",
        start=start,
        dockerfile=re.sub(r"^CMD .*$", lambda _: cmd(start), text, flags=re.MULTILINE),
        hook=into + hook if hook else None,
        workers=tuple(
            replace(worker, command=exec_form(into + shlex.join(worker.command))) for worker in app.workers
        ),
    )


def _without_web(app: App, workers: list[Worker]) -> App:
    """An app whose Procfile has no web process: its processes are started, as on Heroku, and nothing else."""
    dockerfile = re.sub(r"^EXPOSE .*\n", "", app.dockerfile or "", flags=re.MULTILINE) or None
    if dockerfile and app.workers and not re.search(r"^CMD ", dockerfile, re.MULTILINE):
        dockerfile += f"{cmd(app.workers[0].command)}\n"
    app = replace(app, port=None, health=FoundHealthCheck(None, "no web process"), dockerfile=dockerfile)
    return replace(app, main=workers[0], workers=tuple(workers[1:])) if workers else app


def command_of(app: App, folder: AppFolder, line: str) -> Command | None:
    """The command for a line of a Procfile; None where the image that FTL makes cannot run it.

    Heroku runs it in the folder where the app was built, with all tools of the build, and a shell.
    """
    program, _, rest = _BEFORE.sub("", line).partition(" ")
    if app.programs is None:
        return None if _is_of_a_buildpack(program, folder) else exec_form(line)
    path = app.programs.get(posixpath.basename(program))
    rest = _PORT.sub(str(app.port), rest)
    if path is None or _OF_A_SHELL.search(rest):
        return None
    try:
        return (path, *shlex.split(rest))
    except ValueError:
        return None


def _is_of_a_buildpack(program: str, folder: AppFolder) -> bool:
    """Whether a program comes from Heroku's side: a web server for PHP, or a script in `bin` that the app lacks."""
    name = program.removeprefix("./")
    if posixpath.basename(name).startswith("heroku-"):
        return True
    return name.startswith("bin/") and folder.has(name) is None


def processes_of(text: str) -> Iterator[tuple[str, str]]:
    """Processes of a Procfile: names and command lines."""
    for line in text.splitlines():
        if match := re.match(r"^([A-Za-z0-9_-]+):\s*(.+?)\s*$", line):
            yield match[1], match[2]
