"""What a containerd store would save: the manifests, which there come after the layers they name.

Such an engine streams an image without writing it to disk first, and sorts its members by name. So the
archive is read twice: once for its documents alone, then for the layers. An image may have several
platforms; the one of the server is chosen here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ftl.errors import TransferFailed
from ftl.image.transfer.archive.tar import TarReader
from ftl.image.transfer.sources.source import DOCUMENT_LIMIT, SourceImage
from ftl.json_fields import as_object, as_objects, as_str, as_strs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ftl.json_fields import Json


async def read_oci_index(
    stream: AsyncIterator[bytes], images: Mapping[str, str], platform: str
) -> list[SourceImage]:
    """Find the images in what the engine saves.

    Args:
        stream: What the engine answers, read to its end.
        images: Reference -> image ID (the digest of its manifest or index).
        platform: The server's ("linux/arm64/v8").

    Raises:
        TransferFailed: An image is not there for that platform, or not whole.
    """
    documents = await _documents(stream)
    return [_wanted(documents, reference, image, platform) for reference, image in images.items()]


def platform_matches(known: str, platform: str) -> bool:
    """Whether an image's platform is a server's: system and architecture, and the variant where both name one."""
    ours, theirs = known.split("/"), platform.split("/")
    return min(len(ours), len(theirs)) >= 2 and all(
        one == other for one, other in zip(ours, theirs, strict=False)
    )


async def _documents(stream: AsyncIterator[bytes]) -> dict[str, Json]:
    """Every JSON blob: digest -> document. Layers are told by their first byte and pass unread."""
    reader = TarReader(stream, what="what the engine on this machine saves")
    found: dict[str, Json] = {}
    while member := await reader.next():
        prefix, _, name = member.name.rpartition("/")
        if prefix != "blobs/sha256" or not 2 <= member.size <= DOCUMENT_LIMIT:
            continue
        content = b""
        async for piece in reader.body():
            content += piece
            if not content.startswith(b"{"):
                break
        if content.startswith(b"{"):
            document = _parsed(content)
            if document is not None:
                found[f"sha256:{name}"] = document
    return found


def _parsed(content: bytes) -> Json | None:
    try:
        return as_object(json.loads(content))
    except ValueError:
        return None


def _wanted(documents: Mapping[str, Json], reference: str, image: str, platform: str) -> SourceImage:
    manifest = _manifest(documents, reference, documents.get(image), platform)
    config = as_str(as_object(manifest.get("config")).get("digest"))
    layers = as_strs(as_object(documents.get(config, {}).get("rootfs")).get("diff_ids"))
    blobs = [as_str(descriptor.get("digest")) for descriptor in as_objects(manifest.get("layers"))]
    if not layers or len(layers) != len(blobs):
        raise _incomplete(reference)
    return SourceImage(reference, config, layers, dict(zip(blobs, layers, strict=True)))


def _manifest(documents: Mapping[str, Json], reference: str, document: Json | None, platform: str) -> Json:
    """The manifest for a platform; an index may name several, and the proofs of how they were built."""
    if document is None:
        raise _incomplete(reference)
    entries = as_objects(document.get("manifests"))
    if not entries:
        return document
    named = {_platform(as_object(entry.get("platform"))): as_str(entry.get("digest")) for entry in entries}
    matching = [digest for known, digest in named.items() if platform_matches(known, platform)]
    if not matching:
        others = sorted(known for known in named if not known.startswith("unknown"))
        raise TransferFailed(
            f"{reference} is not there for {platform}, the platform of the server",
            cause=f"it is for {', '.join(others) or 'no platform that is named'}",
            hint=f"build it with `platform: {platform}`, or pull it for that platform",
        )
    chosen = documents.get(matching[0])
    if chosen is None:
        raise _incomplete(reference)
    return chosen


def _platform(value: Json) -> str:
    return "/".join(part for key in ("os", "architecture", "variant") if (part := as_str(value.get(key))))


def _incomplete(reference: str) -> TransferFailed:
    return TransferFailed(
        f"the engine on this machine did not save all of {reference}",
        cause="its manifest or config is missing",
        hint="build or pull the image again",
    )
