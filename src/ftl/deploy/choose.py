"""The services or dependencies that a command was called for, checked against those of the project."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def chosen(given: Sequence[str], known: Sequence[str], *, kind: str) -> tuple[str, ...]:
    """The given names in the project's order, each once; all of them when none is given.

    Args:
        given: What the user wrote.
        known: What there is.
        kind: What messages call one of them ("service").

    Raises:
        UsageError: One is unknown; suggests what was probably meant.
    """
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            has = f"the project has {', '.join(known)}" if known else f"the project has no {kind}"
            raise UsageError(
                f"there is no {kind} `{name}`", hint=f"did you mean `{near[0]}`?" if near else has
            )
    return tuple(name for name in known if name in given or not given)
