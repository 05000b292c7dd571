"""`files`: texts of the repository in containers, also whole folders of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftl.config.read.file_sources import MAX_FILES

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.container import File

    from .conftest import Load, Refuse

PROJECT = """\
project: {name: shop}
server: local
services:
- {name: web, image: "web:1"}
dependencies:
- name: db
  image: postgres:17
"""


def put(folder: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def files_of(loaded: Load, lines: str, **environ: str) -> tuple[File, ...]:
    """The files of the dependency."""
    return loaded(f"{PROJECT}  files: {lines}\n", **environ).dependencies[0].files


@pytest.mark.parametrize("source", ["db/init", "./db/init/", "${WHERE}/init"])
def test_a_folder_is_the_files_in_it(folder: Path, loaded: Load, source: str) -> None:
    """In the order of their names, which decides for databases, and with the permissions of programs."""
    put(
        folder,
        {"db/init/20.sql": "b", "db/init/10.sh": "a", "db/init/sub/x.sql": "c", "db/init/.hidden": "$$ ${X}"},
    )
    (folder / "db/init/10.sh").chmod(0o755)
    found = files_of(loaded, f"{{/docker-entrypoint-initdb.d/: '{source}'}}", WHERE="db")
    assert [(file.path.rpartition(".d/")[2], file.content, file.mode) for file in found] == [
        (".hidden", "$$ ${X}", "0644"),
        ("10.sh", "a", "0755"),
        ("20.sql", "b", "0644"),
        ("sub/x.sql", "c", "0644"),
    ]
    assert {os.path.normpath(file.source or "") for file in found} >= {"db/init/20.sql"}


def test_the_files_of_a_folder_have_the_permissions_of_the_folder(folder: Path, loaded: Load) -> None:
    """As they are written for it, in a list or in a map."""
    put(folder, {"conf/a": "a", "conf/b": "b"})
    (folder / "conf/a").chmod(0o755)
    for lines in (
        "[{path: /etc/app, source: conf, mode: '0400', owner: 1000}]",
        "{/etc/app: {source: conf, mode: '0400', owner: 1000}}",
    ):
        assert [(file.path, file.mode, file.owner) for file in files_of(loaded, lines)] == [
            ("/etc/app/a", "0400", "1000:1000"),
            ("/etc/app/b", "0400", "1000:1000"),
        ]


@pytest.mark.parametrize(
    ("mode", "given", "there"), [(0o755, "", "0755"), (0o640, "", "0644"), (0o755, "'0400'", "0400")]
)
def test_a_program_that_is_named_by_itself_stays_one(
    folder: Path, loaded: Load, mode: int, given: str, there: str
) -> None:
    """As one in a folder does: an entrypoint without the permission ends with status 126."""
    put(folder, {"entrypoint.sh": "#!/bin/sh"})
    (folder / "entrypoint.sh").chmod(mode)
    item = f"{{source: entrypoint.sh, mode: {given}}}" if given else "entrypoint.sh"
    (found,) = files_of(loaded, f"{{/entrypoint.sh: {item}}}")
    assert (found.content, found.mode) == ("#!/bin/sh", there)


def test_a_file_that_is_named_by_itself_wins_over_that_of_a_folder(folder: Path, loaded: Load) -> None:
    """So an environment can have another one."""
    put(folder, {"conf/a": "a", "conf/b": "b", "other": "o"})
    found = files_of(loaded, "{/etc/app/a: other, /etc/app: conf}")
    assert {file.path: file.content for file in found} == {"/etc/app/a": "o", "/etc/app/b": "b"}


def test_links_within_the_repository_are_files(folder: Path, loaded: Load) -> None:
    """A file that two folders share is usual."""
    put(folder, {"conf/a": "a", "shared/b": "b"})
    (folder / "conf/b").symlink_to("../shared/b")
    assert [file.content for file in files_of(loaded, "{/etc/app: conf}")] == ["a", "b"]


@pytest.mark.parametrize(
    "case", ["out", "folder", "whole", "many", "large", "empty", "binary", "fifo", "twice"]
)
def test_a_folder_that_is_no_set_of_texts_is_refused(folder: Path, refused: Refuse, case: str) -> None:
    """At its line; nothing outside of the repository is read for a link in it."""
    outside = folder.parent / f"{folder.name}-outside"
    put(outside, {"key": "hunter2", "sub/key": "hunter2"})
    put(folder, {"conf/a": "a"})
    source, hint = "conf", "COPY"
    match case:
        case "out":
            (folder / "conf/key").symlink_to(outside / "key")
            words, hint = "has a link out of the repository, key", "copy"
        case "folder":
            (folder / "conf/sub").symlink_to(outside / "sub")
            words, hint = "has a link to a folder, sub", "name that folder"
        case "whole":
            (folder / "linked").symlink_to(outside)
            source, words, hint = "linked", "has a link out of the repository", "copy"
        case "many":
            put(folder, {f"conf/{number}": "" for number in range(MAX_FILES)})
            words = f"has more than {MAX_FILES} files"
        case "large":
            put(folder, {"conf/b": "x" * 600_000, "conf/c": "x" * 600_000})
            words = "has more than 1,000,000 bytes"
        case "empty":
            (folder / "conf/a").unlink()
            words, hint = "has no files", "text files"
        case "binary":
            (folder / "conf/b").write_bytes(b"\xff\xfe")
            words, hint = "`conf/b` cannot be read: it is not UTF-8 text", "into the image"
        case "fifo":
            os.mkfifo(folder / "conf/b")
            words, hint = "`conf/b` cannot be read: it is a FIFO", "into the image"
        case _:
            source, words, hint = (
                "conf, /etc/./app/a: Dockerfile, /etc/app/a: Dockerfile",
                "given twice",
                "keep one",
            )
    (problem,) = refused(f"{PROJECT}  files:\n    {{/etc/app: {source}}}\n")
    assert problem.line == 9
    assert words in problem.message
    assert hint in (problem.hint or "")


def test_a_folder_elsewhere_may_have_links_of_its_own(folder: Path, loaded: Load, refused: Refuse) -> None:
    """What ftl.yaml names outside of its folder is meant; what leads out of that is not."""
    other = folder.parent / f"{folder.name}-other"
    put(other, {"a": "a"})
    (other / "b").symlink_to("a")
    assert len(files_of(loaded, f"{{/etc/app: ../{other.name}}}")) == 2
    (other / "c").symlink_to(folder / "Dockerfile")
    (problem,) = refused(f"{PROJECT}  files: {{/etc/app: ../{other.name}}}\n")
    assert "has a link out of the repository, c" in problem.message


def test_a_mount_of_the_repository_has_a_hint(refused: Refuse) -> None:
    """The server has no checkout: a text is one of `files`, data has a volume."""
    (problem,) = refused(f"{PROJECT}  volumes: ['./db/init:/docker-entrypoint-initdb.d']\n")
    assert "write `files: {/docker-entrypoint-initdb.d: db/init}`" in (problem.hint or "")
    assert "a volume for data: NAME:/docker-entrypoint-initdb.d" in (problem.hint or "")
