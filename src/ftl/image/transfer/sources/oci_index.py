"""Reader of the OCI index in the output of `docker save` with a containerd store.

The manifests come after the layers that they name: such an engine streams an image without writing it to disk
first, and sorts the entries by name. So the archive is read twice: once for its documents alone, then for the layers.
An image may have several platforms; the server's platform is chosen here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object, as_objects, as_str, as_strs, parse_json
from ftl.errors import TransferFailed
from ftl.image.transfer.archive.tar import TarReader
from ftl.image.transfer.sources.source import DOCUMENT_LIMIT, SourceImage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ftl.common.json_fields import Json


async def read_oci_index(
    stream: AsyncIterator[bytes], images: Mapping[str, str], platform: str
) -> list[SourceImage]:
    """Find the images in the output of `docker save`.

    `images` is reference -> image ID, the digest of its manifest or index. The stream is read to its end.

    Raises:
        TransferFailed: An image is not there for that platform, or incomplete.
    """
    documents = await _documents(stream)
    return [_source_image(documents, reference, image_id, platform) for reference, image_id in images.items()]


def platform_matches(a: str, b: str) -> bool:
    """Whether two platforms have the same system, architecture, and variant if both name one."""
    parts, other_parts = a.split("/"), b.split("/")
    return min(len(parts), len(other_parts)) >= 2 and all(
        part == other for part, other in zip(parts, other_parts, strict=False)
    )


async def _documents(stream: AsyncIterator[bytes]) -> dict[str, Json]:
    """Every JSON blob: digest -> document. Layers are recognised by their first byte and skipped."""
    reader = TarReader(stream, name="the archive from the engine on this machine")
    documents: dict[str, Json] = {}
    while entry := await reader.next():
        folder, _, name = entry.name.rpartition("/")
        if folder != "blobs/sha256" or not 2 <= entry.size <= DOCUMENT_LIMIT:
            continue
        content = b""
        async for chunk in reader.body():
            content += chunk
            if not content.startswith(b"{"):
                break
        if content.startswith(b"{"):
            document = _parse(content)
            if document is not None:
                documents[f"sha256:{name}"] = document
    return documents


def _parse(content: bytes) -> Json | None:
    try:
        return as_object(parse_json(content))
    except ValueError:
        return None


def _source_image(documents: Mapping[str, Json], reference: str, image_id: str, platform: str) -> SourceImage:
    manifest = _manifest(documents, reference, documents.get(image_id), platform)
    config = as_str(as_object(manifest.get("config")).get("digest"))
    layers = as_strs(as_object(documents.get(config, {}).get("rootfs")).get("diff_ids"))
    blobs = [as_str(descriptor.get("digest")) for descriptor in as_objects(manifest.get("layers"))]
    if not layers or len(layers) != len(blobs):
        raise _incomplete(reference)
    return SourceImage(reference, config, layers, dict(zip(blobs, layers, strict=True)))


def _manifest(documents: Mapping[str, Json], reference: str, document: Json | None, platform: str) -> Json:
    """The manifest for a platform; an index may name several, and build attestations."""
    if document is None:
        raise _incomplete(reference)
    descriptors = as_objects(document.get("manifests"))
    if not descriptors:
        return document
    digests = {
        _platform(as_object(descriptor.get("platform"))): as_str(descriptor.get("digest"))
        for descriptor in descriptors
    }
    matching = [digest for candidate, digest in digests.items() if platform_matches(candidate, platform)]
    if not matching:
        others = sorted(candidate for candidate in digests if not candidate.startswith("unknown"))
        raise TransferFailed(
            f"{reference} does not exist for {platform}, the server's platform",
            cause=f"it is for {', '.join(others) or 'no platform that is named'}",
            hint=f"build it with `platform: {platform}`, or pull it for that platform",
        )
    manifest = documents.get(matching[0])
    if manifest is None:
        raise _incomplete(reference)
    return manifest


def _platform(value: Json) -> str:
    return "/".join(part for key in ("os", "architecture", "variant") if (part := as_str(value.get(key))))


def _incomplete(reference: str) -> TransferFailed:
    return TransferFailed(
        f"the engine on this machine did not save all of {reference}",
        cause="its manifest or config is missing",
        hint="build or pull the image again",
    )
