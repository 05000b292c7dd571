"""What it takes to make a layer's difference to another one, and to carry it out.

    python -m bench.differences OLD.tar NEW.tar

Prints one JSON object: the bytes that would travel, and the seconds of each side by itself: to index the old layer and
to compare the new one with it here, and for the server's perl to put it together. The result is compared with NEW.tar.
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
from ftl.image.transfer.delta.delta import DeltaEncoder
from ftl.image.transfer.delta.members import MemberScanner
from ftl.image.transfer.remote.perl import APPLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ftl.image.transfer.delta.delta import DeltaFrame, DeltaWindow

_PIECE = 1 << 20


def pieces(path: Path) -> Iterator[bytes]:
    """A file's bytes."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def windows(made: DeltaEncoder, new: Path) -> Iterator[DeltaWindow]:
    """What is to be compressed."""
    for piece in pieces(new):
        yield from made.feed(piece)
    yield from made.finish()


def difference(old: Path, new: Path, indexed: Callable[[], None] = lambda: None) -> list[DeltaFrame]:
    """A new layer as the difference to an old one.

    Args:
        old: The old one's tar.
        new: The new one's.
        indexed: Called when it is known where the members of the old one lie.
    """
    reader = MemberScanner()
    members = {extent.name: extent for piece in pieces(old) for extent in reader.feed(piece)}
    indexed()
    with old.open("rb") as file, ThreadPoolExecutor(THREADS) as pool:
        made = DeltaEncoder(BaseLayer(file, old.stat().st_size, members))
        return [one.result() for one in [pool.submit(each.frame) for each in windows(made, new)]]


def told(frames: Sequence[DeltaFrame]) -> bytes:
    """What travels of it."""
    heads = ("".join(f" {part.offset} {part.length}" for part in frame.basis) for frame in frames)
    return b"".join(
        f"{len(frame.content)}{ranges}\n".encode() + frame.content
        for frame, ranges in zip(frames, heads, strict=True)
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    given = parser.parse_args()

    times = [time.monotonic()]
    frames = difference(given.old, given.new, lambda: times.append(time.monotonic()))
    began, indexed, compared = *times, time.monotonic()
    sent = told(frames)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "old").symlink_to(given.old.absolute())
        begun = time.monotonic()
        with (work / "made").open("wb") as result:
            subprocess.run(["perl", "-e", APPLY, folder], input=sent + b"0\n", stdout=result, check=True)
        applied = time.monotonic() - begun
        same = filecmp.cmp(given.new, work / "made", shallow=False)
    record = {
        "type": "differences",
        "ok": same,
        "old_bytes": given.old.stat().st_size,
        "new_bytes": given.new.stat().st_size,
        "bytes": len(sent),
        "index_seconds": round(indexed - began, 3),
        "compare_seconds": round(compared - indexed, 3),
        "apply_seconds": round(applied, 3),
    }
    print(json.dumps(record))
    sys.exit(not same)


if __name__ == "__main__":
    main()
