"""A Procfile: processes in place of those that were found."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, FoundHealthCheck, Worker, exec_form
from ftl.onboarding.names import project_name
from ftl.onboarding.periodic import is_periodic
from ftl.onboarding.templates import cmd, with_port

if TYPE_CHECKING:
    from collections.abc import Iterator


def with_procfile(app: App, text: str) -> App:
    """An app with the processes of a Procfile in place of those that were found."""
    processes = dict(processes_of(text))
    if not processes:
        return app
    workers = [
        Worker(project_name(name), exec_form(line), "Procfile", single=is_periodic(name, line))
        for name, line in processes.items()
        if name not in ("web", "release", "console", "rake")
    ]
    app = replace(app, workers=tuple(workers) or app.workers)
    if release := processes.get("release"):
        app = replace(app, hook=release, hook_reason="release in the Procfile")
    web = processes.get("web")
    if web is None:
        dockerfile = re.sub(r"^EXPOSE .*\n", "", app.dockerfile or "", flags=re.MULTILINE) or None
        if dockerfile and app.workers and not re.search(r"^CMD ", dockerfile, re.MULTILINE):
            dockerfile += f"{cmd(app.workers[0].command)}\n"
        app = replace(app, port=None, health=FoundHealthCheck(None, "no web process"), dockerfile=dockerfile)
        # Heroku starts what the Procfile names, and nothing else.
        return replace(app, main=workers[0], workers=tuple(workers[1:])) if workers else app
    start = exec_form(web)
    fixed = re.search(r"(?::|--port[ =]|-p |--bind[ =]\S*:)(\d{4,5})\b", web)
    port = int(fixed[1]) if fixed else app.port or 8000
    dockerfile = app.dockerfile
    if dockerfile is not None:
        dockerfile = re.sub(r"^CMD .*\n?", "", dockerfile, flags=re.MULTILINE).rstrip() + f"\n{cmd(start)}\n"
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


def processes_of(text: str) -> Iterator[tuple[str, str]]:
    """Processes of a Procfile: names and command lines."""
    for line in text.splitlines():
        if match := re.match(r"^([A-Za-z0-9_-]+):\s*(.+?)\s*$", line):
            yield match[1], match[2]
