"""Data on stdout: lines, JSON objects and tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ftl.errors import FtlError
from ftl.ui.stream import silence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.ui.style import Part

Fields = Mapping[str, object]
"""Fields of the final `{"type": "result"}` object, without `type`, `ok` and `command`."""


class BrokenStdout(Exception):
    """The reader closed stdout (`ftl logs | head`): the command ends, and that is no failure."""


class OutputLost(FtlError):
    """Stdout cannot be written: the disk is full, for example."""


@contextmanager
def writing() -> Iterator[None]:
    """Turn errors of a write to stdout into ours; wrap every write in it.

    A broken pipe of a connection is another thing, and must not end a command in silence as one of stdout does.

    Raises:
        BrokenStdout: The reader closed stdout.
        OutputLost: Stdout cannot be written.
    """
    try:
        yield
    except BrokenPipeError:
        silence(sys.stdout)
        raise BrokenStdout from None
    except OSError as error:
        silence(sys.stdout)
        raise OutputLost("the output cannot be written", cause=error.strerror) from error


def put(*parts: Part) -> None:
    """Write a line of text for people to stdout, its control characters escaped."""
    from ftl.ui.style import Style

    _write(Style.of(sys.stdout).line(*parts))


def put_json(record: Fields) -> None:
    """Write one JSON object as a line of stdout; tuples become lists, other values strings."""
    from ftl.common.redact import redacted_json

    _write(redacted_json(record))


def put_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    optional: Sequence[str] = (),
    sentences: Sequence[str] = (),
) -> None:
    """Print a table as wide as the terminal; a file or a pipe gets all of it.

    `optional` are columns that a narrow terminal does not show, the least important first; the cells of `sentences` may
    go on in the next line.
    """
    from shutil import get_terminal_size

    from ftl.ui.table import table

    width = get_terminal_size().columns if sys.stdout.isatty() else None
    for line in table(header, rows, width=width, optional=optional, sentences=sentences):
        put(line)


def _write(line: str) -> None:
    with writing():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
