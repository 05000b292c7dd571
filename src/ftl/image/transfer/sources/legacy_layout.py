"""Predict the names of layers in archives of Docker 20.10 to 24: `V1ID/layer.tar`.

`manifest.json`, which maps directories to layers, comes last. But the IDs are made from the layers
themselves (moby image/v1 CreateID, called by image/tarexport/save.go, seen on 20.10.24): every layer but
the top one has the digest of a fixed document with its chainID and its parent's ID. The top one's document
contains the image's configuration; it is recognised by its parent, which its own `json` names and which comes
before its `layer.tar`.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from ftl.common.json_fields import parse_json
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
"""Go's zero container.Config as it is serialised; the order matters."""


def v1_ids(layers: Sequence[str]) -> tuple[str, ...]:
    """The V1 IDs (hex) of all layers but the top one, lowest first."""
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
    """Maps the directories of a legacy archive to the layers of these images."""

    def __init__(self, images: Iterable[Sequence[str]]) -> None:
        self._diff_ids: dict[str, str] = {}
        self._top_layers: dict[str, set[str]] = {}
        for layers in images:
            ids = v1_ids(layers)
            self._diff_ids |= zip(ids, layers[:-1], strict=True)
            self._top_layers.setdefault(ids[-1] if ids else "", set()).add(layers[-1])

    def add_document(self, directory: str, document: bytes) -> None:
        """Take note of a directory's `json`."""
        if directory in self._diff_ids:
            return
        try:
            parent = parse_json(document).get("parent", "")
        except (ValueError, AttributeError):
            return
        candidates = self._top_layers.get(parent, set())
        if len(candidates) == 1:
            self._diff_ids[directory] = next(iter(candidates))

    def diff_id(self, directory: str) -> str | None:
        """The layer in a directory; None where that cannot be predicted."""
        return self._diff_ids.get(directory)
