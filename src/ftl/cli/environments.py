"""Environments of a project: the one of a command, previews, and all that its overlays make."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ftl.cli.project_file import find_file
from ftl.common.next_step import ftl
from ftl.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.config.models.project import Project
    from ftl.config.project_files import ProjectFiles

PREVIEW_PREFIX = "preview/"
"""Beginning of the value of -e that names a preview."""


class SelectedEnvironment(NamedTuple):
    """The environment of a command.

    Attributes:
        preview: Whether it is a preview, whose overlay is ftl.preview.yaml.
    """

    name: str = ""
    preview: bool = False

    def files(self, path: Path) -> ProjectFiles:
        """The files for this environment of an ftl.yaml; `${FTL_ENV}` is its name."""
        from ftl.config.models.project import PREVIEW
        from ftl.config.project_files import ProjectFiles
        from ftl.config.variables.sources import variables_of

        overlay = PREVIEW if self.preview else self.name
        variables = variables_of(path.resolve().parent, os.environ, name=self.name, overlay=overlay)
        return ProjectFiles(path, variables, self.name, self.preview)


def find_environment(options: Options, path: Path) -> SelectedEnvironment:
    """The environment that -e or $FTL_ENV names; `preview/NAME` is a preview.

    Raises:
        UsageError: There is no such environment: no overlay of that name beside the file, or that of all previews; or
            the name of a preview cannot be part of a host name.
    """
    from ftl.common.suggestions import closest_match
    from ftl.config.models.project import PREVIEW
    from ftl.config.project_files import PRODUCTION, overlay_path

    variable = os.environ.get("FTL_ENV", "")
    name = options.env if options.env is not None else variable
    if not name:
        return SelectedEnvironment()
    if name.startswith(PREVIEW_PREFIX):
        return _preview(name.removeprefix(PREVIEW_PREFIX), path)
    if name == PREVIEW:
        raise UsageError(
            f"{overlay_path(path, name).name} is the overlay of all previews, and no environment",
            cause="it is the value of $FTL_ENV" if options.env is None else None,
            hint=f"use {ftl('preview up NAME')}, or `-e preview/NAME` for one that exists",
        )
    if "/" not in name and overlay_path(path, name).is_file():
        return SelectedEnvironment(name)
    known = list(_overlays(path))
    if name in PRODUCTION and not PRODUCTION.intersection(known):
        others = f"; the environments here are {', '.join(known)}" if known else ""
        raise UsageError(
            f"there is no environment `{name}`: {overlay_path(path, name).name} is not here",
            cause="it is the value of $FTL_ENV" if options.env is None else None,
            hint=f"without -e and $FTL_ENV, {path.name} itself is what is deployed: that may be your {name}{others}",
        )
    match = closest_match(name, known)
    hint = f"did you mean `{match}`?" if match else f"the environments here are {', '.join(known)}"
    new = f"create {overlay_path(path, name).name} next to {path.name}" if "/" not in name else None
    raise UsageError(
        f"there is no environment `{name}`",
        cause="it is the value of $FTL_ENV" if options.env is None else None,
        hint=hint if known else new,
    )


def _preview(name: str, path: Path) -> SelectedEnvironment:
    from ftl.config.project_files import overlay_path

    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
        fixed = re.sub(r"[^a-z0-9]+", "-", name.lower())[:40].strip("-")
        raise UsageError(
            f"`{name}` cannot be the name of a preview, which is part of its host name: "
            "a-z, 0-9 and - between them, at most 40 characters",
            hint=f"`{fixed}` can" if fixed else None,
        )
    previews = all_previews(path)
    if overlay_path(path, name).is_file():
        raise UsageError(
            f"`{name}` is an environment: {overlay_path(path, name).name} exists",
            hint="give the preview another name",
        )
    return previews._replace(name=name)


def all_previews(path: Path) -> SelectedEnvironment:
    """The common part of all previews, under the name of their overlay, which none can have.

    Raises:
        UsageError: There is no overlay for previews.
    """
    from ftl.config.models.project import PREVIEW
    from ftl.config.project_files import overlay_path

    overlay = overlay_path(path, PREVIEW)
    if not overlay.is_file():
        raise UsageError(
            f"previews need {overlay.name} next to {path.name}, with at least their domain",
            hint='write `project: {domain: "${FTL_ENV}.preview.example.com"}` into it, with a domain of yours',
        )
    return SelectedEnvironment(PREVIEW, preview=True)


def readable_environments(options: Options) -> dict[str, Project]:
    """File -> project, of ftl.yaml alone and of each environment that is readable here."""
    path = Path(find_file(options.file))
    files = {"": path.name, **_overlays(path)}
    projects = {file: _readable(path, name) for name, file in files.items()}
    return {file: project for file, project in projects.items() if project is not None}


def _overlays(path: Path) -> dict[str, str]:
    """Environment -> the name of its overlay, sorted; that of all previews makes none."""
    from ftl.config.models.project import PREVIEW
    from ftl.config.project_files import overlay_path

    names = sorted(file.name for file in path.parent.glob(overlay_path(path, "*").name))
    found = {name.removeprefix(f"{path.stem}.").removesuffix(path.suffix): name for name in names}
    return {environment: name for environment, name in found.items() if environment != PREVIEW}


def overlap_notes(options: Options, project: Project) -> tuple[str, ...]:
    """Notes on a name or route that an environment shares with ftl.yaml: one excludes the other."""
    path = Path(find_file(options.file))
    base = _readable(path, "") if project.environment and not project.preview_of else None
    if base is None or base.server.host != project.server.host:
        return ()
    from ftl.config.project_files import overlay_path
    from ftl.proxy.project_site import site_of

    overlay = overlay_path(path, project.environment).name
    if base.name == project.name:
        return (
            f"`project.name` in {overlay} is that of {path.name}: of the two, only the one that was deployed first can "
            f"be deployed; with another name, or none in {overlay}, they are separate",
        )
    places = [{(route.host, route.path) for route in site_of(each).routes} for each in (base, project)]
    common = sorted(places[0] & places[1])
    if not common:
        return ()
    host, where = common[0]
    return (
        f"{path.name} routes {host or 'any host'}{where}, too, on the same server, where only one of the two can be: "
        f"write another `project.domain` into {overlay}",
    )


def _readable(path: Path, environment: str) -> Project | None:
    """The project of an environment; of one with variables that are not set here, its name and domain."""
    from ftl.config.loading import load, load_parts
    from ftl.config.read.parts import ADDRESS

    files = SelectedEnvironment(environment).files(path)
    try:
        return load(files, fetch=None)
    except ConfigError:
        pass
    try:
        return load_parts(files, ADDRESS | {"project.domain"})
    except (ConfigError, UsageError):
        return None
