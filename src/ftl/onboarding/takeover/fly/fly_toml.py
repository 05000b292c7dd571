"""fly.toml as a draft of ftl.yaml."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object, as_strs
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.names import project_name
from ftl.onboarding.periodic import is_periodic
from ftl.onboarding.takeover.draft import Draft, add_items
from ftl.onboarding.takeover.fly.services import convert_services
from ftl.onboarding.takeover.heroku_addons import take_over_clients
from ftl.onboarding.takeover.nodes import table_list
from ftl.onboarding.takeover.report import UNKNOWN_KEY, Verdict
from ftl.onboarding.yaml_text import literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SETTINGS = {"kill_timeout": "stop_timeout", "kill_signal": "stop_signal"}
_OTHERS = {
    "primary_region": (Verdict.LEFT_OUT, "your server is where it is"),
    "vm": (Verdict.LEFT_OUT, "a container may use all that the server has; `resources` limits it"),
    "statics": (Verdict.NEEDS_YOU, "let the app serve its files"),
    "metrics": (Verdict.LEFT_OUT, "FTL collects no metrics"),
    "restart": (Verdict.LEFT_OUT, "containers are always started again; `restart` says otherwise"),
    "swap_size_mb": (Verdict.LEFT_OUT, "the server decides"),
    "console_command": (Verdict.LEFT_OUT, "`ftl exec` opens a console"),
}
_OF_BUILD = frozenset({"image", "dockerfile", "args", "build-target", "builder", "buildpacks"})
_OTHERS_OF_BUILD = {
    "ignorefile": (
        Verdict.NEEDS_YOU,
        "rename it to .dockerignore, or to the Dockerfile's name with .dockerignore at its end: builds read those",
    ),
    "settings": (Verdict.LEFT_OUT, "they are of a builder that FTL has not"),
    "builtin": (Verdict.LEFT_OUT, "FTL builds from a Dockerfile"),
    "compression": (Verdict.LEFT_OUT, "FTL compresses what it sends"),
    "compression_level": (Verdict.LEFT_OUT, "FTL compresses what it sends"),
}
_DONE = frozenset({"app", "build", "env", "http_service", "services", "processes", "deploy", "mounts", "mount", "files",
                   "checks", "experimental", *_SETTINGS})  # fmt: skip


def fly(file: Path, base: Path) -> Draft:
    """Convert a fly.toml.

    Raises:
        UsageError: It is not TOML.
    """
    data = AppFolder(file.parent).read_toml(file.name)
    draft = Draft(str(file), project_name(str(data.get("app", base.resolve().name))))
    report = draft.report
    processes = {name: _text(line) for name, line in as_object(data.get("processes")).items()} or {"app": ""}
    env = {name: _text(value) for name, value in as_object(data.get("env")).items()}
    built = _build(draft, as_object(data.get("build")))
    for name, line in processes.items():
        keys = {**built, **({"command": line} if line else {}), **({"env": env} if env else {})}
        if line and is_periodic(name, line):
            keys["recreate"] = True
        draft.services[project_name(name)] = keys
    web = convert_services(draft, data, processes)
    _settings(draft, data)
    _start(draft, data)
    _mounts(draft, data)
    if "image" not in built:
        take_over_clients(draft, AppFolder(file.parent))
    deploy = as_object(data.get("deploy"))
    if deploy.get("release_command"):
        web["hooks"] = {"pre": _text(deploy["release_command"])}
        report.changed("deploy.release_command", "hooks.pre")
    for key in deploy:
        if key != "release_command":
            report.left_out(f"deploy.{key}", "new containers are healthy before old ones stop")
    report.changed("app", "project.name")
    for key in ("env", "processes"):
        if key in data:
            report.changed(key, "the services" if key == "processes" else key)
    for key in data:
        if key not in _DONE:
            report.add(key, *_OTHERS.get(key, (Verdict.NEEDS_YOU, UNKNOWN_KEY)))
    todo = "`fly secrets list` names them: write `NAME: ${NAME}` in `env`, and the values into .env"
    report.todo("secrets", todo)
    return draft


def _text(value: object) -> str:
    """A value of TOML as Fly writes it into a variable; `$` is for the container's shell."""
    return str(value).lower() if isinstance(value, bool) else literal(str(value))


