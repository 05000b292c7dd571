"""Image archive that every engine loads: an OCI image layout with Docker's `manifest.json`.

Layers are *uncompressed* blobs, so a blob's digest is the layer's diffID, and blobs that the server has are
left out. Loaded and run on Docker 20.10.24, 26.1.5 and 28.5.2, on the overlay2 store (which reads
`manifest.json`) and, on the latter two, the containerd store (which reads `index.json`). Docker's own form
without the OCI layout fails on the containerd store when a layer is left out.

The documents that name the layers come last: their sizes are known only once they have been sent.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from ftl.common.json_fields import parse_json
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


def sha256_digest(content: bytes) -> str:
    """The content's digest, "sha256:HEX"."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def blob_path(digest: str) -> str:
    """The path of a blob in an OCI image layout."""
    return f"blobs/{digest.replace(':', '/')}"


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """An image in an archive; `layers` are diffIDs, lowest first.

    `config` is its config document, byte for byte: its digest is the image's identity.
    """

    tag: str
    config: bytes
    layers: tuple[str, ...]

    @property
    def config_digest(self) -> str:
        """The image ID on graph drivers."""
        return sha256_digest(self.config)

    def manifest(self, sizes: Mapping[str, int]) -> bytes:
        """The OCI manifest; its digest is the image ID on the containerd store.

        `sizes` are uncompressed and of every layer, those left out of the archive too: that store relies on them when
        it saves the image.
        """
        return _json(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {"mediaType": _CONFIG, "digest": self.config_digest, "size": len(self.config)},
                "layers": [
                    {"mediaType": _LAYER, "digest": layer, "size": sizes[layer]} for layer in self.layers
                ],
            }
        )


def archive_documents(images: Sequence[ArchivedImage], sizes: Mapping[str, int]) -> dict[str, bytes]:
    """Everything in the archive but the layers: path -> content, in the order to write it."""
    documents = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"})}
    descriptors: list[dict[str, object]] = []
    for image in images:
        manifest = image.manifest(sizes)
        documents[blob_path(image.config_digest)] = image.config
        documents[blob_path(sha256_digest(manifest))] = manifest
        descriptors.append(_descriptor(image, manifest))
    documents["index.json"] = _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": descriptors})
    documents["manifest.json"] = _json(
        [
            {
                "Config": blob_path(image.config_digest),
                "RepoTags": [image.tag],
                "Layers": [blob_path(layer) for layer in image.layers],
            }
            for image in images
        ]
    )
    return documents


def _descriptor(image: ArchivedImage, manifest: bytes) -> dict[str, object]:
    """The image's entry in `index.json`; containerd takes its name from the first annotation."""
    config = parse_json(image.config)
    platform = {key: config[key] for key in ("architecture", "os", "variant") if config.get(key)}
    return {
        "mediaType": _MANIFEST,
        "digest": sha256_digest(manifest),
        "size": len(manifest),
        "platform": platform,
        "annotations": {
            "io.containerd.image.name": f"docker.io/library/{image.tag}",
            "org.opencontainers.image.ref.name": image.tag.rpartition(":")[2],
        },
    }


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
