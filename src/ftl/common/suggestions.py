"""Names that a user typed: selection by them, and suggestions for misspelt ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def closest_match(name: str, known: Collection[str], cutoff: float = 0.6) -> str | None:
    """The known name most similar to `name`; None if none is similar.

    Below the similarity `cutoff` (0 to 1, as in `difflib`) none is suggested.
    """
    import difflib

    matches = difflib.get_close_matches(name, known, 1, cutoff)
    return matches[0] if matches else None


def select_names(given: Sequence[str], known: Sequence[str], *, kind: str) -> tuple[str, ...]:
    """The given names in the order of `known`, each once; all known names if none is given.

    `kind` is the noun that messages use for one of them ("service").

    Raises:
        UsageError: A name is unknown; the hint suggests a similar one.
    """
    for name in given:
        if name not in known:
            match = closest_match(name, known)
            available = f"the project has {', '.join(known)}" if known else f"the project has no {kind}"
            raise UsageError(
                f"there is no {kind} `{name}`", hint=f"did you mean `{match}`?" if match else available
            )
    return tuple(name for name in known if name in given or not given)
