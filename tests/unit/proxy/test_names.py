"""Names on a server."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.proxy.names import (
    ProxyNames,
    issuer_key,
    live_file,
    project_bridge,
    project_network,
    release_alias,
    storage_key,
)

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,80}", fullmatch=True)


@given(NAMES, NAMES, st.integers(1, 10**9))
def test_an_alias_is_one_label_of_a_name(project: str, service: str, number: int) -> None:
    """For names of any length the alias is one label that DNS and Go's resolver accept, with the release in it."""
    alias = release_alias(project, service, f"r{number}")
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", alias)
    assert len(alias) <= 63
    assert alias.startswith(f"r{number}-")


@given(NAMES, NAMES, NAMES, NAMES)
def test_different_services_have_different_aliases(one: str, two: str, three: str, four: str) -> None:
    """No two services of a server share an alias, even if their names join to the same text."""
    same = (one, two) == (three, four)
    assert (release_alias(one, two, "r1") == release_alias(three, four, "r1")) is same


def test_names_that_join_to_the_same_text_differ() -> None:
    """Project `a-b` with service `c` is not project `a` with service `b-c`."""
    assert release_alias("a-b", "c", "r1") != release_alias("a", "b-c", "r1")
    assert live_file("a-b", "c") != live_file("a", "b-c")


@given(NAMES)
def test_the_proxys_network_sorts_first(project: str) -> None:
    """Docker takes the default route from the first network in lexical order, which must be `ftl-edge`."""
    assert ProxyNames().network < project_network(project)


@given(NAMES, NAMES)
def test_an_interface_name_is_recognized_by_the_firewall(first: str, second: str) -> None:
    """It begins with `ftl-`, is short enough for the kernel, and is unique for a project."""
    assert re.fullmatch(r"ftl-[0-9a-f]{11}", project_bridge(first))
    assert (project_bridge(first) == project_bridge(second)) is (first == second)


@pytest.mark.parametrize(
    ("directory", "folder"),
    [
        ("https://acme-v02.api.letsencrypt.org/directory", "acme-v02.api.letsencrypt.org-directory"),
        ("https://acme.zerossl.com/v2/DV90", "acme.zerossl.com-v2-dv90"),
        ("https://ca.lan:14000/dir/", "ca.lan-14000-dir"),
        ("https://ca.lan", "ca.lan"),
        ("https://CA.lan/acme/my%20ca/directory?x=1", "ca.lan-acme-my_ca-directory"),
    ],
)
def test_an_issuer_has_a_folder(directory: str, folder: str) -> None:
    """It is named for the authority's URL, as Caddy does."""
    assert issuer_key(directory) == folder


def test_storage_keys_are_caddys() -> None:
    """Characters that a file system might reject are replaced."""
    assert storage_key("*.Shop.example.com") == "wildcard_.shop.example.com"
    assert storage_key("2001:db8::1") == "2001-db8--1"
