"""What the names of images that FTL did not build stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.common.references import configured_reference, pull_reference
from ftl.deploy.plan.pins import (
    digest_of,
    origin_digest,
    with_digest,
)
from ftl.engine.values import Image

if TYPE_CHECKING:
    from ftl.engine.values import Store

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@pytest.mark.parametrize(
    ("reference", "digests", "expected"),
    [
        ("nginx:1.27", [f"nginx@{ONE}"], ONE),
        ("docker.io/library/nginx", [f"nginx@{ONE}"], ONE),
        (
            "registry.example.com:5000/shop/web:1",
            [f"nginx@{ONE}", f"registry.example.com:5000/shop/web@{TWO}"],
            TWO,
        ),
        (f"nginx@{ONE}", [f"nginx@{ONE}"], ONE),
        (f"nginx:1.27@{TWO}", [f"nginx@{ONE}", f"nginx@{TWO}"], TWO),
        (f"nginx@{TWO}", [f"nginx@{ONE}"], ""),
        ("nginx:1.27", [f"mirror.example.com/nginx@{ONE}", f"team/nginx@{TWO}"], ""),
        ("nginx:1.27", [], ""),
    ],
)
def test_the_digest_of_a_name(reference: str, digests: list[str], expected: str) -> None:
    """It is the one in the name's own repository; an image that was sent has none."""
    assert digest_of(reference, digests) == expected


@pytest.mark.parametrize(
    ("store", "recorded", "expected"),
    [
        ("overlay2", "", ONE),
        ("containerd", None, ONE),
        ("containerd", f"nginx@{ONE}", ONE),
        ("containerd", "", ""),
    ],
)
def test_a_digest_is_no_proof_of_a_pull(store: Store, recorded: str | None, expected: str) -> None:
    """The containerd store gives one to what was sent as well: the last release's record knows better."""
    image = Image("i", ("nginx:1.27",), (f"nginx@{ONE}",), (), {}, "linux/amd64", 1)
    assert origin_digest("nginx:1.27", image, store, recorded) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("nginx:1.27", f"nginx:1.27@{ONE}"),
        ("localhost:5000/web", f"localhost:5000/web:latest@{ONE}"),
        (f"nginx@{TWO}", f"nginx@{TWO}"),
        (f"nginx:1@{TWO}", f"nginx:1@{TWO}"),
    ],
)
def test_a_reference_that_is_held_fast(reference: str, expected: str) -> None:
    """The digest comes after the tag; one that ftl.yaml names stays."""
    assert with_digest(reference, ONE) == expected


@pytest.mark.parametrize(
    ("image", "name", "where_from"),
    [
        (f"nginx:1.27@{ONE}", "nginx:1.27", f"nginx@{ONE}"),
        (f"localhost:5000/web:1@{ONE}", "localhost:5000/web:1", f"localhost:5000/web@{ONE}"),
        (f"localhost:5000/web@{ONE}", f"localhost:5000/web@{ONE}", f"localhost:5000/web@{ONE}"),
        ("shop-web:r5", "shop-web:r5", ""),
        (ONE, ONE, ""),
    ],
)
def test_what_a_container_says_of_its_image(image: str, name: str, where_from: str) -> None:
    """People are shown the tag, records get the digest."""
    assert configured_reference(image) == name
    assert pull_reference(image) == where_from
