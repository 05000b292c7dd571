"""Where the members of a tar lie: learnt while its bytes pass, without keeping them.

Headers are read here rather than by `tarfile`, which takes 40 microseconds for each: a layer has thousands, and they
would cost as much as compressing it.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, field

from ftl.image.transfer.archive.tar import BLOCK_SIZE, pax_records

_EXTENSION_LIMIT = 1 << 20
"""Bytes of a long name or of pax records beyond which this is no layer of ours to understand."""

_KIND = slice(156, 157)
EXTENSIONS = (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
"""Kinds of headers that say something of the next one."""


@dataclass(frozen=True, slots=True)
class MemberExtent:
    """A member with all of its headers: the bytes from `start` up to `end`; its content has `size` of them."""

    name: bytes
    start: int
    end: int
    size: int = field(default=0, compare=False)

    @property
    def content(self) -> int:
        """Where its content starts."""
        return self.end - self.size - -self.size % BLOCK_SIZE


class MemberScanner:
    """Reads a tar piece by piece and tells the members whose headers have passed.

    What it cannot read it does not report: it only ever serves to find bytes that are alike, and a wrong answer costs
    compression, nothing else.
    """

    def __init__(self) -> None:
        self._position = 0
        self._skip = 0
        self._held = bytearray()
        self._start: int | None = None
        self._name: bytes | None = None
        self._extension = 0
        self._kind = b""
        self._over = False

    def feed(self, data: bytes) -> list[MemberExtent]:
        """Take the next bytes; the members that are known now and were not before."""
        found: list[MemberExtent] = []
        at = 0
        while at < len(data) and not self._over:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                self._position += step
                at += step
                continue
            wanted = self._extension or BLOCK_SIZE
            taken = data[at : at + wanted - len(self._held)]
            self._held += taken
            self._position += len(taken)
            at += len(taken)
            if len(self._held) == wanted:
                block = bytes(self._held)
                self._held.clear()
                if self._extension:
                    self._extended(block)
                elif extent := self._header(block):
                    found.append(extent)
        return found

    @property
    def over(self) -> bool:
        """The archive has ended, or has become something that cannot be read."""
        return self._over

    def pass_over(self, count: int) -> None:
        """Take bytes of a member's content that are not at hand, at most to its end."""
        count = min(count, self._skip)
        self._skip -= count
        self._position += count

    def _header(self, block: bytes) -> MemberExtent | None:
        """A header: an extension announces a name, anything else is a member."""
        kind, size = kind_and_size(block)
        if size is None or not any(block):
            self._over = True  # the end of the archive, or nothing that we understand
            return None
        body = size + -size % BLOCK_SIZE
        if self._start is None:
            self._start = self._position - BLOCK_SIZE
        if kind in EXTENSIONS:
            self._over = body > _EXTENSION_LIMIT
            self._extension, self._kind = body, kind
            return None
        extent = MemberExtent(self._name or _name(block), self._start, self._position + body, size)
        self._start = self._name = None
        self._skip = body
        return extent

    def _extended(self, block: bytes) -> None:
        """What an extension says of the name of the member that follows."""
        self._extension = 0
        if self._kind == tarfile.GNUTYPE_LONGNAME:
            self._name = block.rstrip(b"\0")
        elif self._kind == tarfile.XHDTYPE:
            try:
                path = pax_records(block.rstrip(b"\0")).get("path")
            except ValueError:
                self._over = True
            else:
                self._name = path.encode("utf-8", "surrogateescape") if path else self._name


def kind_and_size(block: bytes) -> tuple[bytes, int | None]:
    """What a header is of, and how many bytes follow it; None where that cannot be understood."""
    return block[_KIND], _size(block)


def _name(block: bytes) -> bytes:
    """The name in a header: in the old form its first field, in ustar's with a prefix."""
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _size(block: bytes) -> int | None:
    """The size in a header: octal, or GNU's binary form; None for neither."""
    field = block[124:136]
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        size = int(field.strip(b"\0 ") or b"0", 8)
    except ValueError:
        return None
    return size if size >= 0 else None
