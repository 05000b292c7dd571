"""Which services a command was called for."""

from __future__ import annotations

import pytest

from ftl.config.select import chosen
from ftl.errors import UsageError


def test_chosen_names() -> None:
    """No name means all; given ones come in the project's order, once; a misspelt one gets a suggestion."""
    known = ("web", "api", "db")
    assert chosen((), known, kind="service") == known
    assert chosen(("db", "web", "db"), known, kind="service") == ("web", "db")
    with pytest.raises(UsageError) as caught:
        chosen(("wbe",), known, kind="service")
    assert caught.value.hint == "did you mean `web`?"
