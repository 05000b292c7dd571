"""Frameworks of Node whose build makes a server that renders pages: SvelteKit, Astro."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.app import App, Command, exec_form
from ftl.onboarding.stacks.health import rendered_start
from ftl.onboarding.stacks.node.app import server_app, with_todo
from ftl.onboarding.stacks.node.package_json import packages, scripts
from ftl.onboarding.stacks.node.sites import base_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.onboarding.folder import AppFolder


@dataclass(frozen=True, slots=True)
class Renderer:
    """A framework whose build makes a server.

    Attributes:
        package: The package that makes it.
        command: The server, where no script of package.json names it.
        build_env: Line of the Dockerfile before the build, without which it makes no server.
        todo: What the app lacks; `{file}` is the file that imports the package.
    """

    package: str
    name: str
    command: Command
    build_env: str = ""
    todo: str = ""


RENDERERS = (
    Renderer("@sveltejs/adapter-node", "SvelteKit", ("node", "build")),
    Renderer(
        "@sveltejs/adapter-auto",
        "SvelteKit",
        ("node", "build"),
        "# adapter-auto makes a server for Node where it believes to build for Google Cloud Run.\n"
        "ENV GCP_BUILDPACKS=1",
        "`npm install --save-dev @sveltejs/adapter-node`, and import it in {file} in place of adapter-auto, which "
        "installs it in each build, in its newest version",
    ),
    Renderer("@astrojs/node", "Astro", ("node", "dist/server/entry.mjs")),
    Renderer("@react-router/serve", "React Router", ("react-router-serve", "build/server/index.js")),
    Renderer("@remix-run/serve", "Remix", ("remix-serve", "build/server/index.js")),
    Renderer("@solidjs/start", "SolidStart", ("node", ".output/server/index.mjs")),
    Renderer("@tanstack/react-start", "TanStack Start", ("node", ".output/server/index.mjs")),
    Renderer("@angular/ssr", "Angular", ("node", "dist/app/server/server.mjs")),
)
_CONFIGURATIONS = tuple(
    f"{name}.config.{end}" for name in ("svelte", "vite", "astro") for end in ("js", "ts", "mjs", "mts")
)
_MAY_MAKE_NONE = tuple(
    f"{name}.config.{end}" for name in ("react-router", "vite") for end in ("ts", "js", "mts", "mjs")
)
_ADAPTER = re.compile(
    r"""^[^/*\n]*\b(?:from|import|require)\s*\(?\s*["']((?=[^"']*svelte)(?:@[\w-]+/)?[\w-]*adapter[\w-]*)["']""",
    re.MULTILINE,
)
_MAKES_NO_SERVER = re.compile(
    r"""^(?!\s*\*)(?:(?!(?<!:)//|/\*).)*\bssr["']?\s*:\s*false\b""",
    re.MULTILINE,
)
"""A setting of React Router and Remix, whose packages of a server may stay among the dependencies."""

_MIDDLEWARE = re.compile(r"\bmode\s*:\s*[\"']middleware[\"']")


def rendered_site(folder: AppFolder) -> str | None:
    """Evidence of a framework whose build makes a server that renders pages."""
    if not folder.has("package.json"):
        return None
    found = _renderer(folder)
    return f"{found.package} in package.json" if found is not None else None


def _renderer(folder: AppFolder) -> Renderer | None:
    """The first known one in package.json; of SvelteKit's adapters the one that its configuration imports."""
    known = packages(folder)
    has_server = not any(_MAKES_NO_SERVER.search(folder.read(file)) for file in _MAY_MAKE_NONE)
    imported = [name for file in _CONFIGURATIONS for name in _ADAPTER.findall(folder.read(file))]
    return next(
        (
            each
            for each in RENDERERS
            if each.package in known
            and (has_server or each.name not in ("React Router", "Remix"))
            and (each.name != "SvelteKit" or not imported or each.package in imported)
        ),
        None,
    )


def describe_rendered_site(folder: AppFolder, evidence: str) -> App:
    """The server that the framework's own adapter makes."""
    tool = _renderer(folder)
    assert tool is not None  # as rendered_site found
    command, reason = tool.command, f"the server of {tool.package}"
    for name, line in scripts(folder).items():
        if re.fullmatch(r"start|serve:ssr(?::.*)?", name) and re.match(r"node |\S+-serve ", line):
            command, reason = exec_form(line), f"the script {name} of package.json"
    base, _ = base_path(folder)
    health = rendered_start(folder, f"/{base}" if base else "")
    app = server_app(
        folder, tool.name, evidence, 3000, command, reason, health, tini=False, build_env=tool.build_env
    )
    dockerfile = (app.dockerfile or "").replace("ENV NODE_ENV=", "ENV HOST=0.0.0.0 NODE_ENV=")
    app = replace(app, dockerfile=dockerfile)
    if tool.name == "SvelteKit":
        app = replace(
            app, env={**app.env, "ORIGIN": ("https://@domain@", "of the site: forms are refused without it")}
        )
    for todo in _todo_of(folder, tool, command):
        app = with_todo(app, todo)
    return app


def _todo_of(folder: AppFolder, tool: Renderer, command: Command) -> Iterator[str]:
    """Things to do about the framework's adapter."""
    file = next((name for name in _CONFIGURATIONS if tool.package in folder.read(name)), _CONFIGURATIONS[0])
    if tool.todo:
        yield tool.todo.format(file=file)
    if tool.package == "@astrojs/node" and command == tool.command and _MIDDLEWARE.search(folder.read(file)):
        yield (
            f"write `mode: 'standalone'` in {file}, or a script `start` that runs a server: in the mode "
            "middleware the build makes none"
        )
