"""What the firewall lets through: the lines of /etc/ftl/firewall.conf."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.server.setup.ports import Port

_HEAD = """\
# What FTL's part of the firewall lets through to this server, beside what `forwards` in a deployed ftl.yaml names.
# allow PORT/tcp or allow PORT/udp opens a port to everybody; leave PORT/tcp (SSH) has the server's other rules decide.
# A line that you add stays. To put it in force: ftl-firewall apply
"""
_LINE = re.compile(r"(allow|leave) (\d{1,5})/(tcp|udp)")


def firewall_conf(
    there: bytes | None, ports: Iterable[Port], *, left: Iterable[Port] = (), owner: Literal["own", "ufw"]
) -> bytes:
    """The file as it should be: what it says already, and these.

    Args:
        there: The file; None: there is none.
        ports: What must be open to everybody.
        left: What the other rules go on deciding about, unless it is open to everybody.
        owner: Who decides about what is meant for the server itself: FTL's own chain or ufw.
    """
    allow = dict.fromkeys((*allowed(there), *ports))
    leave = dict.fromkeys(one for one in (*untouched(there), *left) if one not in allow)
    said = (*(("leave", *one) for one in leave), *(("allow", *one) for one in allow))
    lines = [f"input {owner}", *(f"{word} {number}/{protocol}" for word, number, protocol in said)]
    return (_HEAD + "\n".join(lines) + "\n").encode()


def allowed(content: bytes | None) -> tuple[Port, ...]:
    """What such a file opens to everybody."""
    return _named("allow", content)


def untouched(content: bytes | None) -> tuple[Port, ...]:
    """What such a file leaves to the server's other rules."""
    return _named("leave", content)


def _named(word: str, content: bytes | None) -> tuple[Port, ...]:
    matches = map(_LINE.fullmatch, (content or b"").decode(errors="replace").splitlines())
    return tuple((int(found[2]), found[3]) for found in matches if found is not None and found[1] == word)
