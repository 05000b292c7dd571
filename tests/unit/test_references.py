"""Image references, taken apart and spelled out as Docker does."""

from __future__ import annotations

import pytest

from ftl.references import familiar, listed, qualified, registry, repository, split


def test_a_registry_port_is_no_tag() -> None:
    """Only what follows the last colon of the last part is a tag."""
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
    """The registry is spelled out as Docker understands the reference."""
    assert qualified(reference) == expected


@pytest.mark.parametrize(
    "reference", ["postgres", "postgres:latest", "library/postgres", "docker.io/library/postgres:latest"]
)
def test_all_spellings_of_a_name_become_one(reference: str) -> None:
    """The default registry, namespace and tag make no difference."""
    assert familiar(reference) == "postgres:latest"


def test_a_digest_is_no_tag() -> None:
    """A reference by digest keeps it in its familiar form, and its repository has none."""
    reference = "ghcr.io/me/app@sha256:" + "0" * 64
    assert familiar(reference) == reference
    assert split(reference) == ("ghcr.io/me/app", "latest")
    assert registry(reference) == "ghcr.io"


def test_an_engine_lists_what_has_a_digest_by_that_alone() -> None:
    """A tag in front of a digest is for people."""
    digest = "sha256:" + "0" * 64
    assert listed(f"docker.io/library/nginx:1.27@{digest}") == f"nginx@{digest}"
    assert listed(f"localhost:5000/web:1@{digest}") == f"localhost:5000/web@{digest}"
    assert listed("docker.io/library/nginx") == "nginx:latest"
