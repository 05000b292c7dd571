"""Entry point: answers `--help`, `--version` and most Tab keys itself, all else by click."""

from __future__ import annotations

import atexit
import gc
import os
import sys

TYPE_CHECKING = False  # like typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Sequence


_COMPLETE = "_FTL_COMPLETE"
"""Variable by which the shell's function asks for completions, as click names it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `ftl` and exit: 0, 1, 2, 3, 4 or 130 (docs/reference/exit-codes.md)."""
    # Loading modules makes little garbage, but many objects: collecting it again and again took 20 ms of `ftl status`.
    gc.set_threshold(50_000)
    # Without a last garbage collection at exit: it took 25 ms where most of the program is loaded.
    atexit.register(gc.freeze)
    _open_missing_streams()
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words in (["--help"], ["-h"]):
        from ftl.cli.overview import overview

        sys.exit(_write(overview()))
    if words == ["--version"]:
        from ftl import __version__

        sys.exit(_write(f"ftl {__version__}\n"))
    if _COMPLETE in os.environ:
        from ftl.cli.completion.first_words import complete_first_words

        names = complete_first_words(os.environ)
        if names is not None:
            sys.exit(_write(names))
    else:
        from ftl.ssh.multiplexing.early import begin

        begin(words, os.environ)
    from ftl.cli.app import run

    sys.exit(run(words))


def _write(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:  # rare, and the modules that handle it are slow to import
        from ftl.cli.failure import report_and_exit_code
        from ftl.cli.output import writing

        try:
            with writing():
                raise
        except Exception as error:  # noqa: BLE001 - `writing` turned the OSError into one of ours
            return report_and_exit_code(error)
    return 0


def _open_missing_streams() -> None:
    """Put /dev/null where a standard stream was closed (`ftl deploy <&-`, some schedulers).

    Python has None there, and the next file that is opened would take the number: a socket as a child's stdin.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            lowest_free = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(lowest_free, "r" if name == "stdin" else "w", closefd=False))