def _build(draft: Draft, build: Mapping[str, object]) -> dict[str, object]:
    """Image, or build with its Dockerfile, arguments and stage."""
    report = draft.report
    if build.get("builder") or build.get("buildpacks"):
        report.left_out("build.builder", "FTL builds from a Dockerfile")
    if build:
        report.changed("build", "image" if build.get("image") else "build")
    for key in build:
        if key not in _OF_BUILD:
            report.add(f"build.{key}", *_OTHERS_OF_BUILD.get(key, (Verdict.NEEDS_YOU, UNKNOWN_KEY)))
    if image := build.get("image"):
        return {"image": image}
    options: dict[str, object] = {"context": "."}
    for key, own in (("dockerfile", "dockerfile"), ("args", "args"), ("build-target", "target")):
        if build.get(key):
            given = build[key]
            options[own] = (
                {name: _text(value) for name, value in given.items()}
                if isinstance(given, dict)
                else _text(given)
            )
    return {"build": options if len(options) > 1 else "."}


def _start(draft: Draft, data: Mapping[str, object]) -> None:
    """Words of `experimental` by which Fly starts an image; a process has its own command."""
    for key, value in as_object(data.get("experimental")).items():
        words = tuple(map(_text, value)) if isinstance(value, list) else (_text(value),)
        if key not in ("cmd", "entrypoint", "exec"):
            draft.report.left_out(f"experimental.{key}", "it is Fly's")
            continue
        own = "entrypoint" if key == "exec" else {"cmd": "command"}.get(key, key)
        for keys in draft.services.values():
            keys.setdefault(own, words)
        draft.report.changed(f"experimental.{key}", own)


def _settings(draft: Draft, data: Mapping[str, object]) -> None:
    """Time and signal of a stop, and files, of every service."""
    for key, own in _SETTINGS.items():
        if data.get(key):
            for keys in draft.services.values():
                keys[own] = str(data[key])
            draft.report.changed(key, own)
    files: list[dict[str, object]] = []
    for number, item in enumerate(table_list(data.get("files"))):
        target, source, text = item.get("guest_path"), item.get("local_path"), item.get("raw_value")
        if target and source:
            files.append({"path": target, "source": source})
            draft.report.changed(f"files[{number}]", "files")
        elif target and text and (decoded := _decoded(text)) is not None:
            files.append({"path": target, "content": decoded})
            draft.report.changed(f"files[{number}]", "files, as text")
        else:
            how = "its content is not text" if text else "its text is a secret"
            draft.report.todo(f"files[{number}]", f"write it as one of the `files`: {how}")
    for keys in draft.services.values() if files else ():
        keys["files"] = files


def _decoded(value: object) -> str | None:
    """The text in base64, with `$` as FTL's own files write it; None if it is no text."""
    try:
        decoded = base64.b64decode(str(value), validate=True).decode()
    except ValueError:
        return None
    return None if "\0" in decoded else literal(decoded)


def _mounts(draft: Draft, data: Mapping[str, object]) -> None:
    """Volumes of the processes that a mount names, or of all; one machine has one, and so one container at a time."""
    for item in table_list(data.get("mounts") or data.get("mount")):
        named = {project_name(name) for name in as_strs(item.get("processes"))}
        users = [name for name in draft.services if not named or name in named]
        source = str(item.get("source", "")).lstrip("_.-") or "data"
        for key in item:
            if key not in ("source", "destination", "processes"):
                what = "a volume is a folder on the server's disk, without a size or snapshots"
                draft.report.left_out(f"mounts.{key}", what)
        for name in users:
            keys = draft.services[name]
            add_items(keys, "volumes", f"{source}:{item.get('destination', '/data')}")
            keys["recreate"] = True
        what = (
            "volumes, and recreate: one container at a time has them; copy the data with `fly ssh sftp get`"
        )
        if len(users) < 2:
            draft.report.changed("mounts", what)
            continue
        shared = f"{' and '.join(users)} share {source} here, and had one each"
        todo = f"{shared}: remove it where it is not needed, or rename it"
        draft.report.todo("mounts", f"{what}; {todo}")
        for name in users:
            draft.note(name, f"volumes: {todo}")
