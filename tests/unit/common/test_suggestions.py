"""Selection by names that a user typed."""

from __future__ import annotations

import pytest

from ftl.common.suggestions import select_names
from ftl.errors import UsageError


def test_names_are_selected() -> None:
    """No name means all; given ones come in the project's order, once; a misspelt one gets a suggestion."""
    known = ("web", "api", "db")
    assert select_names((), known, kind="service") == known
    assert select_names(("db", "web", "db"), known, kind="service") == ("web", "db")
    with pytest.raises(UsageError) as caught:
        select_names(("wbe",), known, kind="service")
    assert caught.value.hint == "did you mean `web`?"
