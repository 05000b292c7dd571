"""Cache of known blobs, with the layer in each, and of the upload endpoint's address.

That a blob of a digest contains a certain tar is true for ever and on every machine, so it is kept for all
engines together. The port and the name stay the same from push to push, because engines write down for each
layer in which registries it is, and have room for 50: a new name each time would push out the real ones.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_int, as_object, as_str
from ftl.common.user_files import cache_file, read_json, write_json
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FORMAT = 1

_MAX_BLOBS = 4000
"""Number of blobs that are kept, the latest; some 250 bytes each."""


@dataclass(frozen=True, slots=True)
class KnownBlob:
    """The layer in a blob that an engine uploads.

    Attributes:
        diff_id: The digest of its tar.
        size: Size of its tar, in bytes.
        compressed_size: Size of the blob itself, in bytes.
    """

    diff_id: str
    size: int
    compressed_size: int


class BlobCache:
    """A private file in the user's cache folder; the endpoint's name keeps other users out.

    Attributes:
        blobs: Digest -> the layer in that blob.
        name: The secret part of the upload endpoint's repository.
        port: The port of the last upload endpoint; 0 at first.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or cache_file("pushed.json")
        raw = self._read()
        self.blobs = _blobs(raw)
        self.name = as_str(raw.get("name")) or secrets.token_hex(16)
        self.port = as_int(raw.get("port"))

    def unknown(self, layers: Iterable[str]) -> set[str]:
        """The diffIDs of which no blob is known."""
        return set(layers) - {blob.diff_id for blob in self.blobs.values()}

    def save(self) -> None:
        """Merge newly known blobs into the file."""
        latest = list((_blobs(self._read()) | self.blobs).items())[-_MAX_BLOBS:]
        blobs = {digest: [blob.diff_id, blob.size, blob.compressed_size] for digest, blob in latest}
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
