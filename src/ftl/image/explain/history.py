"""Read an image's layer sizes from `docker history`."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ftl.child import complete
from ftl.common.json_fields import parse_json
from ftl.dataclass import dataclass
from ftl.image.building.docker_cli.command import cli_environment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.engine.api import Engine

_SECONDS = 30.0
_LAYER = re.compile(r"^(?:RUN|COPY|ADD|WORKDIR) ")


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One entry of an image's history: the instruction that created it, and the bytes it added."""

    created_by: str
    size: int

    @property
    def makes_layer(self) -> bool:
        """Whether BuildKit counts it as a step; other entries only change the config."""
        return _LAYER.match(self.created_by) is not None


async def image_history(image_id: str, engine: Engine, docker: str) -> tuple[HistoryEntry, ...]:
    """Return the history of an image, oldest entry first; empty if the docker CLI fails."""
    argv = [docker, "history", "--no-trunc", "--human=false", "--format", "{{json .}}", image_id]
    try:
        done = await complete(argv, seconds=_SECONDS, env=cli_environment(engine.url, os.environ))
    except (OSError, TimeoutError):
        return ()
    return parse_history(done.lines) if done.exit_code == 0 else ()


def parse_history(lines: Iterable[str]) -> tuple[HistoryEntry, ...]:
    """Parse `docker history --no-trunc --human=false --format '{{json .}}'`, oldest entry first."""
    entries: list[HistoryEntry] = []
    for line in lines:
        try:
            raw = parse_json(line)
            entries.append(HistoryEntry(str(raw["CreatedBy"]), int(raw["Size"])))
        except (ValueError, KeyError, TypeError):
            continue
    return tuple(reversed(entries))
