"""Dockerfiles for services whose app has none, and build contexts without secrets."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.next_step import plain
from ftl.errors import UsageError
from ftl.onboarding.declared.procfile import command_of
from ftl.onboarding.detect import detect
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.ignored import DOCKERIGNORE, matching, names_for, not_ignored, of_gitignore
from ftl.onboarding.stacks.node.package_json import public_env_files
from ftl.onboarding.starter import image_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl.onboarding.app import App
    from ftl.onboarding.detect import Detected
    from ftl.onboarding.takeover.draft import Draft


def write_dockerfiles(draft: Draft, folder: Path) -> None:
    """Add the Dockerfile that `ftl init` would write to each folder that is built and has none."""
    for context in dict.fromkeys(filter(None, map(_context, draft.services.values()))):
        path = posixpath.normpath(posixpath.join(context, "Dockerfile"))
        if (folder / path).exists() or path in draft.files or not (folder / context).is_dir():
            continue
        try:
            detected = detect(folder / context)
        except UsageError as error:
            todo = f"there is none, and none could be written: {plain(error.message)}; write one"
            draft.report.todo(path, todo)
            continue
        _add(draft, folder, context, detected)


def _context(keys: dict[str, object]) -> str | None:
    """The folder that a service is built from by its own Dockerfile."""
    build = keys.get("build")
    if isinstance(build, dict):
        return None if "dockerfile" in build else str(build.get("context", "."))
    return build if isinstance(build, str) else None


def _add(draft: Draft, folder: Path, context: str, detected: Detected) -> None:
    app = detected.app
    place = posixpath.normpath(posixpath.join(context, detected.context))
    for name, text in image_files(detected).items():
        path = posixpath.normpath(posixpath.join(context, name))
        if not (folder / path).exists():
            draft.files[path] = text
    dockerfile = posixpath.normpath(posixpath.join(place, "Dockerfile"))
    what = f"for {app.stack} ({app.evidence})"
    what = f"a new file, {what}" if app.dockerfile is not None else f"the one in {place}, {what}"
    draft.report.changed(dockerfile, what)
    for number, todo in enumerate(app.todo):
        draft.report.todo(f"{dockerfile} [{number}]", todo)
    for volume, reason in app.volumes.items():
        todo = f"write `volumes: [{volume}]`, where there is none: {reason}"
        draft.report.todo(f"{dockerfile}: {volume}", todo)
    for name, keys in draft.services.items():
        if _context(keys) == context:
            _at_place(keys, place)
            if app.dockerfile is not None:
                _command(draft, name, keys, detected)
            if "port" in keys and "command" not in keys:
                _port(draft, name, keys, app)


def _command(draft: Draft, name: str, keys: dict[str, object], detected: Detected) -> None:
    """Give a service the command of the new image where that cannot run the one of a Procfile."""
    given = keys.get("command")
    words = [given] if isinstance(given, str) else list(given) if isinstance(given, tuple) else []
    if not words:
        return
    line = str(words[-1]).replace("$$", "$").removeprefix("exec ")
    port = keys.get("port")
    app = replace(detected.app, port=port) if isinstance(port, int) else detected.app
    command = command_of(app, detected.folder, line)
    if detected.app.programs is None and command is not None:
        return
    what = f"the new image has neither the files nor the tools for `{line}`"
    if command is not None:
        keys["command"] = command
    elif "port" in keys:
        del keys["command"]
        draft.report.changed(f"{name}: command", f"the image's: {what}")
    else:
        draft.report.todo(f"{name}: command", f"{what}: write it into a Dockerfile that has them")


def _at_place(keys: dict[str, object], place: str) -> None:
    """Build from the folder of the app that was found, which may be below the one that is named."""
    path = place if place == "." or place.startswith("..") else f"./{place}"
    build = keys["build"]
    keys["build"] = {**build, "context": path} if isinstance(build, dict) else path


def _port(draft: Draft, name: str, keys: dict[str, object], app: App) -> None:
    """Give a service the port of the Dockerfile's program, or the program that of the service."""
    if app.port is None or keys["port"] == app.port:
        return
    if re.search(r"\bPORT=", app.dockerfile or ""):
        env = keys.get("env")
        keys["env"] = {"PORT": str(keys["port"]), **(env if isinstance(env, dict) else {})}
        return
    draft.report.changed(f"{name}: port", f"{app.port}, on which the program of the new Dockerfile listens")
    keys["port"] = app.port


def ignore_files(draft: Draft, folder: Path) -> None:
    """Add a .dockerignore to each context that has none; report lines missing in others."""
    for context, dockerfile in sorted(set(_built_contexts(draft))):
        path, top = (folder / context).resolve(), folder.resolve()
        if not path.is_dir() or not path.is_relative_to(top):
            continue
        is_top = path == top  # ftl.yaml is to come, and .env may be
        names = [name for name in names_for(path) if is_top or (path / name).exists()]
        of_git = of_gitignore(AppFolder(path).read(".gitignore")) if is_top and draft.is_of_commits else []
        names += [name for name in matching(path, of_git) if name not in names]
        missing = not_ignored(path, names, dockerfile)
        if not missing:
            continue
        name = ".dockerignore" if is_top else f"{path.relative_to(top)}/.dockerignore"
        if (path / ".dockerignore").exists():
            draft.report.todo(name, f"add to it, so that they are not in the image: {' '.join(missing)}")
        else:
            public = "".join(f"{line}\n" for line in public_env_files(AppFolder(path)))
            head = "# What git ignores, and so was in no image before:"
            more = "".join(f"{line}\n" for line in (head, *of_git)) if of_git else ""
            draft.files.setdefault(name, DOCKERIGNORE + public + more)


def _built_contexts(draft: Draft) -> Iterator[tuple[str, str]]:
    """The folder and the Dockerfile of each build that has a folder of this machine."""
    for keys in (*draft.services.values(), *draft.dependencies.values()):
        match keys.get("build"):
            case str(context):
                dockerfile: object = None
            case dict(options):
                context, dockerfile = str(options.get("context", ".")), options.get("dockerfile")
            case _:
                continue
        if "://" not in context and "${" not in context:
            yield context, str(dockerfile or "Dockerfile")
