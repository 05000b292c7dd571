"""Next.js: its standalone server, `next start`, or exported files."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, FoundHealthCheck
from ftl.onboarding.stacks.health import found_health, rendered_start
from ftl.onboarding.stacks.node.app import server_app, with_todo
from ftl.onboarding.stacks.node.migrations import addresses, clients, find_migration
from ftl.onboarding.stacks.node.package_json import dockerfile_values, ignored, packages, public_variables
from ftl.onboarding.stacks.node.processes import questions
from ftl.onboarding.stacks.node.sites import EXPORTED_NEXT, base_path, describe_files
from ftl.onboarding.stacks.sqlite import find_sqlite
from ftl.onboarding.templates import render

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_ROUTE_FILE = re.compile(
    r"(?:src/)?(?:app/((?:[\w-]+/)*_?health[\w-]*)/route|pages/(api/(?:[\w-]+/)*_?health[\w-]*))\.[jt]s"
)
"""Files of Next.js whose names are routes."""

_PAGE = re.compile(r"(?:src/)?(?:app/(?:(?:\([^/]+\)|\[[^/]+\])/)*page|pages/index)\.[jt]sx?")
"""Pages at the top, or below a parameter alone."""


def describe_next(folder: AppFolder, evidence: str) -> App:
    """Next.js: its standalone server where the configuration asks for it, else `next start`."""
    config = folder.has("next.config.js", "next.config.mjs", "next.config.ts", "next.config.cjs") or ""
    text = folder.read(config)
    health = _health_of_next(folder, text)
    named = re.search(r"\bdistDir\s*:\s*[\"'](?:\./)?([\w./-]+)[\"']", text)
    built = named[1].rstrip("/") if named else ".next"
    if re.search(r"output\s*:\s*[\"']export", text):
        # With `output: "export"`, distDir is the folder of the exported files
        tool = replace(EXPORTED_NEXT, output=built, reason=f"distDir in {config}") if named else EXPORTED_NEXT
        return describe_files(folder, evidence, tool)
    if not re.search(r"output\s*:\s*[\"']standalone", text):
        app = server_app(folder, "Next.js", evidence, 3000, ("next", "start"), "Next.js", health, tini=False)
        smaller = f'`output: "standalone"` in {config or "next.config.js"} makes the image much smaller'
        return replace(with_todo(app, smaller), image_todo=(*app.image_todo, smaller))
    values, facts = dockerfile_values(folder)
    migration = find_migration(folder)
    sqlite = find_sqlite(folder, packages(folder))
    about_image = (
        *migration.todo,
        *migration.todo_of_standalone,
        *questions(folder, has_code=False),
        *sqlite.todo(folder, "node"),
    )
    public = "COPY --from=build --chown=node:node /app/public ./public" if folder.has_folder("public") else ""
    return App(
        stack="Next.js",
        evidence=evidence,
        port=3000,
        port_reason="PORT in the Dockerfile",
        dockerfile=render(
            "next-standalone.dockerfile",
            {
                **values,
                "built": built,
                "port": "3000",
                "public": public,
                "migrations": migration.of_standalone(folder),
                "sqlite": sqlite.on_volume("node"),
            },
        ),
        packages=clients(folder, development=True),
        addresses=addresses(folder),
        start=("node", "server.js"),
        programs={},
        start_reason=f"output: standalone in {config}",
        health=health,
        ignored=(*ignored(folder), *sqlite.ignored),
        build_args=public_variables(folder),
        facts=facts,
        hook=migration.command,
        hook_reason=migration.reason,
        env=sqlite.env,
        volumes=sqlite.volumes,
        data_file=sqlite.data_file,
        todo=about_image,
        image_todo=about_image,
    )


def _health_of_next(folder: AppFolder, config: str) -> FoundHealthCheck:
    """A route of the folder `app` or `pages` that looks like a health check, else the start page."""
    base, _ = base_path(folder)
    top = f"/{base}" if base else ""
    for name in folder.sources:
        if match := _ROUTE_FILE.fullmatch(name):
            return FoundHealthCheck(f"{top}/{match[1] or match[2]}", name)
    found = found_health(folder)
    if found.path and found.path != "/":
        return FoundHealthCheck(f"{top}{found.path}", found.reason)
    is_redirected = re.search(r"\bsource\s*:\s*[\"'`]/[\"'`]", config)
    pages = [name for name in folder.sources if _PAGE.fullmatch(name)]
    if is_redirected or (pages and all("[" in name for name in pages)):
        where = (
            "the configuration redirects it"
            if is_redirected
            else "every page is below a language or the like"
        )
        return FoundHealthCheck(None, f"the start page is not sure, since {where}", maybe=top or "/")
    return rendered_start(folder, top)
