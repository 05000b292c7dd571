"""Sections of a first ftl.yaml: the web service and the workers."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.yaml_text import Alias, Anchored, Commented, CommentLine, lines, literal

if TYPE_CHECKING:
    from ftl.onboarding.app import App, Command, Worker
    from ftl.onboarding.detect import Detected

_PLAIN_PYTHON = re.compile(
    r"^(?:sh -c .*?\bexec )?(?:env )?(?:\w+=\S* )*(?:\S*/)?"
    r"(?:python[\d.]*(?: -[uOBI])*+ (?!-m (?:gunicorn|uvicorn|hypercorn|daphne|celery|rq|streamlit)\b"
    r"|\S*manage\.py (?:rqworker|run_huey)\b)|flask (?:\S+ )*?run\b)"
)
"""Python without a server or worker that reacts to SIGTERM by itself."""


@dataclass(slots=True)
class ServiceEnv:
    """Environment of the web service, and the secrets behind it.

    Attributes:
        build_args: Values of the build, which every service of the image has.
        todo: Variables without a value that the app needs, a sentence each.
    """

    values: dict[str, object] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    build_args: dict[str, str] = field(default_factory=dict)
    todo: list[str] = field(default_factory=list)

    def build(self, context: str) -> object:
        """The value of `build`."""
        return {"context": context, "args": dict(self.build_args)} if self.build_args else context


def web_section(detected: Detected, env: ServiceEnv, *, shared: bool) -> dict[str, object]:
    """The web service of a detected app; its env has an anchor where workers share it."""
    app = detected.app
    name = "web" if app.port is not None or not app.workers else "app"
    web: dict[str, object] = {"name": name if app.main is None else app.main.name}
    web["build"] = Commented(
        env.build(detected.context), f"{app.stack}: {app.evidence}" if app.evidence != app.stack else ""
    )
    if app.main is not None:
        web |= _process(app.main)
    web |= _init(detected, app.start if app.main is None else app.main.command)
    if app.build_args and app.dockerfile is not None and not env.build_args:
        texts = ["The build writes these into what browsers get; to set them, in place of `build`:", "build:"]
        texts += [f"  context: {detected.context}", "  args:"]
        texts += [f"    {name}: ${{{name}}}" for name in app.build_args]
        web |= {f"#args{number}": CommentLine(text) for number, text in enumerate(texts)}
    if app.port is not None:
        web["port"] = Commented(app.port, app.port_reason)
        web |= _remarks(app, "port")
        web["routes"] = [{"path": "/"}]
        web |= _remarks(app, "routes")
        if app.health.path is not None:
            web["health_check"] = {"path": Commented(app.health.path, app.health.reason)}
        else:
            web["#1"] = CommentLine(
                f"Healthy once the port accepts a connection: {app.health.reason}. Better:"
            )
            web["#2"] = CommentLine("health_check:")
            web["#3"] = CommentLine(
                f"  path: {app.health.maybe or '/healthz'}   # must respond with 2xx before a new release gets requests"
            )
    if env.values:
        only_comments = all(isinstance(value, CommentLine) for value in env.values.values())
        if only_comments:
            web["#env"] = CommentLine("env:")
            web |= {
                f"#env{key}": CommentLine(f"  {value.text}")
                for key, value in env.values.items()
                if isinstance(value, CommentLine)
            }
        else:
            web["env"] = Anchored("env", env.values) if shared else env.values
    if app.hook is not None:
        unsure = app.dockerfile is None
        reason = f"{app.hook_reason}; in the new image, before it starts" + (
            ": check that it has it" if unsure else ""
        )
        web["hooks"] = {"pre": Commented(_literals(app.hook), reason)}
    web |= _remarks(app, "hooks")
    if app.volumes:
        web["volumes"] = [Commented(volume, reason) for volume, reason in app.volumes.items()]
    web |= _remarks(app, "volumes")
    return web


def _literals(command: str | Command) -> object:
    return literal(command) if isinstance(command, str) else tuple(map(literal, command))


def _remarks(app: App, key: str) -> dict[str, object]:
    """Comments below a key."""
    return {f"#{key}{number}": CommentLine(text) for number, text in enumerate(app.remarks.get(key, ()))}


def worker_section(detected: Detected, worker: Worker, env: ServiceEnv) -> dict[str, object]:
    """A worker: the image of the web service with another command."""
    section: dict[str, object] = {"name": worker.name, "build": env.build(detected.context)}
    section |= _process(worker)
    section |= _init(detected, worker.command)
    if any(not isinstance(value, CommentLine) for value in env.values.values()):
        section["env"] = Alias("env")
    if detected.app.volumes:
        section["volumes"] = list(detected.app.volumes)
    return section


def unstarted_section(detected: Detected, worker: Worker, env: ServiceEnv) -> list[str]:
    """A service in comments, for a module that looks like a worker."""
    text = lines({"services": [worker_section(detected, worker, env)]})[1:]
    said = f"  # TO DO {worker.reason}: a worker that nothing starts? Then take the `# ` away:"
    return [said, *(f"  # {line.removeprefix('  ')}" for line in text)]


def _process(worker: Worker) -> dict[str, object]:
    command = {"command": Commented(tuple(map(literal, worker.command)), worker.reason)}
    return {**command, "recreate": Commented(True, "never two of it")} if worker.single else {**command}


def _init(detected: Detected, command: Command) -> dict[str, object]:
    """A first process that passes SIGTERM on, where the program would not react to it as the first one."""
    folder = detected.folder
    has_own = folder.search(r"\bSIGTERM\b", ".py") or re.search(
        r"\b(?:tini|dumb-init)\b", folder.read("Dockerfile")
    )
    if has_own or not _PLAIN_PYTHON.match(" ".join(command)):
        return {}
    reason = "Python as process 1 does not react to SIGTERM, unless the app handles it"
    return {"init": Commented(True, reason)}
