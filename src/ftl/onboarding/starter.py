"""Files for a detected app: ftl.yaml with the evidence as comments, Dockerfile, .env."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.app import Evidence
from ftl.onboarding.databases import needs
from ftl.onboarding.detect import detect
from ftl.onboarding.env_secrets import add_secrets, values_in
from ftl.onboarding.folder import demanded_variables, demands_port
from ftl.onboarding.ignored import DOCKERIGNORE, not_ignored
from ftl.onboarding.names import project_name
from ftl.onboarding.new_files import existing
from ftl.onboarding.service_sections import ServiceEnv, unstarted_section, web_section, worker_section
from ftl.onboarding.stacks.node.package_json import public_env_files
from ftl.onboarding.stacks.python.loops import unstarted_workers
from ftl.onboarding.stacks.sql_files import unrun_sql
from ftl.onboarding.yaml_text import Commented, CommentLine, lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.onboarding.app import App
    from ftl.onboarding.databases import NeededDatabase
    from ftl.onboarding.detect import Detected
    from ftl.onboarding.variables.variable import CodeVariable

HEADER = "# `ftl validate` checks this file, `ftl plan` shows what a deploy would do, `ftl deploy` does it."
_SECRET_NAME = re.compile(
    r"(?:DJANGO_|FLASK_|APP_)?(?:SECRET_KEY|SECRET_KEY_BASE|SESSION_SECRET|JWT_SECRET|SECRET)"
    r"|(?:BETTER_|NEXT)?AUTH_SECRET"
)
_WORTH_A_COMMENT = re.compile(r".*(?:KEY|TOKEN|SECRET|PASSWORD|DSN|_URL|_URI|_HOST|BUCKET)")
_HERE = re.compile(r"\blocalhost\b|\b127\.0\.0\.1\b")
"""A value that is for this machine."""
_MAX_COMMENTS = 8
_MANY_VARIABLES = frozenset({"Laravel", "Rails", "Spring Boot"})
"""Stacks whose own files read dozens of variables that few apps set."""


@dataclass(frozen=True, slots=True)
class StarterOptions:
    """Values that no file of the app has."""

    domain: str | None = None
    server: str | None = None


@dataclass(frozen=True, slots=True)
class StarterFiles:
    """The files for an app.

    Attributes:
        context: Its folder, relative to that of ftl.yaml.
        files: Text by file name; only files that do not exist.
        kept: Files that exist, and are not touched.
        todo: What only the user can do, a sentence each.
    """

    app: App
    context: str
    files: Mapping[str, str]
    kept: Sequence[str] = ()
    facts: Sequence[Evidence] = ()
    todo: Sequence[str] = ()


def make_start(
    path: Path, answers: StarterOptions = StarterOptions(), *, file: str = "ftl.yaml"
) -> StarterFiles:
    """Find the app in a folder and make the files that it lacks.

    Raises:
        UsageError: There is no app, more than one, or a file of it cannot be parsed.
    """
    detected = _with_unstarted(detect(path))
    app, folder = detected.app, detected.folder
    wanted = needs(app, folder.variables)
    name = project_name(path.resolve().name)
    domain = answers.domain or f"{name}.example.com"
    env = _environment(detected, wanted, domain, values_in(path))
    text = "\n".join([HEADER, *_yaml(detected, wanted, env, name, domain, answers)]) + "\n"
    files = {file: text, **image_files(detected)}
    todo = [*app.todo, *env.todo]
    if env.secrets:
        add_secrets(path, env.secrets, files, todo)
    ignored_by_hand = (detected.folder.path / ".dockerignore").exists()
    if ignored_by_hand and (missing := not_ignored(detected.folder.path)):
        todo.append(f"add to .dockerignore, so that they are not in the image: {' '.join(missing)}")
    kept = existing(path, [item for item in files if item != file])
    if answers.domain is None and app.port is not None:
        todo.insert(0, f"set your domain in {file}: {domain} is a placeholder")
    return StarterFiles(
        app,
        detected.context,
        {item: content for item, content in files.items() if item not in kept},
        kept,
        _facts(app, wanted),
        todo,
    )


def _with_unstarted(detected: Detected) -> Detected:
    """The app, with what looks like a worker or a migration, and nothing of the app starts; it has no Dockerfile."""
    app, folder = detected.app, detected.folder
    if app.dockerfile is None:
        return detected
    workers = tuple(unstarted_workers(folder, app))
    todo = [
        f"{worker.reason}, and looks like a worker: not taken over, since nothing starts it; write it as a "
        f"service with `command: [{', '.join(worker.command)}]`, as the comment in ftl.yaml has it"
        for worker in workers
    ]
    remarks = dict(app.remarks)
    sql = "" if app.hook is not None else unrun_sql(folder)
    if sql:
        todo.append(
            f"nothing runs {sql}: write the command that does as `hooks: {{pre: COMMAND}}` of the service"
        )
        remarks["hooks"] = (
            f"TO DO nothing runs {sql}: write the command that does; it runs in the new image, before that starts",
            "hooks:",
            "  pre: COMMAND",
        )
    return replace(detected, app=replace(app, unstarted=workers, remarks=remarks, todo=(*app.todo, *todo)))


def image_files(detected: Detected) -> dict[str, str]:
    """Files of the app's image by name: Dockerfile, .dockerignore, and others that it needs."""
    app = detected.app
    below = "" if detected.context == "." else detected.context.removeprefix("./") + "/"
    files: dict[str, str] = {}
    if app.dockerfile is not None:
        files |= {f"{below}Dockerfile": _assumptions(app) + app.dockerfile}
        files |= {f"{below}{extra}": content for extra, content in app.files.items()}
    own = ("Dockerfile*", "compose*.y*ml", "docker-compose*.y*ml", ".github", *app.ignored)
    return {**files, f"{below}.dockerignore": DOCKERIGNORE + "".join(f"{line}\n" for line in own)}


