"""Parsing and normalizing image references as Docker does."""

from __future__ import annotations

import pytest

from ftl.common.references import as_listed, familiar, qualified, registry, repository, split


def test_a_registry_port_is_not_a_tag() -> None:
    """The tag follows the last colon of the last path component."""
    assert repository("localhost:5000/web:r1") == "localhost:5000/web"
    assert repository("localhost:5000/web") == "localhost:5000/web"
    assert repository("shop-web:r1") == "shop-web"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("postgres:16", "docker.io/library/postgres:16"),
        ("me/app", "docker.io/me/app"),
        ("ghcr.io/me/app:1", "ghcr.io/me/app:1"),
        ("localhost/app", "localhost/app"),
        ("localhost:5000/app", "localhost:5000/app"),
    ],
)
def test_a_reference_without_a_registry_is_docker_hubs(reference: str, expected: str) -> None:
    """The registry is explicit, as Docker understands the reference."""
    assert qualified(reference) == expected


@pytest.mark.parametrize(
    "reference", ["postgres", "postgres:latest", "library/postgres", "docker.io/library/postgres:latest"]
)
def test_all_forms_of_a_name_have_one_familiar_form(reference: str) -> None:
    """The default registry, namespace and tag do not matter."""
    assert familiar(reference) == "postgres:latest"


def test_a_digest_is_not_a_tag() -> None:
    """A digest is part of the familiar form, and not of the repository."""
    reference = "ghcr.io/me/app@sha256:" + "0" * 64
    assert familiar(reference) == reference
    assert split(reference) == ("ghcr.io/me/app", "latest")
    assert registry(reference) == "ghcr.io"


def test_an_engine_lists_a_digest_without_the_tag() -> None:
    """A tag before a digest is informational."""
    digest = "sha256:" + "0" * 64
    assert as_listed(f"docker.io/library/nginx:1.27@{digest}") == f"nginx@{digest}"
    assert as_listed(f"localhost:5000/web:1@{digest}") == f"localhost:5000/web@{digest}"
    assert as_listed("docker.io/library/nginx") == "nginx:latest"
