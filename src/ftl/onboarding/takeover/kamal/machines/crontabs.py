"""Crontabs of a role that runs cron alone, named by its command or by the Dockerfile."""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from ftl.image.building.diagnosis.cache_miss import context_sources
from ftl.image.building.inputs.image_settings import image_settings
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.schedules.crontab import CrontabFile, parse_crontab

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ftl.image.building.inputs.image_settings import ImageSettings

_DAEMONS = frozenset({"cron", "crond", "supercronic"})
_AROUND = """
    cat chmod chown cp crontab declare echo env exec export grep mkdir printenv rsyslogd sed service set tail touch
"""
_AROUND_CRON = _DAEMONS | frozenset(_AROUND.split())
"""Programs that do nothing but to prepare cron."""

_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_REDIRECTION = re.compile(r"\d?>{1,2}\s*(?:&\d|[^\s;|&()]+)")
_WORD = r"[^\s;|&()'\"]+"
_NAMED = re.compile(
    rf"(?<![\w./-])(?:cat\s+((?:{_WORD}\s*)+)\)?\s*\|\s*crontab\b|crontab\s+(?:-u\s+\S+\s+)?((?!-){_WORD})"
    rf"|supercronic\s+(?:-{_WORD}\s+)*({_WORD}))"
)
"""The files that are piped into crontab, or which crontab or supercronic read."""

_OF_SYSTEM = re.compile(r"^/etc/(?:cron\.d/[\w-]+|crontab)$")
_OF_USERS = re.compile(r"^/(?:etc/crontabs|var/spool/cron/crontabs)/(\w+)$")


def crontabs_of(
    command: str | Sequence[str], folder: Path, build: Mapping[str, object]
) -> tuple[CrontabFile, ...]:
    """The crontabs of a role, with at least one job between them.

    None if the role does more than to run cron, or if a file is not found.

    Args:
        command: The command of the role.
        folder: The folder of the app.
        build: The build of its image.
    """
    line = _inner(command)
    if not _runs_cron_alone(line):
        return ()
    context = AppFolder(folder / str(build.get("context", ".")))
    image = image_settings(AppFolder(folder).read(str(build.get("dockerfile", "Dockerfile"))))
    found = []
    for path, has_users in _named(line) or [*_baked(image)]:
        name = _source(context, image, path)
        if not name:
            return ()
        lines = parse_crontab(context.read(name), has_users=has_users)
        found.append(CrontabFile(name, lines, image.user or "root"))
    return tuple(found) if any(crontab.jobs for crontab in found) else ()


def _inner(command: str | Sequence[str]) -> str:
    """The line that a shell gets, or the command itself."""
    try:
        words = shlex.split(command) if isinstance(command, str) else [*command]
    except ValueError:
        return ""
    if len(words) > 2 and posixpath.basename(words[0]) in _SHELLS and re.fullmatch(r"-\w*c", words[1]):
        return words[2]
    return command if isinstance(command, str) else shlex.join(words)


def _runs_cron_alone(line: str) -> bool:
    """Whether a line starts cron, and nothing that would be missed without it."""
    pieces = [piece.split() for piece in re.split(r"[;|&()\n]+", _REDIRECTION.sub("", line))]
    programs = {
        posixpath.basename(next((word for word in words if word != "exec"), "exec"))
        for words in pieces
        if words
    }
    return bool(programs & _DAEMONS) and programs <= _AROUND_CRON


def _named(line: str) -> list[tuple[str, bool]]:
    """Crontabs that a line has cron read: of users, without a user in each line."""
    groups = [group for match in _NAMED.finditer(line) for group in match.groups() if group]
    return [(path, False) for group in groups for path in group.split()]


def _baked(image: ImageSettings) -> Iterator[tuple[str, bool]]:
    """Crontabs that the Dockerfile puts where cron looks, and whether each line has a user."""
    installed = [
        path
        for step in image.steps
        if step.keyword == "RUN" and "crontab" in step.text
        for path in _named(step.text)
    ]
    yield from installed
    if installed:
        return
    for _, target in _copies(image):
        if _OF_SYSTEM.match(target):
            yield target, True
        elif _OF_USERS.match(target):
            yield target, False


def _copies(image: ImageSettings) -> Iterator[tuple[str, str]]:
    """Each source of the context, and its path in the image."""
    folder = "/"
    for step in image.steps:
        words = step.arguments.split() or [""]
        if step.keyword == "WORKDIR":
            folder = posixpath.join(folder, words[0].strip("\"'"))
        elif step.keyword in ("COPY", "ADD"):
            to = words[-1].strip("\"']")
            sources = context_sources(step)
            for source in sources:
                inside = to.endswith("/") or len(sources) > 1
                target = posixpath.join(folder, to, posixpath.basename(source) if inside else "")
                yield source, posixpath.normpath(target)


def _source(context: AppFolder, image: ImageSettings, path: str) -> str:
    """The file of the context that is at a path of the image; empty if it is not known."""
    below = posixpath.relpath(posixpath.join(image.folder or "/", path), image.folder or "/")
    candidates = [source for source, target in _copies(image) if target == posixpath.normpath(path)]
    candidates += [
        posixpath.join(source, posixpath.basename(path))
        for source, target in _copies(image)
        if target == posixpath.dirname(path)
    ]
    for name in map(posixpath.normpath, (*candidates, below)):
        is_inside = not name.startswith(("..", "/")) and (context.path / name).resolve().is_relative_to(
            context.path.resolve()
        )
        if is_inside and context.has(name):
            return name
    return ""
