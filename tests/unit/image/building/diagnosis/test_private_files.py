"""Warnings about `.env` files that a build copies into the image."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftl.image.building.diagnosis.private_files import (
    private_files,
    private_files_note,
    repository_files_note,
)
from ftl.image.building.inputs.context import Context, ContextFile
from ftl.image.building.inputs.dockerfile import parse


def context(*paths: str) -> Context:
    """A context of these files."""
    return Context(Path("/app"), 0, {path: ContextFile(1, 1, 0o600) for path in paths})


@pytest.mark.parametrize(
    ("dockerfile", "paths", "expected"),
    [
        ("FROM scratch\nCOPY . .\n", (".env", "app.py"), [(".env", 2)]),
        ("FROM scratch\nCOPY . .\n", ("app.py", ".env.example", "environment"), []),
        ("FROM scratch\nCOPY app.py .\n", (".env", "app.py"), []),
        ("FROM scratch\nCOPY web /srv\n", (".env", "web/.env.production"), [("web/.env.production", 2)]),
        ("FROM scratch\nADD ./ /srv/\n", ("a/b/.env",), [("a/b/.env", 2)]),
        ("FROM a\nCOPY . .\n", (".kamal/secrets.eu", ".kamal/hooks/x"), [(".kamal/secrets.eu", 2)]),
        ("FROM a AS b\nFROM scratch\nCOPY --from=b . .\n", (".env",), []),
        ("FROM scratch\nRUN --mount=type=bind,target=/src make\n", (".env",), []),
    ],
    ids=["all", "samples", "named", "folder", "below", "kamal", "stage", "mounted"],
)
def test_copied_env_files_are_found(
    dockerfile: str, paths: tuple[str, ...], expected: list[tuple[str, int]]
) -> None:
    """A `.env` file is reported with the line that copies it; samples are not."""
    assert private_files(context(*paths), parse(dockerfile, "Dockerfile", {})) == expected


def test_the_warning_names_the_line_and_the_fix() -> None:
    """It names the line, the file and the ignore file."""
    note = private_files_note("web", context(".env"), parse("FROM scratch\nCOPY . .\n", "web/Dockerfile", {}))
    assert note is not None
    assert "web/Dockerfile:2 copies .env" in note.text
    assert note.hint == "add .env to .dockerignore"
    assert (
        private_files_note("web", context("a"), parse("FROM scratch\nCOPY . .\n", "Dockerfile", {})) is None
    )


def test_files_of_secrets_and_backups_are_private() -> None:
    """They are known by ftl.yaml, and by the names that `ftl backup` gives."""
    copies = parse("FROM scratch\nCOPY . .\n", "Dockerfile", {})
    dump = "postgres-20261130-070900.dump"
    files = context(dump, "secrets/api_key", "secrets/other", "schema-2026.sql")
    secrets = (Path("/app/secrets/api_key"), Path("/elsewhere/key"))
    assert private_files(files, copies, secrets) == [(dump, 2), ("secrets/api_key", 2)]
    note = private_files_note("web", files, copies, secrets)
    assert note is not None
    assert note.text == (
        f"web: Dockerfile:2 copies {dump} and secrets/api_key into the image, where its users can read them"
    )
    assert note.hint == f"add {dump} and secrets/api_key to .dockerignore"


def test_an_instruction_is_named_with_its_own_files() -> None:
    """The line of the first one is not that of the others."""
    copies = parse("FROM scratch\nCOPY web /web\nCOPY api /api\n", "Dockerfile", {})
    note = private_files_note("web", context("api/.env", "web/.env"), copies)
    assert note is not None
    assert "Dockerfile:2 copies web/.env into" in note.text


def test_many_private_files_are_counted() -> None:
    """The note stays one line."""
    copies = parse("FROM scratch\nCOPY . .\n", "Dockerfile", {})
    note = private_files_note("web", context(*(f"{name}/.env" for name in "abcde")), copies)
    assert note is not None
    assert "copies a/.env, b/.env, c/.env and 2 more into" in note.text


def test_copied_files_of_the_repository_are_reported_once() -> None:
    """`.git` and ftl.yaml in the image make a new one with each commit and each edit."""
    copies = parse("FROM scratch\nCOPY . .\n", "Dockerfile", {})
    files = context(".git/HEAD", ".git/objects/ab", "ftl.yaml", "ftl.staging.yaml", "app.py", "lib/ftl.yaml")
    note = repository_files_note("web", files, copies, None)
    assert note is not None
    assert "Dockerfile:2 copies .git, ftl.staging.yaml and ftl.yaml into the image" in note.text
    assert note.hint == "add .git, ftl.staging.yaml and ftl.yaml to .dockerignore"
    assert repository_files_note("web", context("app.py"), copies, None) is None


def test_files_of_another_stage_are_not_in_the_image() -> None:
    """What only a build stage copies is no reason for a new image."""
    stages = parse("FROM a AS build\nCOPY . .\nFROM b\nCOPY --from=build /x /x\n", "Dockerfile", {})
    assert repository_files_note("web", context(".git/HEAD"), stages, None) is None
