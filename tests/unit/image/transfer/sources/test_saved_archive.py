"""Tests of archives that engines save: recorded (see saved/README.md), also damaged."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.errors import TransferFailed
from ftl.image.transfer.sources.legacy_layout import v1_ids
from ftl.image.transfer.sources.oci_index import read_oci_index
from ftl.image.transfer.sources.saved_archive import SavedArchive
from ftl.image.transfer.sources.source import SourceImage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ONE = "sha256:da9a6a88e3366e85dda8ad5dc6fb380065b76b25027e07ffcac89207aa8661e7"
TWO = "sha256:23f8618e2c5949ca8e241106c71d8109615537de3bf0e56a9f24517ba6210f30"
THREE = "sha256:7d8380959958cb2351d0c5dd7772c16b2d58bbd9317ba459143153d0a7ac3afa"
FIRST = SourceImage(
    "shop-rec:first",
    "sha256:760c396acda1868ae1fd1d2760c92bf9686eb512d8d59ee268ba3f71e34728aa",
    (ONE, TWO, ONE, TWO),
)
SECOND = SourceImage(
    "shop-rec:second",
    "sha256:7fe6959d93ed9af8b7b21ac3b4ca831abfea74e94b356ac6f7410559f63e2426",
    (ONE, TWO, ONE, TWO, THREE),
)
MANIFESTS = {
    "shop-rec:first": "sha256:f6f64703eae626c9e301e68517314ffbd80223ba172b44d474b4e1b57e7a1685",
    "shop-rec:second": "sha256:0ebfdac2deb1fcb6c157439d1ca82cd58bc7a56e504c65e1f10698242cee31f1",
}
LEGACY, OCI, CONTAINERD = "docker-20.10.24", "docker-26.1.5-overlay2", "docker-26.1.5-containerd"


def recorded(engine: str) -> bytes:
    """The archive that this engine wrote."""
    return gzip.decompress((Path(__file__).parent / "saved" / f"{engine}.tar.gz").read_bytes())


async def stream(content: bytes) -> AsyncIterator[bytes]:
    """The content in chunks."""
    for start in range(0, len(content), 700):
        yield content[start : start + 700]


def source_images(engine: str, content: bytes) -> list[SourceImage]:
    """The images as they are known in advance: inspected, or by the containerd store's OCI index."""
    if engine == CONTAINERD:
        return asyncio.run(read_oci_index(stream(content), MANIFESTS, "linux/amd64"))
    return [FIRST, SECOND]


def read(
    content: bytes, images: list[SourceImage], needed: set[str], *, measure_all: bool = True
) -> tuple[list[tuple[str, int]], SavedArchive]:
    """The layers that are yielded, with the size that was announced, and the reader."""

    async def run() -> tuple[list[tuple[str, int]], SavedArchive]:
        saved = SavedArchive(stream(content), images, frozenset(needed), measure_all=measure_all)
        layers: list[tuple[str, int]] = []
        async for layer in saved.layers():
            body = b"".join([chunk async for chunk in layer.chunks])
            assert layer.diff_id == f"sha256:{hashlib.sha256(body).hexdigest()}"
            layers.append((layer.diff_id, len(body)))
            assert layer.size == len(body)
        return layers, saved

    return asyncio.run(run())


