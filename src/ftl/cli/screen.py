"""Tables on stdout, as wide as the terminal if it is one."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from ftl.cli.common import put
from ftl.ui.table import table

if TYPE_CHECKING:
    from collections.abc import Sequence


def put_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; nothing is cut off when stdout is a file or a pipe."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in table(header, rows, width=width):
        put(line)