def _assumptions(app: App) -> str:
    """Comments at the top of a Dockerfile for versions that no file of the app names."""
    unsure = [fact for fact in app.facts if not fact.sure and fact.reason.startswith("default")]
    return "".join(f"# {fact.subject} {fact.value} is assumed: {_why(fact.reason)}.\n" for fact in unsure)


def _why(reason: str) -> str:
    why = reason.removeprefix("default: ")
    return "no file of the app names a version" if why == "no file names one" else why


def _facts(app: App, wanted: Sequence[NeededDatabase]) -> list[Evidence]:
    facts = [Evidence("app", app.stack, app.evidence), *app.facts]
    if app.start:
        facts.append(
            Evidence(
                "start command", " ".join(app.start), app.start_reason, sure="check" not in app.start_reason
            )
        )
    if app.port is not None:
        facts.append(Evidence("port", str(app.port), app.port_reason, sure="check" not in app.port_reason))
        facts.append(
            Evidence(
                "health check", app.health.path or "the port", app.health.reason, sure=bool(app.health.path)
            )
        )
    if app.hook is not None:
        hook = app.hook if isinstance(app.hook, str) else " ".join(app.hook)
        facts.append(Evidence("migrations", hook, app.hook_reason))
    facts += [
        Evidence(f"worker {worker.name}", " ".join(worker.command), worker.reason) for worker in app.workers
    ]
    facts += [Evidence("dependency", need.database.name, need.reason) for need in wanted]
    return facts