def edited(content: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """An archive with entries changed or (None) removed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(content)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            if not member.isreg():
                new.addfile(member)
                continue
            body = change(member.name, old.extractfile(member).read())  # type: ignore[union-attr]
            if body is not None:
                member.size = len(body)
                new.addfile(member, io.BytesIO(body))
    return out.getvalue()


@pytest.mark.parametrize("engine", [LEGACY, OCI, CONTAINERD])
@pytest.mark.parametrize("needed", [{ONE, TWO, THREE}, {THREE}, {TWO}, set()])
def test_needed_layers_are_yielded_once(engine: str, needed: set[str]) -> None:
    """From every format of archive, with several images, repeated layers, and compressed ones."""
    content = recorded(engine)
    layers, saved = read(content, source_images(engine, content), needed)
    assert sorted(layers) == sorted((layer, 2048) for layer in needed)
    assert saved.sizes == dict.fromkeys([ONE, TWO, THREE], 2048)


@pytest.mark.parametrize("engine", [LEGACY, OCI, CONTAINERD])
def test_the_configs_are_read_byte_for_byte(engine: str) -> None:
    """Their digests are the images' identity."""
    content = recorded(engine)
    _, saved = read(content, source_images(engine, content), set())
    assert saved.configs.keys() == {FIRST.config_digest, SECOND.config_digest}
    assert all(f"sha256:{hashlib.sha256(body).hexdigest()}" == name for name, body in saved.configs.items())


def test_legacy_directories_are_predicted() -> None:
    """The IDs of all layers but the top one follow from the layers alone, as in Docker 20.10.24."""
    assert [name[:12] for name in v1_ids(SECOND.layers)] == [
        "8c900182a3d3",
        "6b0411fbde06",
        "e16e3be08177",
        "f3143e55ab1c",
    ]


def test_a_legacy_layer_with_an_unknown_name_is_found() -> None:
    """An engine that makes its IDs in another way costs only a temporary file."""

    def rename(name: str, body: bytes) -> bytes | None:
        return b"{}" if name.endswith("/json") else body

    content = edited(recorded(LEGACY), rename).replace(b"8c900182a3d3", b"0123456789ab")
    content = _with_checksums(content)
    layers, _ = read(content, [FIRST, SECOND], {ONE, THREE})
    assert sorted(layers) == sorted([(ONE, 2048), (THREE, 2048)])


def _with_checksums(content: bytes) -> bytes:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(_with_header_checksums(content))) as old,
        tarfile.open(fileobj=out, mode="w") as new,
    ):
        for member in old:
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    return out.getvalue()


def _with_header_checksums(content: bytes) -> bytes:
    """Correct the checksums of headers whose names were changed."""
    corrected = bytearray(content)
    for start in range(0, len(corrected), 512):
        block = corrected[start : start + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            corrected[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    return bytes(corrected)


def test_podmans_archive_is_read() -> None:
    """Its layers are named by their diffIDs alone."""
    diff_ids = {"8c900182a3d3": ONE, "6b0411fbde06": TWO, "be35336f67d4": THREE}
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(recorded(LEGACY))) as old,
        tarfile.open(fileobj=out, mode="w") as new,
    ):
        for member in old:
            if member.name.endswith("/layer.tar") and member.isreg():
                member.name = f"{diff_ids[member.name[:12]].removeprefix('sha256:')}.tar"
            elif "/" in member.name or member.isdir():
                continue
            new.addfile(member, old.extractfile(member))
    layers, _ = read(out.getvalue(), [FIRST, SECOND], {ONE, TWO, THREE})
    assert len(layers) == 3


@pytest.mark.parametrize("engine", [LEGACY, OCI, CONTAINERD])
def test_a_layer_that_does_not_match_its_digest_is_an_error(engine: str) -> None:
    """In every format, and compressed or not."""
    content = recorded(engine)
    images = source_images(engine, content)
    layer = next((blob for image in images for blob, name in image.blobs.items() if name == THREE), THREE)
    names = ("be35336f67d4", layer.removeprefix("sha256:"))

    def damage(name: str, body: bytes) -> bytes:
        damaged = body[:-1] + b"!" if any(part in name for part in names) and "json" not in name else body
        return damaged if len(body) == 2048 else body

    with pytest.raises(TransferFailed, match="damaged"):
        read(edited(content, damage), images, {THREE})


def test_a_truncated_compressed_layer_is_an_error() -> None:
    """It is not taken for a shorter one."""
    content = recorded(CONTAINERD)
    images = source_images(CONTAINERD, content)
    cut = edited(content, lambda _name, body: body[:60] if len(body) in {107, 111} else body)
    with pytest.raises(TransferFailed, match="damaged"):
        read(cut, images, {ONE, TWO})


