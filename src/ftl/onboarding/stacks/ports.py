"""The port that code listens on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_LISTENS = (
    r"(?:listen|Listen|ListenAndServe|Run|Start)\(\s*[\"'`]?[^\"'`()\s]*?:?(\d{4,5})\b"
    r"|(?:listen\(\s*|[sS]erve\(\s*|^export default\s*)\{[^{}]*?\bport\s*:\s*(\d{4,5})\b"
)
"""A port in the code: as an argument, or in the options of fastify, Bun and Hono."""


def found_port(folder: AppFolder, default: int, suffix: str = "") -> tuple[int, str]:
    """The port that the code listens on, and the reason."""
    if "PORT" in folder.variables:
        return default, f"{folder.variables['PORT'].file} reads PORT, which the Dockerfile sets"
    hit = folder.search(_LISTENS, suffix)
    if hit is None:
        return default, "nothing in the code names one: check it"
    shown = re.sub(r"\s+", " ", hit[1][0])
    return int(hit[1][1] or hit[1][2]), f"`{shown}` in {hit[0]}"
