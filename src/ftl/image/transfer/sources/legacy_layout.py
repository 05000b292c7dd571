"""The names of layers in what Docker 20.10 to 24 save: `V1ID/layer.tar`, told before the archive tells them.

`manifest.json`, which says what each directory is, comes last. But the IDs are made from the layers
themselves (moby image/v1 CreateID, called by image/tarexport/save.go, seen on 20.10.24): every layer but
the top one has the digest of a fixed document with its chainID and its parent's ID. The top one's document
holds the image's configuration; it is known by its parent, which its own `json` names and which passes
before its `layer.tar`.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from ftl.image.transfer.presence import chain_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ZERO_CONFIG = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}
"""Go's zero container.Config as it is written; its order counts."""


def v1_ids(layers: Sequence[str]) -> tuple[str, ...]:
    """The IDs (hex) of all layers but the top one, lowest first."""
    ids: list[str] = []
    for chain_id in chain_ids(layers)[:-1]:
        document: dict[str, object] = {
            "container_config": _ZERO_CONFIG,
            "created": "1970-01-01T00:00:00Z",
            "layer_id": chain_id,
        }
        if ids:
            document["parent"] = f"sha256:{ids[-1]}"
        ids.append(hashlib.sha256(json.dumps(document, separators=(",", ":")).encode()).hexdigest())
    return tuple(ids)


class LegacyLayerNames:
    """Which layer lies in which directory of a legacy archive of these images."""

    def __init__(self, images: Iterable[Sequence[str]]) -> None:
        self._known: dict[str, str] = {}
        self._tops: dict[str, set[str]] = {}
        for layers in images:
            ids = v1_ids(layers)
            self._known |= zip(ids, layers[:-1], strict=True)
            self._tops.setdefault(ids[-1] if ids else "", set()).add(layers[-1])

    def learn(self, directory: str, document: bytes) -> None:
        """Take note of a directory's `json`."""
        if directory in self._known:
            return
        try:
            parent = json.loads(document).get("parent", "")
        except (ValueError, AttributeError):
            return
        tops = self._tops.get(parent, set())
        if len(tops) == 1:
            self._known[directory] = next(iter(tops))

    def diff_id(self, directory: str) -> str | None:
        """The layer in a directory; None where it cannot be told beforehand."""
        return self._known.get(directory)
