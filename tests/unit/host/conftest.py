"""Fixtures of the tests of the server's scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.webhook_receiver import webhook_receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.webhook_receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that answers 200."""
    with webhook_receiver() as running:
        yield running
