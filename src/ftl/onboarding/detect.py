"""Find the app in a folder: its stack by the table, then its Procfile and Dockerfile."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.errors import UsageError
from ftl.onboarding.declared.dockerfile import other_tool, with_dockerfile
from ftl.onboarding.declared.procfile import processes_of, with_procfile
from ftl.onboarding.folder import NOT_SOURCE, AppFolder, demands_port
from ftl.onboarding.stacks.java.builds import BUILD_FILES, is_several
from ftl.onboarding.stacks.node.package_json import scripts
from ftl.onboarding.stacks.table import STACKS, Stack
from ftl.onboarding.templates import with_port
from ftl.onboarding.workspaces import refuse_member

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl.onboarding.app import App

WORKSPACES = ("pnpm-workspace.yaml", "turbo.json", "nx.json", "lerna.json", "go.work", "rush.json")
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
        return Detected(with_dockerfile(folder, _chosen(folder, matches, strict=False)), folder)
    if is_monorepo(folder) and not any(
        match.stack.language != "Node" and match.stack.clear for match in matches
    ):
        raise _monorepo(folder)
    refuse_member(folder)
    app = _chosen(folder, matches, strict=True)
    if app is not None:
        _refuse_several_at_once(app, folder)
        return Detected(_with_demanded_port(_with_apps_below(_startable(app), folder), folder), folder)
    below = list(_apps_below(folder))
    if len(below) == 1:
        name, _ = below[0]
        inner = folder / name
        app = _chosen(inner, _matches(inner), strict=True)
        if inner.has("Dockerfile"):
            app = with_dockerfile(inner, app)
        if app is not None:
            app = _without_procfile_of(folder, name, app)
            return Detected(_with_demanded_port(_startable(app), inner), inner, f"./{name}")
    if below:
        raise _several(below)
    if any(path.iterdir()):
        raise UsageError("there is no app in this folder that FTL knows", hint=_nothing_hint(folder))
    raise UsageError("this folder is empty", hint=_nothing_hint(folder))


def _without_procfile_of(folder: AppFolder, name: str, app: App) -> App:
    """The app, with a thing to do if the folder above it has a Procfile: its commands begin there."""
    if not folder.has("Procfile"):
        return app
    text = f"the Procfile is not used, since the app is in {name}: write one there, with commands that begin there"
    return replace(app, todo=(*app.todo, text))


_AT_ONCE = re.compile(r"\b(?:concurrently|npm-run-all|run-p)\b")
_NO_PARTS = "examples example e2e scripts tools bench benchmarks demo deploy infra"
_NO_PART = frozenset(_NO_PARTS.split())
"""Names of folders whose apps are not parts of the one above."""


def _refuse_several_at_once(app: App, folder: AppFolder) -> None:
    """Refuse a start script of several programs, where there are apps below."""
    line = " ".join(app.start)
    below = [each for each in _apps_below(folder) if each[0] not in _NO_PART]
    if below and _AT_ONCE.search(line):
        raise UsageError(
            f"the start script of package.json runs several programs, and there are apps below: {_listed(below)}",
            hint="write a script `start` that runs the server alone, and `build` for what it serves; or "
            f"`cd {below[0][0]} && ftl init` for each, and one ftl.yaml here with `build: ./{below[0][0]}`",
        )


def _with_apps_below(app: App, folder: AppFolder) -> App:
    """The app, with a thing to do for each app below it that its Dockerfile does not build."""
    written = app.dockerfile or ""
    built = " ".join(scripts(folder).values()) if folder.has("package.json") else ""
    for name, stack in _apps_below(folder):
        is_part = name not in _NO_PART and stack != "Dockerfile" and app.evidence != f"{name}/manage.py"
        if not is_part or re.search(rf"\b{re.escape(name)}\b", f"{written}\n{built}"):
            continue
        embedded = _embedding(folder, name)
        embeds = f", whose files {embedded} embeds" if embedded else ""
        text = (
            f"{name} is another app ({stack}){embeds}, which this Dockerfile does not build: add a stage that does, "
            f"and COPY its files, or make it a service with `build: ./{name}`, by `ftl init` in {name}"
        )
        app = replace(app, todo=(*app.todo, text), image_todo=(*app.image_todo, text))
    return app


def _embedding(folder: AppFolder, name: str) -> str:
    """The file of Go that embeds files of a folder; empty if none does."""
    named = re.compile(rf"^//go:embed\s.*\b{re.escape(name)}/", re.MULTILINE)
    for file, text in folder.sources.items():
        if named.search(text) or (file.startswith(f"{name}/") and "//go:embed" in text):
            return file
    return ""


def _startable(app: App) -> App:
    """The app, if its Dockerfile has a command."""
    if app.dockerfile is None or re.search(r"^CMD ", app.dockerfile, re.MULTILINE):
        return app
    script = 'a `start` script into package.json (`"start": "node dist/index.js"`)'
    how = {"Python": "main.py", "Ruby": "config.ru"}.get(app.stack, script)
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
    return with_procfile(app, folder)


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


def _nothing_hint(folder: AppFolder) -> str:
    known = other_tool(folder) or (None if folder.has("Procfile") else folder.has("app.json"))
    if known:
        return f"`ftl init --from {known}` takes over {known}"
    if folder.has("Procfile"):
        commands = dict(processes_of(folder.read("Procfile")))
        command = f", with `{commands['web']}` of the Procfile as its CMD" if "web" in commands else ""
        then = "`ftl init --from Procfile` then takes the processes over"
        return f"write a Dockerfile (any language works with one){command}; {then}"
    hint = "write a Dockerfile (any language works with one) and run `ftl init` again"
    return (
        f"{hint}; for an image that exists, write `image` in an ftl.yaml: `ftl config --schema` has all keys"
    )