def _environment(
    detected: Detected, wanted: Sequence[NeededDatabase], domain: str, given: Mapping[str, str]
) -> ServiceEnv:
    """The environment of the web service; `given` are the variables that .env has."""
    app, variables = detected.app, detected.folder.variables
    env = ServiceEnv(secrets=dict(app.secrets))
    for name, (value, comment) in app.env.items():
        env.values[name] = Commented(value.replace("@domain@", domain), comment) if comment else value
    for need in wanted:
        env.secrets |= dict.fromkeys(need.database.required, "@hex32@")
        for name, (value, comment) in need.env.items():
            env.values.setdefault(name, Commented(value, comment) if comment else value)
    known = {*env.values, *app.build_args}
    rest = [name for name in variables if name not in known and app.stack not in _MANY_VARIABLES]
    written = {name: _as_written(variables[name], given) for name in rest}
    for name in rest:
        if any(map(_SECRET_NAME.fullmatch, variables[name].names)):
            env.values[name] = Commented(f"${{{written[name]}}}", f"read in {variables[name].file}")
            env.secrets.setdefault(written[name], "@hex64@")
    demanded = demanded_variables(detected.folder)
    for name in rest:
        is_needed = name in (*demanded, "TZ", "LANG") or _WORTH_A_COMMENT.fullmatch(name)
        value = given.get(written[name], "localhost")
        if name not in env.values and is_needed and not _HERE.search(value):
            comment = f"read in {variables[name].file}; .env has it"
            env.values[name] = Commented(f"${{{written[name]}}}", comment)
    reader = demands_port(detected.folder) if app.dockerfile is None and app.port is not None else None
    if reader and not re.search(r"\bPORT\b", detected.folder.read("Dockerfile")):
        env.values.setdefault("PORT", Commented(str(app.port), f"{reader} needs it"))
    missing = [name for name in rest if name in demanded and name not in env.values]
    if missing:
        lines_of_env = ", ".join(f"`{name}: ${{{name}}}`" for name in missing)
        files = " and ".join(dict.fromkeys(demanded[name] for name in missing))
        verb = "need" if " and " in files else "needs"
        needed = f"{files} {verb} {'them' if len(missing) > 1 else 'it'}"
        env.todo.append(f"set {' and '.join(missing)} in .env, and write {lines_of_env} in `env`: {needed}")
    _build_args(detected, env, given)
    others = [name for name in rest if name not in env.values and _WORTH_A_COMMENT.fullmatch(name)]
    for name in others[:_MAX_COMMENTS]:
        env.values[f"#{name}"] = CommentLine(f"{name}: ${{{name}}}   # read in {variables[name].file}")
    return env


def _as_written(variable: CodeVariable, given: Mapping[str, str]) -> str:
    """The name that .env has for a variable: settings classes take it in any case."""
    if variable.name in given or not variable.other_names:
        return variable.name
    return next((name for name in given if name.upper() == variable.name), variable.name)


def _build_args(detected: Detected, env: ServiceEnv, given: Mapping[str, str]) -> None:
    """Values for browsers: those that .env has are given to the build, the others are a thing to do."""
    app, folder = detected.app, detected.folder
    if app.dockerfile is None or not app.build_args:
        return
    in_context = values_in(folder.path, ".env.production") if public_env_files(folder) else {}
    known = [name for name in app.build_args if not _HERE.search(given.get(name, "localhost"))]
    env.build_args |= {name: f"${{{name}}}" for name in known}
    missing = [name for name in app.build_args if name not in known and name not in in_context]
    if missing:
        env.todo.append(
            f"set {' and '.join(missing)} in .env, and as `args` of `build`: pages for browsers are built without it"
        )


def _yaml(
    detected: Detected,
    wanted: Sequence[NeededDatabase],
    env: ServiceEnv,
    name: str,
    domain: str,
    answers: StarterOptions,
) -> list[str]:
    app = detected.app
    note = "" if answers.domain else "its DNS must point to the server"
    project: dict[str, object] = {"name": name, "domain": Commented(domain, note)}
    project["#email"] = CommentLine(
        "email: you@your.domain   # contact for the authority that issues the certificate"
    )
    out = lines({"project": project})
    if answers.server:
        user, at, host = answers.server.rpartition("@")
        out += ["", *lines({"server": {"host": host, **({"user": user} if at else {})}})]
    else:
        out += [
            "",
            "# The server to deploy to. Default: the domain's, as the current user, with ssh's settings. Or:",
            "# server:",
            "#   host: 203.0.113.7          # also a Host of ~/.ssh/config",
            "#   user: deploy",
        ]
    services = lines({"services": [web_section(detected, env, shared=bool(app.workers or app.unstarted))]})
    for worker in app.workers:
        services += ["", *lines({"services": [worker_section(detected, worker, env)]})[1:]]
    for worker in app.unstarted:
        services += ["", *unstarted_section(detected, worker, env)]
    out += ["", *services]
    if wanted:
        out += ["", "# Their passwords come from the environment or from .env next to this file."]
        out += lines({"dependencies": [Commented(need.item, need.reason) for need in wanted]})
    return out
