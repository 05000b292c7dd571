"""A Dockerfile behind a symbolic link: the builder gets one that it can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.image.building.batch import readable_dockerfile

if TYPE_CHECKING:
    from pathlib import Path


def test_a_link_out_of_its_folder_is_resolved(tmp_path: Path) -> None:
    """The builder follows links inside of the Dockerfile's folder only: it gets the file that the link leads to."""
    shared, app = tmp_path / "shared" / "Dockerfile", tmp_path / "app"
    shared.parent.mkdir()
    app.mkdir()
    shared.write_text("FROM scratch\n")
    link = app / "Dockerfile"
    link.symlink_to("../shared/Dockerfile")
    assert readable_dockerfile(link) == shared


def test_a_link_within_its_folder_stays(tmp_path: Path) -> None:
    """Its own ignore file lies beside the link, and error messages name it as ftl.yaml does."""
    (tmp_path / "Dockerfile.prod").write_text("FROM scratch\n")
    link = tmp_path / "Dockerfile"
    link.symlink_to("Dockerfile.prod")
    assert readable_dockerfile(link) == link
