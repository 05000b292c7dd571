"""The file of a project: ftl.yaml here or above, or the one of -f."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # like typing's, without importing typing
if TYPE_CHECKING:
    from ftl.errors import UsageError

FILE = "ftl.yaml"


def find_file(given: str | None) -> str:
    """Path of the project's file: the given one, or the nearest ftl.yaml here or above.

    Raises:
        UsageError: There is none.
    """
    if given is not None:
        if os.path.isdir(given):  # noqa: PTH112 - pathlib would cost this path 5 ms
            return find_file(os.path.join(given, FILE))  # noqa: PTH118
        if not os.path.exists(given):  # noqa: PTH110
            raise _usage_error(f"there is no file `{given}`")
        return given
    folder = os.getcwd()  # noqa: PTH109
    while True:
        path = os.path.join(folder, FILE)  # noqa: PTH118
        if os.path.isfile(path):  # noqa: PTH113
            return os.path.relpath(path)
        parent = os.path.dirname(folder)  # noqa: PTH120
        if parent == folder:
            from ftl.common.next_step import ftl

            raise _usage_error(
                f"there is no {FILE} here or in any folder above",
                hint=f"{ftl('init')} creates one; `-f FILE` uses another file",
            )
        folder = parent


def _usage_error(message: str, *, hint: str | None = None) -> UsageError:
    from ftl.errors import UsageError  # 17 ms, which a key press of completion need not wait for

    return UsageError(message, hint=hint)
