"""Small tar archives for the engine."""

from __future__ import annotations

import io
import tarfile

from ftl.engine.tarball import tar_archive


def test_an_archive_has_its_files_and_their_folders() -> None:
    """Folders precede their content; files belong to root and have the requested mode."""
    made = tar_archive({"a/b/key": b"secret", "top": b""}, folders=("a/empty",), mode=0o600)
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        members = {member.name: member for member in tar}
        assert list(members) == ["a", "a/b", "a/empty", "a/b/key", "top"]
        assert members["a/b/key"].mode == 0o600
        assert members["a/b/key"].uid == 0
        assert members["a/b"].isdir()
        file = tar.extractfile("a/b/key")
        assert file is not None
        assert file.read() == b"secret"
