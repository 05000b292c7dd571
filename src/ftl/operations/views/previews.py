"""Previews of a project on its server: age, end, URL."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.common.figures import utc
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.releases.store import read_preview

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.releases.preview import Preview


@dataclass(frozen=True, slots=True)
class DeployedPreview:
    """A preview on its server."""

    project: str
    preview: Preview
    running: int

    def fields(self) -> dict[str, object]:
        """Its fields in `--json` output."""
        return {
            "name": self.preview.name,
            "project": self.project,
            "url": self.preview.url or None,
            "since": utc(self.preview.since),
            "until": utc(self.preview.until),
            "by": self.preview.by,
            "running": self.running,
        }


async def read_previews(engine: Engine, of: str) -> tuple[DeployedPreview, ...]:
    """The previews of a project, by its name in ftl.yaml: two round trips."""
    listed = gather2(engine.containers(), engine.networks())
    (containers, networks), volumes = await gather2(listed, engine.volumes())
    running = Counter(one.project for one in containers if one.state == "running")
    owners = {
        *(one.project for one in containers),
        *(one.labels.get(labels.PROJECT, "") for one in networks),
        *(one.labels.get(labels.PROJECT, "") for one in volumes),
    }
    projects = sorted(filter(None, owners))
    stored = await gather(read_preview(engine, project) for project in projects)
    previews = (_named(preview, project, of) for preview, project in zip(stored, projects, strict=True))
    found = [
        DeployedPreview(project, preview, running[project])
        for project, preview in zip(projects, previews, strict=True)
        if preview is not None and preview.of == of
    ]
    return tuple(sorted(found, key=lambda one: one.preview.name))


def _named(preview: Preview | None, project: str, of: str) -> Preview | None:
    """A preview whose file is damaged has its name from the project's."""
    if preview is None or preview.name or not project.startswith(f"{of}-"):
        return preview
    return replace(preview, name=project.removeprefix(f"{of}-"), of=of)
