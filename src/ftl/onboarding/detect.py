"""Find the app in a folder: its stack by the table, then its Procfile and Dockerfile."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.errors import UsageError
from ftl.onboarding.app import App, Evidence, FoundHealthCheck, Worker, exec_form
from ftl.onboarding.folder import NOT_SOURCE, AppFolder, demands_port
from ftl.onboarding.names import project_name
from ftl.onboarding.periodic import is_periodic
from ftl.onboarding.stacks.health import found_health
from ftl.onboarding.stacks.java.builds import BUILD_FILES, is_several
from ftl.onboarding.stacks.table import STACKS, Stack
from ftl.onboarding.templates import cmd, with_port
from ftl.onboarding.workspaces import refuse_member

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKSPACES = ("pnpm-workspace.yaml", "turbo.json", "nx.json", "lerna.json", "go.work", "rush.json")
_ASKED = re.compile(
    r"^HEALTHCHECK\b(?:.*\\\n)*.*?\b(?:curl|wget)\b.*?https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::(\d+))?(/[\w./-]*)?",
    re.MULTILINE,
)
"""A check of a Dockerfile that requests a path of the app: its port and path."""

_SUBFOLDERS = ("apps", "packages", "services")
_MAX_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Detected:
    """The app that was found, and its folder relative to the searched one."""

    app: App
    folder: AppFolder
    context: str = "."


@dataclass(frozen=True, slots=True)
class _Match:
    stack: Stack
    evidence: str


def detect(path: Path) -> Detected:
    """Find the app in a folder.

    Raises:
        UsageError: There is none, more than one, or a file of it cannot be parsed.
    """
    folder = AppFolder(path)
    matches = _matches(folder)
    if folder.has("Dockerfile"):
        return Detected(_with_dockerfile(folder, _chosen(folder, matches, strict=False)), folder)
    if is_monorepo(folder) and not any(
        match.stack.language != "Node" and match.stack.clear for match in matches
    ):
        raise _monorepo(folder)
    refuse_member(folder)
    app = _chosen(folder, matches, strict=True)
    if app is not None:
        return Detected(_with_demanded_port(_startable(app), folder), folder)
    below = list(_apps_below(folder))
    if len(below) == 1:
        name, _ = below[0]
        inner = folder / name
        app = _chosen(inner, _matches(inner), strict=True)
        if inner.has("Dockerfile"):
            app = _with_dockerfile(inner, app)
        if app is not None:
            return Detected(_with_demanded_port(_startable(app), inner), inner, f"./{name}")
    if below:
        raise _several(below)
    raise UsageError(_nothing(folder), hint=_nothing_hint(folder))


def _startable(app: App) -> App:
    """The app, if its Dockerfile has a command.

    Raises:
        UsageError: It has none: the image would have no program.
    """
    if app.dockerfile is None or re.search(r"^CMD ", app.dockerfile, re.MULTILINE):
        return app
    script = 'a `start` script into package.json (`"start": "node dist/index.js"`)'
    how = "main.py" if app.stack == "Python" else script
    raise UsageError(
        f"nothing says how this app is started ({app.evidence})",
        hint=f"write {how}, or `web: COMMAND` into a Procfile (`worker: COMMAND` without a port); then `ftl init`",
    )


def _with_demanded_port(app: App, folder: AppFolder) -> App:
    """The app, with PORT in its Dockerfile if its code ends without it."""
    if app.dockerfile is None or app.port is None or demands_port(folder) is None:
        return app
    return replace(app, dockerfile=with_port(app.dockerfile, app.port, variable=True))


def _matches(folder: AppFolder) -> list[_Match]:
    matches: dict[str, _Match] = {}
    for stack in STACKS:
        if stack.language not in matches and (evidence := stack.evidence(folder)):
            matches[stack.language] = _Match(stack, evidence)
    return list(matches.values())


def _chosen(folder: AppFolder, matches: list[_Match], *, strict: bool) -> App | None:
    clear = [match for match in matches if match.stack.clear]
    if len(clear) > 1 and strict:
        names = [f"{match.stack.name} ({match.evidence})" for match in clear]
        raise UsageError(
            f"there are {len(clear)} apps in this folder: {' and '.join(names)}",
            hint="write a Dockerfile for each (`build: {dockerfile: NAME}`), or move one to a separate folder; "
            "then `ftl init` again",
        )
    if not matches:
        return None
    chosen = (clear or matches)[0]
    app = chosen.stack.describe(folder, chosen.evidence)
    others = [match for match in matches if match is not chosen and match.stack.name == "built site"]
    if others and app.stack not in ("Laravel", "Rails"):
        built = f"the Dockerfile does not build the assets ({others[0].evidence})"
        text = f"{built}: add a stage with Node if the app needs them"
        app = replace(app, todo=(*app.todo, text))
    return with_procfile(app, folder.read("Procfile"))


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


def _with_dockerfile(folder: AppFolder, app: App | None) -> App:
    """The app of a Dockerfile, with what the stack adds to it."""
    from ftl.image.building.inputs.dockerfile import exposed_port

    written = folder.read("Dockerfile")
    port = exposed_port(written)
    reason = "EXPOSE of the Dockerfile"
    asked = _ASKED.search(written)
    if port is None and asked and asked[1]:
        port, reason = int(asked[1]), "HEALTHCHECK of the Dockerfile"
    if app is None:
        app = App(stack="Dockerfile", evidence="Dockerfile", port=port or 8000, health=found_health(folder))
    if asked and asked[2] and asked[1] in (None, str(port)):
        app = replace(app, health=FoundHealthCheck(asked[2], "HEALTHCHECK of the Dockerfile"))
    other = _other_tool(folder)
    todo = (f"{other} says how the app runs: `ftl init --from {other}` takes it over",) if other else ()
    if port is None:
        port, reason = (
            app.port or 8000,
            "the Dockerfile exposes no port: write the one that the app listens on",
        )
    facts = (Evidence("image", "Dockerfile", "it exists and is used unchanged"),)
    return replace(
        app, dockerfile=None, files={}, port=port, port_reason=reason, facts=facts, start=(), todo=todo
    )


def is_monorepo(folder: AppFolder) -> bool:
    """Whether the folder is the top of a workspace of several packages."""
    if folder.has("pnpm-workspace.yaml") and "packages:" not in folder.read("pnpm-workspace.yaml"):
        return False  # pnpm 10 keeps settings there
    declared = folder.read("pyproject.toml")
    if "[tool.uv.workspace]" in declared and "[project]" not in declared:
        return True
    if folder.has(*WORKSPACES) or folder.read_json("package.json").get("workspaces"):
        return True
    return is_several(folder)


def _apps_below(folder: AppFolder) -> Iterator[tuple[str, str]]:
    """Subfolders that are apps, with their stack."""
    for parent in ("", *_SUBFOLDERS):
        base = folder.path / parent
        for path in sorted(base.iterdir()) if base.is_dir() else ():
            name = f"{parent}/{path.name}" if parent else path.name
            if (
                not path.is_dir()
                or path.name.startswith(".")
                or path.name in NOT_SOURCE | {"docs", "public", *_SUBFOLDERS}
            ):
                continue
            inner = AppFolder(path)
            matches = _matches(inner)
            clear = [match for match in matches if match.stack.clear] or matches
            if clear or inner.has("Dockerfile"):
                yield name, clear[0].stack.name if clear else "Dockerfile"


def _projects_of_nx(folder: AppFolder) -> Iterator[tuple[str, str]]:
    """Apps of a workspace of Nx whose packages are all in the list at the top."""
    base = folder.path / "apps"
    for path in sorted(base.iterdir()) if base.is_dir() else ():
        if (path / "project.json").is_file():
            yield f"apps/{path.name}", "project.json"


def _listed(apps: list[tuple[str, str]]) -> str:
    names = [f"{name} ({stack})" for name, stack in apps[:_MAX_SHOWN]]
    more = f" and {len(apps) - _MAX_SHOWN} more" if len(apps) > _MAX_SHOWN else ""
    return ", ".join(names) + more


def _several(apps: list[tuple[str, str]]) -> UsageError:
    first, second = apps[0][0], apps[1][0]
    return UsageError(
        f"there are {len(apps)} apps below this folder: {_listed(apps)}",
        hint=f"`cd {first} && ftl init` for one of them; for both in one project, do that in each for its Dockerfile, "
        f"and write one ftl.yaml here with `build: ./{first}` and `build: ./{second}`",
    )


def _monorepo(folder: AppFolder) -> UsageError:
    apps = list(_apps_below(folder)) or list(_projects_of_nx(folder))
    suffix = f", with {_listed(apps)}" if apps else ""
    name = apps[0][0] if apps else "apps/web"
    build = f"build: {{context: ., dockerfile: {name}/Dockerfile}}"
    shared = "modules share the build file" if folder.has(*BUILD_FILES) else "packages share the lock file"
    return UsageError(
        f"this folder is a monorepo{suffix}",
        hint=f"its {shared} here, so that an app is built from here: write {name}/Dockerfile and "
        f"`{build}` in ftl.yaml; or write a Dockerfile here, and run `ftl init` again",
    )


def _nothing(folder: AppFolder) -> str:
    return (
        "there is no app in this folder that FTL knows"
        if any(folder.path.iterdir())
        else "this folder is empty"
    )


def _other_tool(folder: AppFolder) -> str | None:
    """A file of another tool that says how the app runs."""
    return folder.has(
        "compose.yaml",
        "compose.yml",
        "docker-compose.yml",
        "docker-compose.yaml",
        "config/deploy.yml",
        "fly.toml",
    )


def _nothing_hint(folder: AppFolder) -> str:
    known = _other_tool(folder) or folder.has("app.json", "Procfile")
    if known:
        return f"`ftl init --from {known}` takes over {known}"
    hint = "write a Dockerfile (any language works with one) and run `ftl init` again"
    return (
        f"{hint}; for an image that exists, write `image` in an ftl.yaml: `ftl config --schema` has all keys"
    )
