"""Syntax of the Dockerfiles that `ftl init` writes, for every stack and package manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.image.building.inputs.dockerfile import parse

from .apps import package
from .dockerfile_faults import faults
from .odd_apps import ALL as CASES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .conftest import Begin

LOCKS = {
    "npm": "package-lock.json",
    "pnpm": "pnpm-lock.yaml",
    "yarn": "yarn.lock",
    "bun": "bun.lock",
    "none": "LICENSE",
}
NODE: dict[str, Mapping[str, str]] = {
    "express": {"package.json": package({"start": "node server.js"}, express="4"), "server.js": ""},
    "typescript": {"package.json": package({"build": "tsc", "start": "node dist/a.js"}, express="4")},
    "next": {"package.json": package({"build": "next build"}, next="15")},
    "next standalone": {
        "package.json": package({"build": "next build"}, next="15"),
        "next.config.js": "module.exports = { output: 'standalone' }",
    },
    "nuxt": {"package.json": package({"build": "nuxt build"}, nuxt="3")},
    "vite": {"package.json": package({"build": "vite build"}, vite="7"), "index.html": ""},
}
OTHERS: dict[str, Mapping[str, str]] = {
    "rails with yarn and mysql": {
        "Gemfile": 'source "https://rubygems.org"\ngem "rails"\ngem "mysql2"\ngem "sidekiq"\n',
        "Gemfile.lock": "    rails (8.0.1)\n    mysql2 (0.5.6)\n    sidekiq (7.3.0)\n",
        "config/application.rb": "module Shop\nend",
        "config/database.yml": "",
        "bin/rails": "",
        "package.json": package({"build": "esbuild"}, esbuild="0.24"),
        "yarn.lock": "",
    },
    "laravel with vite": {
        "composer.json": '{"require": {"php": "^8.3", "laravel/framework": "^12.0"}}',
        "composer.lock": "{}",
        "artisan": "",
        "public/index.php": "",
        "package.json": package({"build": "vite build"}, vite="7"),
        "package-lock.json": "{}",
    },
    "go without modules": {"go.mod": "module x\n\ngo 1.24\n", "main.go": "package main\nfunc main() {}\n"},
    "spring with a wrapper": {
        "pom.xml": "<project><parent><artifactId>spring-boot-starter-parent</artifactId></parent></project>",
        "mvnw": "",
        ".mvn/wrapper/maven-wrapper.properties": "",
    },
}
APPS = (
    {name: case.files for name, case in CASES.items() if "Dockerfile" not in case.files}
    | {f"{name} with {tool}": {**files, LOCKS[tool]: ""} for name, files in NODE.items() for tool in LOCKS}
    | OTHERS
)


@pytest.mark.parametrize("files", APPS.values(), ids=list(APPS))
def test_a_builder_would_begin(begin: Begin, files: Mapping[str, str]) -> None:
    """Each Dockerfile has known instructions and flags, stages that are used, and commands that a shell can parse."""
    start, project = begin(files)
    text = next(text for name, text in start.files.items() if name.endswith("Dockerfile"))
    assert faults(text) == []
    assert parse(text).stages[-1].instructions[-1].keyword in ("CMD", "ENTRYPOINT")
    assert project.services


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("RUNN true", "line 2: RUNN is no instruction"),
        ("RUN if true; then", "line 2: RUN: "),
        ("RUN --mont=type=cache true", "line 2: RUN has no flag --mont"),
        ("RUN --mount=type=cache,targt=/x true", "line 2: a mount of the type cache has no targt"),
        ('CMD ["a", b]', "line 2: CMD is not a JSON array"),
        ("CMD [1]", "line 2: CMD has words that are not texts"),
        ("COPY --from=build a b", "line 2: there is no stage build"),
        ("COPY a", "line 2: COPY needs a source and a target"),
        ("FROM other", "line 1: nothing uses the stage 0"),
    ],
)
def test_faults_are_seen(line: str, fault: str) -> None:
    """The check itself finds what a builder refuses."""
    assert any(found.startswith(fault) for found in faults(f"FROM base\n{line}\n")), faults(
        f"FROM base\n{line}\n"
    )
