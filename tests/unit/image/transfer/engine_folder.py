"""An engine's data directory, as a graph driver leaves it when it unpacks layers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from base64 import b64encode
from typing import TYPE_CHECKING

from ftl.image.transfer.presence import chain_ids
from ftl.image.transfer.sources.source import SourceImage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def digest(content: bytes) -> str:
    """How engines name content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def split(tar: bytes, record: Path, folder: Path) -> None:
    """Unpack a tar's files and write down the rest, as tar-split does."""
    lines: list[dict[str, object]] = []
    at = 0

    def segment(end: int) -> None:
        nonlocal at
        if end > at:
            lines.append({"type": 2, "payload": b64encode(tar[at:end]).decode(), "position": len(lines)})
        at = end

    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            segment(member.offset_data)
            name = os.fsencode(member.name)
            line: dict[str, object] = {"type": 1, "payload": None, "position": len(lines)}
            try:
                line["name"] = name.decode()
            except UnicodeDecodeError:
                line["name_raw"] = b64encode(name).decode()
            if member.isreg() and member.size:
                content = tar[at : at + member.size]
                at += member.size
                line["size"] = member.size
                path = folder / member.name.lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            lines.append(line)
    segment(len(tar))
    with gzip.open(record, "wt") as out:
        out.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def install(root: Path, layers: Sequence[bytes], config: bytes = b"{}") -> SourceImage:
    """Put an image of these layers (tars, lowest first) into an engine's data directory."""
    diff_ids = tuple(map(digest, layers))
    configs = root / "image/overlay2/imagedb/content/sha256"
    configs.mkdir(parents=True, exist_ok=True)
    (configs / digest(config)[7:]).write_bytes(config)
    for tar, diff_id, chain_id in zip(layers, diff_ids, chain_ids(diff_ids), strict=True):
        kept = root / "image/overlay2/layerdb/sha256" / chain_id[7:]
        folder = root / "overlay2" / chain_id[10:] / "diff"
        if not kept.exists():
            kept.mkdir(parents=True)
            folder.mkdir(parents=True)
            (kept / "diff").write_text(diff_id)
            (kept / "cache-id").write_text(chain_id[10:])
            split(tar, kept / "tar-split.json.gz", folder)
    return SourceImage("shop:1", digest(config), diff_ids)
