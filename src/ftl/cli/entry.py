"""Where the program begins: `ftl --help` and `ftl --version` at once, everything else with click."""

from __future__ import annotations

import atexit
import gc
import os
import sys

TYPE_CHECKING = False  # like typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `ftl` and exit: 0, 1, 2, 3, 4 or 130 (docs/reference/exit-codes.md)."""
    # What is left at the end is not to be searched for garbage: that took 25 ms where most of the program is loaded.
    atexit.register(gc.freeze)
    _have_streams()
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given in (["--help"], ["-h"]):
        from ftl.cli.overview import overview

        sys.exit(_write(overview()))
    if given == ["--version"]:
        from ftl import __version__

        sys.exit(_write(f"ftl {__version__}\n"))

    from ftl.cli.app import run

    sys.exit(run(given))


def _write(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:  # as rare as it is slow to import what can handle it
        from ftl.cli.failure import report_and_exit_code
        from ftl.cli.output import writing

        try:
            with writing():
                raise
        except Exception as error:  # noqa: BLE001 - what `writing` made of it
            return report_and_exit_code(error)
    return 0


def _have_streams() -> None:
    """Put /dev/null where a standard stream was closed (`ftl deploy <&-`, some schedulers).

    Python has None there, and the next file that is opened would take the number: a socket as a child's stdin.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            lowest_free = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(lowest_free, "r" if name == "stdin" else "w", closefd=False))
