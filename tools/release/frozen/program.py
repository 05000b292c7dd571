"""The one-file's program: `ftl`, with the environment that its user has."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

LIBRARIES = "LD_LIBRARY_PATH"
FILE = "FTL_ONEFILE"
"""Variable by which the launcher names its own file, which is not the program that it starts."""


def main() -> None:
    """Undo what launcher and bootloader set, and run `ftl`."""
    restore(os.environ)
    sys.executable = os.environ.pop(FILE, sys.executable)

    from ftl.cli import main as ftl

    ftl()


def restore(environ: MutableMapping[str, str]) -> None:
    """Take PyInstaller's variables out, by which ssh, docker and git would load this program's libraries.

    A hook that runs `ftl` gets a program that begins anew, too.
    """
    original = environ.pop(f"{LIBRARIES}_ORIG", None)
    environ.pop(LIBRARIES, None)
    if original:
        environ[LIBRARIES] = original
    for name in [name for name in environ if name.startswith("_PYI_")]:
        del environ[name]


if __name__ == "__main__":
    main()