@pytest.mark.parametrize("prefix", [f"{FIRST.config_digest.removeprefix('sha256:')}.json", "be35336f67d4"])
def test_a_missing_part_is_an_error(prefix: str) -> None:
    """A config or a layer that the engine left out."""
    content = edited(recorded(LEGACY), lambda name, body: None if name.startswith(prefix) else body)
    with pytest.raises(TransferFailed, match="did not save all of shop-rec:first, shop-rec:second"):
        read(content, [FIRST, SECOND], {THREE})


def test_a_truncated_stream_is_an_error() -> None:
    """It is not taken for an image with fewer layers."""
    with pytest.raises(TransferFailed, match="ended early"):
        read(recorded(LEGACY)[:9000], [FIRST, SECOND], {ONE})


def test_without_measure_all_other_layers_are_not_decompressed() -> None:
    """The size of their blobs stands in for the size of their tars."""
    content = recorded(CONTAINERD)
    _, saved = read(content, source_images(CONTAINERD, content), {THREE}, measure_all=False)
    assert saved.sizes[THREE] == 2048
    assert min(saved.sizes.values()) < 200


def index(*entries: tuple[str, str]) -> tuple[bytes, str]:
    """An archive of the containerd store with one image of several platforms; the image's ID."""
    blobs: dict[str, bytes] = {}

    def add(value: object) -> dict[str, object]:
        content = json.dumps(value).encode()
        name = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{name}"] = content
        return {"digest": f"sha256:{name}", "size": len(content)}

    manifests: list[dict[str, object]] = []
    for platform, layer in entries:
        system, architecture, *variant = platform.split("/")
        config = add({"rootfs": {"diff_ids": [layer]}, "architecture": architecture})
        manifest = add({"config": config, "layers": [{"digest": f"{layer}-gz"}]})
        platform_fields = {"os": system, "architecture": architecture} | (
            {"variant": variant[0]} if variant else {}
        )
        manifests.append(manifest | {"platform": platform_fields})
    top = add({"manifests": manifests})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in sorted(blobs.items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue(), str(top["digest"])


@pytest.mark.parametrize(
    ("platform", "layer"),
    [("linux/amd64", "sha256:amd"), ("linux/arm64", "sha256:arm"), ("linux/arm64/v8", "sha256:arm")],
)
def test_of_several_platforms_the_servers_is_chosen(platform: str, layer: str) -> None:
    """Whatever the local platform; BuildKit's attestations are no platform."""
    content, image = index(
        ("linux/amd64", "sha256:amd"), ("linux/arm64/v8", "sha256:arm"), ("unknown/unknown", "sha256:proof")
    )
    (chosen,) = asyncio.run(read_oci_index(stream(content), {"shop-web": image}, platform))
    assert chosen.layers == (layer,)
    assert chosen.blobs == {f"{layer}-gz": layer}


def test_a_missing_platform_is_an_error_that_names_the_others() -> None:
    """The message says what to build for."""
    content, image = index(("linux/arm64/v8", "sha256:arm"), ("unknown/unknown", "sha256:proof"))
    with pytest.raises(TransferFailed, match="does not exist for linux/amd64") as caught:
        asyncio.run(read_oci_index(stream(content), {"shop-web": image}, "linux/amd64"))
    assert caught.value.cause == "it is for linux/arm64/v8"


def test_an_incomplete_image_is_an_error() -> None:
    """A store may have an image's name without its content."""
    with pytest.raises(TransferFailed, match="did not save all of shop-rec:first"):
        asyncio.run(
            read_oci_index(stream(recorded(CONTAINERD)), {"shop-rec:first": "sha256:0"}, "linux/amd64")
        )


def test_a_manifest_with_a_wrong_layer_is_an_error() -> None:
    """It names another layer than its blob contains."""
    content = recorded(CONTAINERD)
    first, second = source_images(CONTAINERD, content)
    swapped = {blob: {ONE: TWO, TWO: ONE}.get(layer, layer) for blob, layer in first.blobs.items()}
    with pytest.raises(TransferFailed, match="damaged"):
        read(content, [replace(first, blobs=swapped), replace(second, blobs={})], {ONE})
