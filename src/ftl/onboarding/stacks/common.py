"""Parts that several detectors share: health paths, start commands that are shell lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.app import FoundHealthCheck

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_PATHS = (
    r"_?healthz?(?:/(?:live|ready)(?:ness|z)?)?|up|livez|readyz|ping|_health|healthcheck|health-check|status"
)
_HEALTH = re.compile(rf"""["'`](?:GET )?(/?(?:api/)?(?:{_PATHS})/?)["'`]""")
_ROUTE = re.compile(r"route|get\(|path\(|url\(|handle|@|\bmap", re.IGNORECASE)
_LISTENS = (
    r"(?:listen|Listen|ListenAndServe|Run|Start)\(\s*[\"'`]?[^\"'`()\s]*?:?(\d{4,5})\b"
    r"|(?:listen\(\s*|[sS]erve\(\s*|^export default\s*)\{[^{}]*?\bport\s*:\s*(\d{4,5})\b"
)
"""A port in the code: as an argument, or in the options of fastify, Bun and Hono."""
_START_PAGE = re.compile(
    r"""(?:\.get|\.route|HandleFunc|\.GET|\.Get|Handle|\.use)\(\s*["'`](?:GET )?/["'`]"""
)


def found_health(folder: AppFolder, *, start_page: bool = False) -> FoundHealthCheck:
    """Find a route that looks like a health check, else `/` if the code or the stack has it."""
    for name, text in folder.sources.items():
        if name.endswith((".yml", ".yaml", ".properties")):
            continue
        for line in text.splitlines():
            match = _HEALTH.search(line) if len(line) < 300 else None
            if match is not None and _ROUTE.search(line):
                return FoundHealthCheck("/" + match[1].removeprefix("/"), f"a route in {name}")
    if start_page:
        return FoundHealthCheck("/", "the start page")
    hit = folder.search(_START_PAGE.pattern)
    if hit is not None:
        return FoundHealthCheck("/", f"the route / in {hit[0]}")
    return FoundHealthCheck(None, "no route of the code looks like a health check")


def found_port(folder: AppFolder, default: int, suffix: str = "") -> tuple[int, str]:
    """The port that the code listens on, and the reason."""
    if "PORT" in folder.variables:
        return default, f"{folder.variables['PORT'].file} reads PORT, which the Dockerfile sets"
    hit = folder.search(_LISTENS, suffix)
    if hit is None:
        return default, "nothing in the code names one: check it"
    shown = re.sub(r"\s+", " ", hit[1][0])
    return int(hit[1][1] or hit[1][2]), f"`{shown}` in {hit[0]}"
