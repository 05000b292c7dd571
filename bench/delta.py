"""Benchmark of a layer's delta: the bytes to send, and the seconds to make and to apply it.

    python -m bench.delta OLD.tar NEW.tar

Prints one JSON object. Seconds are those of each side by itself: to index the old layer and to compare the new one with
it here, and for the server's Perl program to apply the delta. The result is compared with NEW.tar.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.image.transfer.delivery.frames import THREADS
from ftl.image.transfer.delta.base_layer import BaseLayer
from ftl.image.transfer.delta.encoder import DeltaEncoder
from ftl.image.transfer.delta.members import MemberScanner
from ftl.image.transfer.remote.scripts import APPLY_DELTA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftl.image.transfer.delta.encoder import DeltaFrame, DeltaWindow

_CHUNK = 1 << 20


def chunks(path: Path) -> Iterator[bytes]:
    """A file's bytes."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def windows(encoder: DeltaEncoder, new: Path) -> Iterator[DeltaWindow]:
    """The windows of a new layer, uncompressed."""
    for chunk in chunks(new):
        yield from encoder.feed(chunk)
    yield from encoder.finish()


def make_delta(old: Path, new: Path, indexed: Callable[[], None] = lambda: None) -> list[DeltaFrame]:
    """Make the delta of a new layer to an old one.

    Args:
        old: The old layer's tar.
        new: The new layer's tar.
        indexed: Called when the old layer is indexed.
    """
    scanner = MemberScanner()
    members = {member.name: member for chunk in chunks(old) for member in scanner.feed(chunk)}
    indexed()
    with old.open("rb") as file, ThreadPoolExecutor(THREADS) as pool:
        encoder = DeltaEncoder(BaseLayer(file, old.stat().st_size, members))
        frames = [pool.submit(window.compress) for window in windows(encoder, new)]
        return [frame.result() for frame in frames]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    arguments = parser.parse_args()

    times = [time.monotonic()]
    frames = make_delta(arguments.old, arguments.new, lambda: times.append(time.monotonic()))
    began, indexed, compared = *times, time.monotonic()
    sent = b"".join(frame.encoded() for frame in frames)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "base").symlink_to(arguments.old.absolute())
        apply_began = time.monotonic()
        with (work / "result").open("wb") as result:
            argv = ["perl", "-e", APPLY_DELTA, folder]
            subprocess.run(argv, input=sent + b"0\n", stdout=result, check=True)
        applied = time.monotonic() - apply_began
        same = filecmp.cmp(arguments.new, work / "result", shallow=False)
    record = {
        "type": "delta",
        "ok": same,
        "old_bytes": arguments.old.stat().st_size,
        "new_bytes": arguments.new.stat().st_size,
        "bytes": len(sent),
        "index_seconds": round(indexed - began, 3),
        "compare_seconds": round(compared - indexed, 3),
        "apply_seconds": round(applied, 3),
    }
    print(json.dumps(record))
    sys.exit(not same)


if __name__ == "__main__":
    main()
