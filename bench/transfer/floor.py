"""Lower bound of the time for `deps` over the slowest link, part by part on an idle machine.

    python -m bench.transfer floor [SUITE/STORE]

A connection and a command over it; the bytes of the delta at the link's rate; and the engine's loading, from an
archive of the missing layers that is on the server already. An engine with graph drivers begins to unpack when the
archive is complete, which is not before the last byte has arrived: so these follow one another. Prints one JSON
object: bytes, and seconds (medians of 5).
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, cast

from lab.server import docker
from lab.servers import Lab

from bench.delta import make_delta
from bench.project import run_name
from bench.transfer import images
from bench.transfer.links import LINKS, open_link
from ftl.image.transfer.archive.archive import ArchivedImage, archive_documents, blob_path

if TYPE_CHECKING:
    from collections.abc import Collection

    from lab.servers import Server, Store

_RUNS = 5
_ARCHIVE = "/var/tmp/missing.tar"


@dataclass(frozen=True, slots=True)
class _Saved:
    """An image saved by the local engine.

    Attributes:
        folder: The unpacked archive.
        config: The path of the config in it.
        layers: diffID -> tar of the layer.
    """

    folder: Path
    config: str
    layers: dict[str, Path]


def measure_floor(server: str) -> dict[str, object]:
    """Measure the parts.

    Args:
        server: SUITE/STORE.
    """
    made = images.ensure_images("web", "ftl")
    suite, store = cast("tuple[str, Store]", server.split("/"))
    link = LINKS["20mbit-60ms"]
    assert link.rate is not None
    with tempfile.TemporaryDirectory(prefix="ftl-bench-") as name, Lab(run_name("bench")) as lab:
        there = lab.server("floor", suite=suite, store=store)
        old = _saved(made.reference("base"), Path(name, "base"))
        new = _saved(made.reference("deps"), Path(name, "deps"))
        # Blobs of a containerd store have other digests if `docker save` made the archive.
        whole = _archive(made.reference("base"), old, old.layers, Path(name, "base.tar"))
        docker("cp", str(whole), f"{there.container}:{_ARCHIVE}")
        there.docker("load", "--quiet", "--input", _ARCHIVE)
        missing = {layer: path for layer, path in new.layers.items() if layer not in old.layers}
        gone = [path for layer, path in old.layers.items() if layer not in new.layers]
        frames = make_delta(_largest(gone), _largest([*missing.values()]))
        sent = sum(len(frame.encoded()) for frame in frames)
        archive = _archive(made.reference("deps"), new, missing, Path(name, "missing.tar"))
        docker("cp", str(archive), f"{there.container}:{_ARCHIVE}")
        load = _loading(there, made.reference("deps"))
        with open_link(link, there.address, 22) as traffic:
            connect = _connecting(there, traffic.port, Path(name, "known_hosts"))
    wire = sent / link.rate
    seconds = {"connect": connect, "wire": wire, "load": load, "sum": connect + wire + load}
    rounded = {part: round(value, 2) for part, value in seconds.items()}
    return {"type": "floor", "server": server, "bytes": sent, **rounded}


def _saved(reference: str, folder: Path) -> _Saved:
    folder.mkdir()
    with subprocess.Popen(("docker", "save", reference), stdout=subprocess.PIPE) as source:
        subprocess.run(("tar", "-xC", str(folder)), stdin=source.stdout, check=True)
    (manifest,) = json.loads((folder / "manifest.json").read_text())
    layers = json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", reference).stdout)
    tars = [(folder / path).resolve() for path in manifest["Layers"]]  # the same layer twice is a link
    return _Saved(folder, manifest["Config"], dict(zip(layers, tars, strict=True)))


def _largest(layers: list[Path]) -> Path:
    return max(layers, key=lambda path: path.stat().st_size)


def _archive(reference: str, image: _Saved, layers: Collection[str], path: Path) -> Path:
    """An archive for `docker load` with some of the layers alone, which both stores load."""
    archived = ArchivedImage(reference, (image.folder / image.config).read_bytes(), tuple(image.layers))
    sizes = {layer: tar.stat().st_size for layer, tar in image.layers.items()}
    with tarfile.open(path, "w") as archive:
        for layer in layers:
            archive.add(image.layers[layer], blob_path(layer))
        for name, content in archive_documents([archived], sizes).items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path


def _loading(server: Server, reference: str) -> float:
    """Seconds for the server's engine to load the archive, with the start of the docker command."""
    found: list[float] = []
    for _ in range(_RUNS):
        began = time.monotonic()
        server.docker("load", "--quiet", "--input", _ARCHIVE)
        found.append(time.monotonic() - began)
        server.docker("rmi", reference)
    return median(found)


def _connecting(server: Server, port: int, known_hosts: Path) -> float:
    """Seconds to connect and run a command."""
    known_hosts.write_text(f"[127.0.0.1]:{port} {server.known_hosts.read_text().split(maxsplit=1)[1]}")
    options = ("-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", str(server.key))
    found: list[float] = []
    for _ in range(_RUNS):
        argv = (
            "ssh",
            *options,
            "-o",
            f"UserKnownHostsFile={known_hosts}",
            "-p",
            str(port),
            "-l",
            server.user,
        )
        began = time.monotonic()
        subprocess.run((*argv, "127.0.0.1", "true"), stdin=subprocess.DEVNULL, check=True, timeout=60)
        found.append(time.monotonic() - began)
    return median(found)
