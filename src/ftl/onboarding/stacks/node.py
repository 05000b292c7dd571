"""Node apps: Next.js, Nuxt, Express and other servers, and sites that Vite and others build."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.app import NO_MIGRATION, App, Command, Fact, Health, Migration, exec_form
from ftl.onboarding.stacks.common import found_health, found_port
from ftl.onboarding.stacks.package_json import dockerfile_values, packages, scripts
from ftl.onboarding.templates import apt_install, cmd, render

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_IGNORED = ("node_modules", ".next", "dist", "coverage", "npm-debug.log*", ".turbo")


@dataclass(frozen=True, slots=True)
class SiteGenerator:
    """A tool that builds a site of files."""

    package: str
    name: str
    output: str


SITES = (
    SiteGenerator("@angular/core", "Angular", "dist"),
    SiteGenerator("astro", "Astro", "dist"),
    SiteGenerator("react-scripts", "Create React App", "build"),
    SiteGenerator("@vue/cli-service", "Vue CLI", "dist"),
    SiteGenerator("gatsby", "Gatsby", "public"),
    SiteGenerator("@docusaurus/core", "Docusaurus", "build"),
    SiteGenerator("@11ty/eleventy", "Eleventy", "_site"),
    SiteGenerator("vitepress", "VitePress", ".vitepress/dist"),
    SiteGenerator("vite", "Vite", "dist"),
)
SERVERS = (
    "express",
    "fastify",
    "koa",
    "@nestjs/core",
    "@hapi/hapi",
    "hono",
    "h3",
    "restify",
    "polka",
    "socket.io",
)


def next_js(folder: AppFolder) -> str | None:
    """Evidence of Next.js."""
    return _depends(folder, "next")


def nuxt(folder: AppFolder) -> str | None:
    """Evidence of Nuxt."""
    return _depends(folder, "nuxt")


def known_server(folder: AppFolder) -> str | None:
    """Evidence of a server in Node, by its framework."""
    if not folder.has("package.json"):
        return None
    known = packages(folder, development=False)
    return next((f"{name} in package.json" for name in SERVERS if name in known), None)


def start_script(folder: AppFolder) -> str | None:
    """Evidence of some program in Node."""
    if not folder.has("package.json"):
        return None
    return (
        "the start script of package.json"
        if "start" in scripts(folder)
        else folder.has("server.js", "index.js")
    )


def site(folder: AppFolder) -> str | None:
    """Evidence of a site that a tool builds."""
    if not folder.has("package.json") or "build" not in scripts(folder):
        return None
    known = packages(folder)
    return next((f"{site.package} in package.json" for site in SITES if site.package in known), None)


def _depends(folder: AppFolder, name: str) -> str | None:
    return f"{name} in package.json" if folder.has("package.json") and name in packages(folder) else None


def describe_next(folder: AppFolder, evidence: str) -> App:
    """Next.js: its standalone server where the configuration asks for it, else `next start`."""
    config = folder.has("next.config.js", "next.config.mjs", "next.config.ts", "next.config.cjs") or ""
    text = folder.read(config)
    health = found_health(folder)
    health = health if health.path and health.path != "/" else Health("/", "the start page")
    if re.search(r"output\s*:\s*[\"']export", text):
        return _site(folder, evidence, SiteGenerator("next", "Next.js (exported)", "out"))
    if not re.search(r"output\s*:\s*[\"']standalone", text):
        app = _server(folder, "Next.js", evidence, 3000, ("next", "start"), "Next.js", health, tini=False)
        return _with_todo(
            app, f'`output: "standalone"` in {config or "next.config.js"} makes the image much smaller'
        )
    values, facts = dockerfile_values(folder)
    migration = _migration(folder)
    public = "COPY --from=build --chown=node:node /app/public ./public" if folder.has_folder("public") else ""
    return App(
        stack="Next.js",
        evidence=evidence,
        port=3000,
        port_reason="PORT in the Dockerfile",
        dockerfile=render("next-standalone.dockerfile", {**values, "port": "3000", "public": public}),
        packages=frozenset(packages(folder)),
        start=("node", "server.js"),
        start_reason=f"output: standalone in {config}",
        health=health,
        ignored=_IGNORED,
        facts=facts,
        hook=migration[0],
        hook_reason=migration[1],
    )


def describe_nuxt(folder: AppFolder, evidence: str) -> App:
    """Nuxt: the server that `nuxt build` makes."""
    command = ("node", ".output/server/index.mjs")
    return _server(
        folder, "Nuxt", evidence, 3000, command, "nuxt build", found_health(folder, start_page=True)
    )


def describe_server(folder: AppFolder, evidence: str) -> App:
    """A server by its start script."""
    name = next((name for name in SERVERS if name in evidence), "")
    stack = {
        "express": "Express",
        "fastify": "Fastify",
        "koa": "Koa",
        "@nestjs/core": "NestJS",
        "hono": "Hono",
    }.get(name, "Node")
    command, reason = _start(folder)
    port, port_reason = found_port(folder, 3000)
    health = found_health(folder)
    if health.path is None and (folder / "public").has("index.html"):
        health = Health("/", "public/index.html")
    if health.path is None and folder.search(r"""router\.get\(\s*['"]/['"]""") and name == "express":
        health = Health("/", "the route / of the code")
    app = _server(folder, stack, evidence, port, command, reason, health, port_reason=port_reason)
    if not command:
        return _with_todo(
            app, "write the start command into CMD of the Dockerfile: package.json has no start script"
        )
    return app


def describe_site(folder: AppFolder, evidence: str) -> App:
    """A site of files."""
    known = packages(folder)
    return _site(folder, evidence, next(site for site in SITES if site.package in known))


def _site(folder: AppFolder, evidence: str, tool: SiteGenerator) -> App:
    values, facts = dockerfile_values(folder)
    output, reason = _output(folder, tool)
    return App(
        stack=tool.name,
        evidence=evidence,
        port=8080,
        port_reason="Caddyfile",
        dockerfile=render(
            "node-static.dockerfile", {**values, "build": f"RUN {values['run']} build", "output": output}
        ),
        files={"Caddyfile": render("spa.caddyfile", {})},
        start=("caddy", "run"),
        start_reason="a web server for the built files",
        health=Health("/", "the start page"),
        ignored=_IGNORED,
        facts=(*facts, Fact("output folder", output, reason)),
    )


def _output(folder: AppFolder, tool: SiteGenerator) -> tuple[str, str]:
    for file in (
        "vite.config.ts",
        "vite.config.js",
        "vite.config.mts",
        "vite.config.mjs",
        "astro.config.mjs",
    ):
        if match := re.search(r"outDir\s*:\s*[\"'](?:\./)?([\w./-]+)", folder.read(file)):
            return match[1].rstrip("/"), f"outDir in {file}"
    if tool.name == "Angular":
        named = re.search(r"\"outputPath\"\s*:\s*\"([^\"]+)", folder.read("angular.json"))
        projects = folder.read_json("angular.json").get("projects")
        name = next(iter(projects), "app") if isinstance(projects, dict) else "app"
        return f"{named[1] if named else f'dist/{name}'}/browser", "angular.json"
    return tool.output, f"the default of {tool.name}"


def _server(
    folder: AppFolder,
    stack: str,
    evidence: str,
    port: int,
    command: Command,
    reason: str,
    health: Health,
    *,
    port_reason: str = "PORT in the Dockerfile",
    tini: bool = True,
) -> App:
    values, facts = dockerfile_values(folder)
    migration = _migration(folder)
    handled = not tini or folder.search(r"process\.(?:on|once)\(\s*[\"']SIGTERM")
    comment = "Node as process 1 does not react to SIGTERM unless the app handles it: tini passes it on."
    build = f"RUN {values['run']} build" if "build" in scripts(folder) else ""
    text = render(
        "node-server.dockerfile",
        {
            **values,
            "port": str(port),
            "build": build,
            "prune": f"RUN {values['prune']}",
            "system_run": "" if handled else apt_install("tini", comment),
            "entrypoint": "" if handled else 'ENTRYPOINT ["tini", "--"]',
            "cmd": cmd(command),
        },
    )
    return App(
        stack=stack,
        evidence=evidence,
        port=port,
        port_reason=port_reason,
        dockerfile=text,
        packages=frozenset(packages(folder, development=False)),
        start=command,
        start_reason=reason,
        health=health,
        ignored=_IGNORED,
        facts=facts,
        hook=migration[0],
        hook_reason=migration[1],
    )


def _start(folder: AppFolder) -> tuple[Command, str]:
    known = scripts(folder)
    for name in ("start:prod", "start:production", "serve:prod", "start"):
        if name in known:
            line = known[name]
            if re.match(r"(?:npx )?(?:nodemon|ts-node-dev|tsx watch)\b", line):
                line = re.sub(r"^(?:npx )?(?:nodemon|ts-node-dev|tsx watch)\b", "node", line)
            return exec_form(line), f"the script {name} of package.json"
    main = folder.read_json("package.json").get("main")
    file = (
        main if isinstance(main, str) and folder.has(main) else folder.has("server.js", "index.js", "app.js")
    )
    return (("node", file), "main of package.json") if file else ((), "")


def _migration(folder: AppFolder) -> Migration:
    known = packages(folder)
    for name, line, needed in (
        ("prisma", "prisma migrate deploy", "prisma/migrations"),
        ("knex", "knex migrate:latest", "migrations"),
        ("sequelize-cli", "sequelize-cli db:migrate", "migrations"),
        ("drizzle-kit", "drizzle-kit migrate", "drizzle"),
        ("node-pg-migrate", "node-pg-migrate up", "migrations"),
    ):
        if name in known and folder.has_folder(needed):
            return line, f"{name} in package.json and {needed}/"
    return NO_MIGRATION


def _with_todo(app: App, text: str) -> App:
    from dataclasses import replace

    return replace(app, todo=(*app.todo, text))
