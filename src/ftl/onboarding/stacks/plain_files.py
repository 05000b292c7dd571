"""Plain files, without a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.onboarding.app import App, FoundHealthCheck
from ftl.onboarding.templates import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.onboarding.folder import AppFolder


_HIDDEN = ("**/.*", "!**/.well-known")
"""Files that begin with a dot are settings and secrets, except those that browsers and authorities fetch."""


def static(folder: AppFolder) -> str | None:
    """Evidence of plain files; those of Jekyll are made into pages first."""
    if folder.has("_config.yml", "_config.yaml") and (folder.has("Gemfile") or folder.has_folder("_layouts")):
        return None
    return next(
        (
            name
            for name in ("index.html", "public/index.html", "dist/index.html", "site/index.html")
            if folder.has(name)
        ),
        None,
    )


def describe_static(folder: AppFolder, evidence: str) -> App:
    """Plain files behind Caddy."""
    root = evidence.rpartition("/")[0] or "."
    todo = tuple(_todo(folder, root))
    return App(
        stack="static files",
        evidence=evidence,
        port=8080,
        port_reason="Caddyfile",
        dockerfile=render("static.dockerfile", {"root": root}),
        files={"Caddyfile": render("site.caddyfile", {})},
        start=("caddy", "run"),
        start_reason="a web server for the files",
        health=FoundHealthCheck("/", evidence),
        ignored=("README*", "_redirects", "_headers", "CNAME", *_HIDDEN) if root == "." else _HIDDEN,
        todo=todo,
        image_todo=todo,
        programs={},
    )


def _todo(folder: AppFolder, root: str) -> Iterator[str]:
    """Files of other hosts, which Caddy does not read."""
    for name, directive in (("_redirects", "redir"), ("_headers", "header")):
        if folder.has(f"{root}/{name}"):
            yield f"write the rules of {name} into the Caddyfile, as `{directive}`: Caddy does not read that file"
