"""ftl.yaml -> Project: the steps in order, and their faults as one error with places."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.cross_checks import check
from ftl.config.models.project import Project, Server
from ftl.config.read.reader import Reader
from ftl.config.read.short_forms import SHORT_FORMS
from ftl.config.variables import known_in
from ftl.config.yaml.interpolated import Interpolator
from ftl.config.yaml.parse import InvalidYaml, parse
from ftl.config.yaml.places import Places
from ftl.config.yaml.tree import Fault, MappingNode, kind_of
from ftl.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType
    from pathlib import Path

    from ftl.config.models.proxy import Proxy
    from ftl.config.variables import Known

MAX_BYTES = 1_000_000
"""A larger ftl.yaml is some other file."""


def load(path: Path, *, environ: MappingType[str, str], server: Server | None = None) -> Project:
    """Read a project's file, the .env beside it and the files it names.

    Args:
        path: The file; relative paths in it start from its folder.
        environ: The process environment; wins over .env.
        server: Used instead of the file's.

    Returns:
        The project with defaults filled in and short forms expanded. Every value in it is valid.

    Raises:
        ConfigError: with everything that is wrong, in the order of the file.
    """
    text = _read(path)
    folder = path.resolve().parent
    known = known_in(folder, environ)
    problems = _env_problems(folder / ".env", known)
    try:
        root, faults = parse(text)
    except InvalidYaml as error:
        raise ConfigError([*problems, *_problems(path, text, [error.fault])]) from None
    if not isinstance(root, MappingNode):
        fault = Fault(root.mark, f"the file must be a mapping, not {kind_of(root)}", "begin with `project:`")
        raise ConfigError([*problems, *_problems(path, text, [fault])])
    texts = Interpolator(text, known.values)
    reader = Reader(texts, folder, SHORT_FORMS)
    project = _with_server(reader.section(Project, root, ()), server)
    faults += texts.faults
    faults += check(project, reader, folder)
    if faults or problems:
        raise ConfigError([*problems, *_problems(path, text, faults)])
    masked = {".".join(map(str, way)): shown for way, shown in reader.masked.items()}
    places = Places(_shown(path), tuple(_lines(text)), reader.marks)
    return replace(project, volumes=_volumes(project), masked=masked, places=places)


def _read(path: Path) -> str:
    """The file's text, its byte order mark and nothing else taken off.

    Raises:
        ConfigError: it is not there, cannot be read, is too large or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _whole(
            path, "the file is not there", "`ftl init` writes one; `-f FILE` names another"
        ) from None
    except OSError as error:
        raise _whole(path, f"the file cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise _whole(path, f"the file is larger than {MAX_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem("the file is not UTF-8 text", _shown(path), line, 1)]) from error


def _whole(path: Path, message: str, hint: str | None = None) -> ConfigError:
    return ConfigError([Problem(message, _shown(path), hint=hint)])


def _env_problems(file: Path, known: Known) -> list[Problem]:
    hint = "quote a value that holds quotes or line breaks"
    return [
        Problem(message, _shown(file), line, min(line, 1), hint=hint if line else None)
        for line, message in known.faults
    ]


def _with_server(project: Project, server: Server | None) -> Project:
    if server is None and not project.server.host and project.project.domain:
        server = replace(project.server, host=project.project.domain)
    if server is None:
        return project
    aimed = replace(project, server=server)
    return replace(aimed, proxy=_rehearsed(aimed.proxy)) if server.is_sandbox else aimed


def _rehearsed(proxy: Proxy) -> Proxy:
    """The proxy as a sandbox can have it.

    No authority's challenges get there, also not those of one's own (`acme_ca`): they go where the domain leads; and
    public ones limit how often they are asked. With a certificate of one's own, too, HTTP answers and does not
    redirect: a sandbox has HTTPS at another port, and the redirect would lead to the real server.
    """
    return replace(proxy, tls="internal") if proxy.tls == "auto" else proxy


def _volumes(project: Project) -> tuple[str, ...]:
    """Every named volume that is listed or used, sorted."""
    mounts = [mount for service in project.services for mount in service.mounts]
    mounts += [mount for dependency in project.dependencies for mount in dependency.mounts]
    return tuple(sorted({*project.volumes, *(mount.source for mount in mounts if mount.is_named)}))


def _problems(path: Path, text: str, faults: list[Fault]) -> list[Problem]:
    """Faults with the file's name and the line they are on, in the order of the file."""
    lines = _lines(text)
    shown = _shown(path)
    return [
        Problem(
            fault.message,
            shown,
            fault.mark.line,
            fault.mark.column,
            lines[fault.mark.line - 1] if fault.mark.line <= len(lines) else "",
            fault.hint,
        )
        for fault in sorted(faults, key=lambda fault: (fault.mark.line, fault.mark.column))
    ]


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _shown(path: Path) -> str:
    """The file as a user who stands here would name it."""
    absolute = os.path.abspath(path)  # noqa: PTH100 -- without following links
    relative = os.path.relpath(absolute)
    return absolute if relative.startswith(os.path.join("..", "..", "..")) else relative  # noqa: PTH118
