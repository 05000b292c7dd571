"""Every input of the corpus is parsed, or refused by an error that users can read."""

from __future__ import annotations

import pytest

from tests.fuzz.targets import TARGETS, corpus, run


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_the_corpus_crashes(name: str) -> None:
    """A parser of foreign bytes raises nothing but FTL's own errors."""
    inputs = corpus(name)
    assert inputs
    for data in inputs:
        run(name, data)
