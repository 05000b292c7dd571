"""What is remembered between pushes: which layer is in a blob of which digest, and where our endpoint listened.

That a blob of a digest holds a certain tar is true for ever and on every machine, so it is kept for all
engines together. The port and the name stay the same from push to push, because engines write down for each
layer in which registries it lies, and have room for 50: a new name each time would push out the real ones.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.image.json_files import cache_file, read_json, write_json
from ftl.json_fields import as_int, as_object, as_str

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FORMAT = 1

_MOST = 4000
"""Blobs that are kept, the latest; some 250 bytes each."""


@dataclass(frozen=True, slots=True)
class KnownBlob:
    """A layer as an engine uploads it.

    Attributes:
        diff_id: Of its tar.
        size: Of its tar, in bytes.
        packed: Of the blob itself, in bytes.
    """

    diff_id: str
    size: int
    packed: int


class BlobCache:
    """A file in the user's cache folder, for them alone: the name in it keeps others on this machine out.

    Args:
        path: Instead of the usual one.

    Attributes:
        blobs: Digest -> what is in that blob.
        name: The secret part of our endpoint's names.
        port: Where it listened last; 0 at first.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or cache_file("pushed.json")
        raw = self._read()
        self.blobs = _blobs(raw)
        self.name = as_str(raw.get("name")) or secrets.token_hex(16)
        self.port = as_int(raw.get("port"))

    def unknown(self, layers: Iterable[str]) -> set[str]:
        """The diffIDs whose blobs are not known."""
        return set(layers) - {blob.diff_id for blob in self.blobs.values()}

    def save(self) -> None:
        """Add what is new to the file."""
        kept = list((_blobs(self._read()) | self.blobs).items())[-_MOST:]
        blobs = {digest: [blob.diff_id, blob.size, blob.packed] for digest, blob in kept}
        write_json(self._path, {"format": _FORMAT, "name": self.name, "port": self.port, "blobs": blobs})

    def _read(self) -> dict[str, object]:
        raw = read_json(self._path)
        return raw if raw.get("format") == _FORMAT else {}


def _blobs(raw: dict[str, object]) -> dict[str, KnownBlob]:
    return {
        digest: KnownBlob(as_str(value[0]), as_int(value[1]), as_int(value[2]))
        for digest, value in as_object(raw.get("blobs")).items()
        if isinstance(value, list) and len(value) == 3
    }
