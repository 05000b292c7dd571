"""Matching and removing a route's path, on the path as it was sent.

Caddy's own matcher and rewriter for prefixes work on a path that is decoded, has no doubled slashes and no case. So
`/API/x` and `/api%2Fx` would belong to `/api`, and `/api//x` would lose a slash. RFC 3986 compares paths by case, and
takes `%2F` for a character of a segment; only the encodings of other characters stand for the same path (6.2.2).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from ftl.common.json_fields import JsonObject


def path_matcher(path: str) -> JsonObject:
    """Matcher of a path and the paths below it."""
    # The URI is the escaped path with the query.
    return {"vars_regexp": {"{http.request.uri}": {"pattern": f"^{_spellings(path)}(?:[/?]|$)"}}}


def strip_path(path: str) -> JsonObject:
    """Handler that removes a path from a request's URI; the rest begins with a slash."""
    find = f"^{_spellings(path)}(?:/|$)"
    return {"handler": "rewrite", "path_regexp": [{"find": find, "replace": "/"}]}


def _spellings(path: str) -> str:
    """Pattern of all the ways to write a path: each character as such or percent-encoded, a slash as such."""
    return "".join(map(_spelling, unquote_to_bytes(path)))


def _spelling(byte: int) -> str:
    character = chr(byte)
    if character == "/":
        return character
    encoded = "%" + "".join(
        f"[{digit}{digit.lower()}]" if digit.isalpha() else digit for digit in f"{byte:02X}"
    )
    return f"(?:{re.escape(character)}|{encoded})" if 0x20 < byte < 0x7F else encoded
