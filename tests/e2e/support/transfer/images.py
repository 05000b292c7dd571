"""Reproducible images for tests of transfers, and the engines to send them between."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import sys
import tarfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lab import images as lab_images

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.image.transfer.archive.archive import blob_path, sha256_digest
from ftl.image.transfer.sources.saved_archive import SavedArchive
from ftl.image.transfer.sources.source import SourceImage
from ftl.ssh.openssh import connect
from ftl.ssh.target import Target

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence

    from lab.servers import Server

    from ftl.engine.values import EngineInfo

T = TypeVar("T")
Form = Literal["plain", "gzip", "zstd"]

PATIENCE = 120.0
"""Seconds that a test waits at most; nothing is measured."""

_SUFFIX = {"plain": "", "gzip": "+gzip", "zstd": "+zstd"}


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine, with a timeout."""
    return asyncio.run(asyncio.wait_for(work, PATIENCE))


def layer(files: Mapping[str, bytes], *, mtime: int = 0) -> bytes:
    """A layer's tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(content), 0o755, mtime
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@dataclass(frozen=True)
class Made:
    """An image: its layers' tars, lowest first, its labels and architecture."""

    layers: tuple[bytes, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "amd64"

    @property
    def config(self) -> bytes:
        """The image's config; a container of it prints the file /text."""
        return json.dumps(
            {
                "architecture": self.architecture,
                "os": "linux",
                "created": "2026-01-02T03:04:05Z",
                "config": {"Cmd": ["/bin/busybox", "cat", "/text"], "Labels": dict(self.labels)},
                "rootfs": {"type": "layers", "diff_ids": [sha256_digest(tar) for tar in self.layers]},
                "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "a test"} for _ in self.layers],
            }
        ).encode()


def archive(tag: str, images: Sequence[Made], form: Form = "plain") -> bytes:
    """An archive for `docker load`: one image, or (containerd store) an index of several platforms."""
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def add(content: bytes, kind: str) -> dict[str, Any]:
        files[blob_path(sha256_digest(content))] = content
        return {"mediaType": kind, "digest": sha256_digest(content), "size": len(content)}

    oci = "application/vnd.oci.image"
    compressors: dict[str, Callable[[bytes], bytes]] = {
        "plain": bytes,
        "gzip": lambda tar: gzip.compress(tar, 1, mtime=0),
        "zstd": zstd.compress,
    }
    compress = compressors[form]
    descriptors: list[dict[str, Any]] = []
    for image in images:
        layers = [add(compress(tar), f"{oci}.layer.v1.tar{_SUFFIX[form]}") for tar in image.layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{oci}.manifest.v1+json",
            "config": add(image.config, f"{oci}.config.v1+json"),
            "layers": layers,
        }
        entry = add(json.dumps(manifest).encode(), f"{oci}.manifest.v1+json")
        descriptors.append(entry | {"platform": {"os": "linux", "architecture": image.architecture}})
    if len(descriptors) > 1:
        index = {"schemaVersion": 2, "mediaType": f"{oci}.index.v1+json", "manifests": descriptors}
        descriptors = [add(json.dumps(index).encode(), f"{oci}.index.v1+json")]
    else:
        paths = [blob_path(each["digest"]) for each in layers]
        files["manifest.json"] = json.dumps(
            [{"Config": blob_path(sha256_digest(images[0].config)), "RepoTags": [tag], "Layers": paths}]
        ).encode()
    descriptors[0]["annotations"] = {
        "io.containerd.image.name": f"docker.io/library/{tag}",
        "org.opencontainers.image.ref.name": tag.rpartition(":")[2],
    }
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": descriptors}).encode()
    return layer(files)


async def stream(content: bytes) -> AsyncIterator[bytes]:
    """The content in chunks."""
    for start in range(0, len(content), 1 << 18):
        yield content[start : start + (1 << 18)]


async def load(engine: Engine, tag: str, *images: Made, form: Form = "plain") -> None:
    """Load an image into an engine, without FTL."""
    await engine.load(stream(archive(tag, images, form)))


def busybox() -> bytes:
    """A static busybox, out of the lab's image."""
    lab_images.ensure("busybox")

    async def fetch() -> bytes:
        async with Engine(local_url(), name="this machine") as engine:
            image = await engine.image(lab_images.BUSYBOX)
            assert image is not None
            source_image = SourceImage(lab_images.BUSYBOX, image.id, image.layers)
            saved = SavedArchive(
                engine.save([lab_images.BUSYBOX]), [source_image], frozenset(image.layers), measure_all=True
            )
            async for layer in saved.layers():
                tar = b"".join([chunk async for chunk in layer.chunks])
                with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
                    for member in opened:
                        if member.isreg() and member.name.endswith("bin/busybox"):
                            program = opened.extractfile(member)
                            assert program is not None
                            return program.read()
            raise AssertionError("no busybox in the image")

    return run(fetch())


@dataclass(frozen=True)
class Ends:
    """The engines of a transfer."""

    source: Engine
    target: Engine
    info: EngineInfo


@asynccontextmanager
async def engine_of(server: Server) -> AsyncIterator[Engine]:
    """A server's engine, over SSH."""
    target = Target(server.host, server.port, server.user, server.key, server.known_hosts)
    async with (
        connect(target, interactive=False) as machine,
        Engine(await machine.engine_url(), name=server.name, explain=machine.explain) as engine,
    ):
        yield engine


@asynccontextmanager
async def ends(server: Server) -> AsyncIterator[Ends]:
    """From this machine to a server."""
    async with Engine(local_url(), name="this machine") as source, engine_of(server) as target:
        yield Ends(source, target, await target.info())
