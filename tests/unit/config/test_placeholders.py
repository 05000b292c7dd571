"""Placeholders in ftl.yaml: names that only examples have, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.common.next_step import plain
from ftl.config.loading import load
from ftl.config.notes import placeholder_notes
from ftl.config.project_files import ProjectFiles
from ftl.config.values.addresses import is_example
from ftl.config.variables.sources import read_variables

if TYPE_CHECKING:
    from pathlib import Path

SERVICES = "services: [{name: web, image: 'web:1', port: 80, routes: [/]}]\n"


def notes(folder: Path, text: str) -> list[str]:
    """The notes on an ftl.yaml, without their file."""
    (folder / "ftl.yaml").write_text(text)
    project = load(ProjectFiles(folder / "ftl.yaml", read_variables(folder, {})))
    return [plain(note).rpartition("ftl.yaml:")[2] for note in placeholder_notes(project)]


@pytest.mark.parametrize(
    "name",
    ["example.com", "shop.example.com", "a.b.EXAMPLE.org", "me@example.net", "shop.example"],
)
def test_names_of_examples(name: str) -> None:
    """RFC 2606 reserves them."""
    assert is_example(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "myexample.com",
        "example.io",
        "example.com.au",
        "examples.com",
        "shop.test",
        "a.localhost",
        "10.0.0.1",
    ],
)
def test_names_that_somebody_can_have(name: str) -> None:
    """Also those for a private network or this machine."""
    assert not is_example(name)


def test_the_domain_that_init_writes_is_noted_at_its_line(tmp_path: Path) -> None:
    """A site that nobody can reach is not what a valid file promises; the server that follows from it has no note."""
    (note,) = notes(tmp_path, f"project:\n  name: shop\n  domain: shop.example.com\n{SERVICES}")
    assert note.startswith("3: domain: shop.example.com is a placeholder, and no visitor")
    assert "`ftl deploy --server sandbox` needs none" in note


def test_each_place_has_its_own_consequence(tmp_path: Path) -> None:
    """A server is not found, an address refused, a host unknown; one value is named once."""
    text = """project:
  name: shop
  domain: shop.io
  email: ops@example.com
server:
  host: shop.example.com
services:
  - name: web
    image: web:1
    port: 80
    routes:
      - host: www.example.org
        path: /
      - host: www.example.org
        path: /b
"""
    assert [note[:60] for note in notes(tmp_path, text)] == [
        "12: host: www.example.org is a placeholder, and no visitor and no certi"[:60],
        "6: host: shop.example.com is a placeholder, and no server has it: write"[:60],
        "4: email: ops@example.com is a placeholder, and certificate authorities"[:60],
    ]


def test_an_empty_server_has_no_note_of_its_own(tmp_path: Path) -> None:
    """The domain is in its place, and has one."""
    text = f"project: {{name: shop, domain: shop.example.com}}\nserver: {{host: '${{NONE:-}}'}}\n{SERVICES}"
    assert [note.partition(" is")[0] for note in notes(tmp_path, text)] == ["1: domain: shop.example.com"]


@pytest.mark.parametrize("proxy", ["tls: internal", "tls: off", "acme_ca: https://ca.lan/"])
def test_without_a_public_authority_there_are_no_notes(tmp_path: Path, proxy: str) -> None:
    """`ftl validate` and `ftl plan` say the same."""
    text = f"project: {{name: shop, domain: shop.example.com}}\nproxy: {{{proxy}}}\n{SERVICES}"
    assert not notes(tmp_path, text)


def test_a_host_of_ssh_may_have_any_name(tmp_path: Path) -> None:
    """One without a dot is most likely in ~/.ssh/config."""
    assert not notes(
        tmp_path, f"project: {{name: shop, domain: a.io}}\nserver: {{host: example}}\n{SERVICES}"
    )


def test_a_project_of_ones_own_has_no_notes(tmp_path: Path) -> None:
    """Nor one for this machine."""
    assert not notes(
        tmp_path, f"project: {{name: shop, domain: shop.localhost, email: a@shop.io}}\n{SERVICES}"
    )
