"""Paths of routes are matched and removed as they were sent."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.proxy.configuration.paths import path_matcher, strip_path


def matched(path: str, uri: str) -> bool:
    """Whether a request for a URI belongs to a route's path. RE2 and Python read these patterns alike."""
    matcher: Any = path_matcher(path)
    return re.search(matcher["vars_regexp"]["{http.request.uri}"]["pattern"], uri) is not None


def stripped(path: str, sent: str) -> str:
    """The path that the service gets."""
    handler: Any = strip_path(path)
    (change,) = handler["path_regexp"]
    return re.sub(change["find"], change["replace"], sent)


@pytest.mark.parametrize("uri", ["/api", "/api/", "/api?x=1", "/api/x", "/api//x", "/%61pi/x", "/ap%69"])
def test_a_path_matches_itself_and_what_is_below(uri: str) -> None:
    """An encoded letter is the same letter."""
    assert matched("/api", uri)


@pytest.mark.parametrize(
    "uri", ["/", "/apix", "/API", "/API/x", "/api%2Fx", "/api%2fx", "//api", "/x/api", "/api;x"]
)
def test_other_paths_do_not_match(uri: str) -> None:
    """Case counts, and an encoded slash is part of a segment's name."""
    assert not matched("/api", uri)


@pytest.mark.parametrize(
    ("sent", "received"),
    [("/api", "/"), ("/api/", "/"), ("/api/x", "/x"), ("/api//x", "//x"), ("/api/a%2Fb", "/a%2Fb")],
)
def test_the_rest_of_a_path_stays_as_it_was_sent(sent: str, received: str) -> None:
    """Also slashes and encodings."""
    assert stripped("/api", sent) == received


@pytest.mark.parametrize("path", ["/caf\u00e9", "/caf%C3%A9", "/caf%c3%a9"])
def test_a_path_is_the_same_in_every_spelling(path: str) -> None:
    """As text or percent-encoded, in ftl.yaml as in the request."""
    assert matched(path, "/caf%C3%A9/x")
    assert matched(path, "/caf%c3%a9")


@given(st.text("ab.+()[]{}|^$\\/-_~@:", min_size=1, max_size=8))
def test_every_character_stands_for_itself(text: str) -> None:
    """None is part of the pattern."""
    assert matched(f"/{text}", f"/{text}/x")
    assert not matched(f"/{text}", f"/x{text}")
