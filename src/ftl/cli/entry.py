"""Where the program begins: `ftl --help` and `ftl --version` at once, everything else with click."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # like typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `ftl` and exit: 0, 1, 2, 3, 4 or 130 (docs/reference/exit-codes.md)."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given in (["--help"], ["-h"]):
        from ftl.cli.overview import overview

        sys.exit(_say(overview()))
    if given == ["--version"]:
        from ftl import __version__

        sys.exit(_say(f"ftl {__version__}\n"))

    from ftl.cli.app import run

    sys.exit(run(given))


def _say(text: str) -> int:
    sys.stdout.write(text)
    return 0
