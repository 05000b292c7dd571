"""Marks on images: tags by which FTL knows again what it brought."""

from __future__ import annotations

import pytest

from ftl.common.references import familiar
from ftl.engine.marks import marks_on, parse_mark, pull_mark
from ftl.engine.values import Image

ID = "sha256:" + "3f2a9c417b05" + "d" * 52


@pytest.mark.parametrize(
    ("reference", "mark", "pulled"),
    [
        ("nginx", "ftl-mark/shop/nginx:latest.3f2a9c417b05", "nginx:latest"),
        ("docker.io/library/nginx:1.27", "ftl-mark/shop/nginx:1.27.3f2a9c417b05", "nginx:1.27"),
        ("ghcr.io/acme/app:v7", "ftl-mark/shop/ghcr.io/acme/app:v7.3f2a9c417b05", "ghcr.io/acme/app:v7"),
        (
            "r.test:5000/app:A_1.0",
            "ftl-mark/shop/r.test__5000/app:A_1.0.3f2a9c417b05",
            "r.test:5000/app:A_1.0",
        ),
        (f"nginx:1.27@sha256:{'a' * 64}", "ftl-mark/shop/nginx:_.3f2a9c417b05", ""),
    ],
)
def test_a_mark_says_what_was_pulled(reference: str, mark: str, pulled: str) -> None:
    """For which project, from where and by which tag; by a digest alone there is no tag."""
    made = pull_mark("shop", reference, ID)
    assert made is not None
    assert made.text == mark == familiar(mark)
    assert parse_mark(mark) == made
    assert (made.project, made.reference) == ("shop", pulled)


@pytest.mark.parametrize(
    "reference",
    [
        "Registry.TEST/app:v1",
        "[::1]:5000/app:v1",
        f"app:{'x' * 120}",
        f"r.test/{'a' * 250}:v1",
        "some__one/app:v1",
    ],
)
def test_a_name_that_no_mark_can_hold_has_none(reference: str) -> None:
    """Its image stays, as one that was there before."""
    assert pull_mark("shop", reference, ID) is None


def test_a_mark_of_another_image_is_none() -> None:
    """Somebody gave it to this one by `docker tag`; and tags of others are no marks."""
    tags = (
        "ftl-mark/shop/app:v1.3f2a9c417b05",
        "ftl-mark/shop/app:v1.000000000000",
        "ftl-mark/app:v1",
        "app:v1",
    )
    found = marks_on(Image(ID, tags, (), (), {}, "linux/amd64", 1))
    assert [mark.text for mark in found] == [tags[0]]
