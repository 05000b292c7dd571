"""Sanitize text of other programs, files and servers for a terminal.

Control characters move the cursor, set titles or write the clipboard; bidirectional controls reorder what is read
(CVE-2021-42574); zero-width characters make two names look alike. Two ways out: a line that a program printed loses
them (`printable`), everything else shows them as escapes (`escaped`), so that a wrong key in a file can be seen.
"""

from __future__ import annotations

import re

from ftl.common.lines import ESCAPE
from ftl.common.redact import redacted

# Unicode's Cc without tab and newline; then Bidi_Control, zero-width and other invisible format characters, and the
# two separators at which terminals and `str.splitlines` begin a line. U+00AD and emoji's variation selectors stay.
_INVISIBLE = r"\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
_UNSAFE = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_INVISIBLE}]")

_RESET = "\x1b[0m"
_COLOUR = re.compile(r"(\x1b\[[0-9;:]*m)")


def escaped(text: str) -> str:
    r"""Show control, bidirectional and zero-width characters as escapes such as `\x1b`.

    Tabs and newlines stay. Idempotent.
    """
    return _UNSAFE.sub(lambda match: _escape(match[0]), redacted(text))


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def printable(line: str, *, colour: bool = False) -> str:
    """Remove escape sequences and unsafe characters from a line of a program's output.

    Colours (SGR) may be kept; they end with the line.
    """
    text = redacted(line).rstrip("\r").rpartition("\r")[2]
    if not colour:
        return _UNSAFE.sub("", ESCAPE.sub("", text))
    kept = ESCAPE.sub(lambda match: match[0] if _COLOUR.fullmatch(match[0]) else "", text)
    # The rest loses every ESC, so that removing what stands between two characters cannot make a sequence of them.
    parts = [part if _COLOUR.fullmatch(part) else _UNSAFE.sub("", part) for part in _COLOUR.split(kept)]
    return "".join(parts) + (_RESET if len(parts) > 1 else "")


def shortened(text: str, limit: int) -> str:
    """The first `limit` characters, and the number of further ones."""
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text) - limit} more characters)"
