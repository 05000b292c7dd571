"""The port that code listens on, and whether others reach it there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.databases import NOT_HTTP_PORTS

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_OF_SERVER = r"\bhttp\.Server\{[^{}]*?\bAddr:"
"""The address of Go's http.Server: clients of databases have a field of that name, too."""

_LISTENS = (
    r"(?:listen|Listen|ListenAndServe|Run|Start)\(\s*[\"'`]?[^\"'`()\s]*?:?(\d{4,5})\b"
    r"|(?:listen\(\s*|[sS]erve\(\s*|^export default\s*)\{[^{}]*?\bport\s*:\s*(\d{4,5})\b"
    rf"|{_OF_SERVER}\s*\"[^\"\s]*:(\d{{4,5}})\""
    r"|\bflag\.(?:String|Int)\(\s*\"(?:http[-.]?)?(?:addr|port|listen)\w*\"\s*,\s*\"?[^\"\s]*?:?(\d{4,5})\b"
)
"""A port in the code: an argument, options of fastify, Bun and Hono, Go's http.Server, or a flag."""

_NAMED = (
    r"(?:listen|Listen|ListenAndServe|Run|Start)\(\s*([A-Za-z_]\w*)\s*[,)]"
    r"|(?:listen|[sS]erve)\(\s*\{[^{}]*?\b(?:port\s*:\s*([A-Za-z_]\w*)|(port|PORT)\s*[,}])"
    rf"|{_OF_SERVER}\s*([A-Za-z_]\w*)\s*[,}}]"
)
"""A name for it, which the same file gives a value."""

_LOOPBACK = r"[\"'`](?:localhost|127\.0\.0\.1)(?=(?::(\d{4,5}))?)"
_AT_LOOPBACK = (
    rf"(?:listen|Listen|ListenAndServe|Run|Start)\(\s*(?:[\w.]+\s*,\s*)?{_LOOPBACK}"
    rf"|{_OF_SERVER}\s*{_LOOPBACK}"
    rf"|(?:listen|[sS]erve)\(\s*\{{[^{{}}]*?\bhost(?:name)?\s*:\s*{_LOOPBACK}"
)
_OF_FASTIFY = r"\.listen\(\s*\{(?![^{}]*\bhost\b)[^{}]*\bport\b[^{}]*\}"
"""Fastify listens on localhost where nothing names a host."""


def found_port(folder: AppFolder, default: int, suffix: str = "") -> tuple[int, str]:
    """The port that the code listens on, and the reason."""
    if "PORT" in folder.variables:
        return default, f"{folder.variables['PORT'].file} reads PORT, which the Dockerfile sets"
    hit = _search(folder, _LISTENS, suffix)
    if hit is not None:
        number = next(filter(None, hit[1].groups()))
        return int(number), f"`{_shown(hit[1][0])}` in {hit[0]}"
    if named := _by_name(folder, suffix):
        return named
    return default, "nothing in the code names one: check it"


def loopback(folder: AppFolder, suffix: str = "") -> str:
    """A thing to do where the app listens on the loopback address; empty if it does not."""
    hit = _search(folder, _AT_LOOPBACK, suffix)
    if hit is None and '"fastify"' in folder.read("package.json"):
        hit = folder.search(_OF_FASTIFY)
    if hit is None:
        return ""
    how = "write `host: '0.0.0.0'`" if not suffix else "leave the host out"
    return f"{how} in `{_shown(hit[1][0])}` of {hit[0]}: it listens on the loopback address, where no proxy reaches it"


def _by_name(folder: AppFolder, suffix: str) -> tuple[int, str] | None:
    """The port that a name stands for, in the file that listens."""
    hit = folder.search(_NAMED, suffix)
    if hit is None:
        return None
    name = next(filter(None, hit[1].groups()))
    value = re.search(
        rf"^[ \t]*(?:(?:export|const|let|var)\s+)*{name}\b[^=\n]*=\s*(?:Number\()?[\"'`]?[^\"'`\s\d]*?:?(\d{{4,5}})\b",
        folder.sources[hit[0]],
        re.MULTILINE,
    )
    if value is None or int(value[1]) in NOT_HTTP_PORTS:
        return None
    return int(value[1]), f"`{_shown(value[0])}` in {hit[0]}"


def _search(folder: AppFolder, pattern: str, suffix: str) -> tuple[str, re.Match[str]] | None:
    """The first match with its file, unless its port is that of a database: a client's, then."""
    for name, text in folder.sources.items():
        for match in re.finditer(pattern, text, re.MULTILINE) if name.endswith(suffix) else ():
            ports = [int(port) for port in match.groups() if port]
            if NOT_HTTP_PORTS.isdisjoint(ports):
                return name, match
    return None


def _shown(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
