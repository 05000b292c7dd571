"""Plain files, without a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Health
from ftl.onboarding.templates import render

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder


def static(folder: AppFolder) -> str | None:
    """Evidence of plain files."""
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
    return App(
        stack="static files",
        evidence=evidence,
        port=8080,
        port_reason="Caddyfile",
        dockerfile=render("static.dockerfile", {"root": root}),
        files={"Caddyfile": render("site.caddyfile", {})},
        start=("caddy", "run"),
        start_reason="a web server for the files",
        health=Health("/", evidence),
        ignored=("README*",) if root == "." else (),
    )
