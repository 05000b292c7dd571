"""Paths that a development server passes on: on a server, routes of another service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.onboarding.folder import AppFolder

_CONFIGURATIONS = (
    *(f"vite.config.{end}" for end in ("ts", "js", "mts", "mjs")),
    "vue.config.js",
    "src/setupProxy.js",
    "proxy.conf.json",
    "src/proxy.conf.json",
    "proxy.conf.js",
    "src/proxy.conf.js",
)
_BLOCK = re.compile(r"\bproxy\s*:\s*\{")
_KEY = re.compile(r"[\"'`]?\^?(/[\w/-]+?)/?(?:\(?[.*][^\"'`]*)?[\"'`]\s*:\s*(?=[{\"'`\w])")
_MIDDLEWARE = re.compile(r"\.use\(\s*[\"'`](/[\w/-]+)[\"'`]\s*,\s*(?:createProxyMiddleware|proxy)\(")
_MOST = 2000
"""Characters of a block that are looked at."""


def proxied_paths(folder: AppFolder) -> Iterator[str]:
    """A thing to do for each path that goes elsewhere while the app is developed."""
    for file in _CONFIGURATIONS:
        text = folder.read(file)
        for path, rewritten in _paths(file, text):
            strip = ", strip_prefix: true" if rewritten else ""
            yield (
                f"{path} goes to another server while you develop ({file}): give the service of that one "
                f"`routes: [{{path: {path}{strip}}}]`; without it, this one answers there with its start page"
            )
    target = folder.read_json("package.json").get("proxy") if folder.has("package.json") else None
    if isinstance(target, str):
        yield (
            f"requests for an API go to {target} while you develop (proxy in package.json): give the service of that "
            "one its path, as `routes: [{path: /api}]`; without it, this one answers there with its start page"
        )


def _paths(file: str, text: str) -> Iterator[tuple[str, bool]]:
    """Paths, and whether the other server gets them without the path."""
    for match in _MIDDLEWARE.finditer(text):
        yield match[1], "pathRewrite" in text[match.end() : match.end() + 300]
    block = _BLOCK.search(text)
    inner = _inside(text[block.end() :]) if block else text if "proxy.conf" in file else ""
    keys = list(_KEY.finditer(inner))
    for key, end in zip(keys, [*(each.start() for each in keys), len(inner)][1:], strict=True):
        own = inner[key.end() : end]
        yield key[1], bool(re.search(r"\b(?:rewrite|pathRewrite)\b", own))


def _inside(text: str) -> str:
    """The text up to the brace that closes a block."""
    depth = 1
    for place, sign in enumerate(text[:_MOST]):
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            return text[:place]
    return text[:_MOST]
