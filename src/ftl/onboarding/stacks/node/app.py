"""Node servers: Next.js, Nuxt, SvelteKit, Express and others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Command, FoundHealthCheck
from ftl.onboarding.stacks.health import found_health
from ftl.onboarding.stacks.node.managers import BUN
from ftl.onboarding.stacks.node.migrations import NodeMigration, addresses, clients, find_migration
from ftl.onboarding.stacks.node.package_json import (
    dockerfile_values,
    ignored,
    packages,
    public_variables,
    scripts,
    server_build,
    uses_prisma,
)
from ftl.onboarding.stacks.node.processes import development_tools, questions, start_command, workers
from ftl.onboarding.stacks.ports import found_port, loopback
from ftl.onboarding.stacks.sqlite import find_sqlite
from ftl.onboarding.templates import apt_install, cmd, render

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder


_FRAMEWORKS = "express fastify koa @nestjs/core @hapi/hapi hono h3 restify polka socket.io"
SERVERS = tuple(_FRAMEWORKS.split())
_STACKS = {"express": "Express", "fastify": "Fastify", "koa": "Koa", "@nestjs/core": "NestJS", "hono": "Hono"}


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


def _depends(folder: AppFolder, name: str) -> str | None:
    return f"{name} in package.json" if folder.has("package.json") and name in packages(folder) else None


def describe_nuxt(folder: AppFolder, evidence: str) -> App:
    """Nuxt: the server that `nuxt build` makes."""
    command = ("node", ".output/server/index.mjs")
    return server_app(
        folder, "Nuxt", evidence, 3000, command, "nuxt build", found_health(folder, start_page=True)
    )


def describe_server(folder: AppFolder, evidence: str) -> App:
    """A server by its start script."""
    name = next((name for name in SERVERS if name in evidence), "")
    start = start_command(folder)
    port, port_reason = found_port(folder, 3000)
    health = found_health(folder)
    if health.path is None and (folder / "public").has("index.html"):
        health = FoundHealthCheck("/", "public/index.html")
    if health.path is None and name == "@nestjs/core":
        page = _nest_health(folder)
        health = page if page.path or not health.maybe else health
    app = server_app(
        folder,
        _STACKS.get(name, "Node"),
        evidence,
        port,
        start.command,
        start.reason,
        health,
        port_reason=port_reason,
        more_build=start.build,
        hook=start.hook,
    )
    app = replace(app, todo=(*app.todo, *start.todo), image_todo=(*app.image_todo, *start.todo))
    if reach := loopback(folder):
        app = replace(with_todo(app, reach), remarks={"port": (reach,)})
    has_sessions = "express-session" in packages(folder)
    if has_sessions and folder.search(r"\bsecure\s*:(?!\s*false)") and not folder.search(r"trust proxy"):
        return with_todo(
            app,
            "write `app.set('trust proxy', 1)`: without it express-session takes requests for HTTP behind the proxy, "
            "and sends no secure cookie, so that nobody can log in",
        )
    return app


_NEST_PAGE = r"@Controller\(\s*(?:['\"]/?['\"])?\s*\)[^@]*?class \w+[^@]*@Get\(\s*(?:['\"]/?['\"])?\s*\)"
_NEST_PREFIX = r"setGlobalPrefix\(\s*['\"]/?([\w/-]+)['\"](\s*,[^;]*?\bexclude\b)?"


def _nest_health(folder: AppFolder) -> FoundHealthCheck:
    """The start page of NestJS, where a controller without a path has one."""
    hit, prefix = folder.search(_NEST_PAGE), folder.search(_NEST_PREFIX)
    if hit is None:
        return FoundHealthCheck(None, "no route of the code looks like a health check")
    if prefix is not None and prefix[1][2]:
        return FoundHealthCheck(None, f"the prefix in {prefix[0]} has exceptions")
    path = f"/{prefix[1][1].strip('/')}" if prefix is not None else "/"
    return FoundHealthCheck(path, f"`@Get()` in {hit[0]}")


def server_app(
    folder: AppFolder,
    stack: str,
    evidence: str,
    port: int,
    command: Command,
    reason: str,
    health: FoundHealthCheck,
    *,
    port_reason: str = "PORT in the Dockerfile",
    tini: bool = True,
    build_env: str = "",
    more_build: tuple[str, ...] = (),
    hook: str | None = None,
) -> App:
    """A server in Node: its Dockerfile, migrations (`hook`: those of its scripts) and databases."""
    values, facts = dockerfile_values(folder)
    migration = find_migration(folder)
    beside = workers(folder)
    sqlite = find_sqlite(folder, packages(folder))
    handled = not tini or folder.search(r"process\.(?:on|once)\(\s*[\"']SIGTERM")
    system = [*(["openssl"] if uses_prisma(folder) else []), *([] if handled else ["tini"])]
    comment = "Node as process 1 does not react to SIGTERM unless the app handles it: tini passes it on."
    about_file = sqlite.todo(folder, "node")
    bun = f"{BUN.prepare}\n" if command[:1] in (("bun",), ("bunx",)) else ""
    script = server_build(folder)
    lines = [f"RUN {values['build'].removesuffix('build')}{script}"] if script else []
    lines += [f"RUN {line}" for line in more_build]
    build = "\n".join([*([build_env] if build_env and script else []), *lines])
    text = render(
        "node-server.dockerfile",
        {
            **values,
            "port": str(port),
            "build": build,
            "prune": kept_packages(folder, migration, command, *(one.command for one in beside))
            or f"RUN {values['prune']}",
            "system_run": f"{bun}{apt_install(' '.join(system), '' if handled else comment)}",
            "entrypoint": "" if handled else 'ENTRYPOINT ["tini", "--"]',
            "sqlite": sqlite.on_volume("node"),
            "cmd": cmd(command) if command else "",
        },
    )
    return App(
        stack=stack,
        evidence=evidence,
        port=port,
        port_reason=port_reason,
        dockerfile=text,
        packages=clients(folder, development=False),
        addresses=addresses(folder),
        start=command,
        start_reason=reason,
        health=health,
        ignored=(*ignored(folder), *sqlite.ignored),
        build_args=public_variables(folder),
        facts=facts,
        hook=migration.command or hook,
        hook_reason=migration.reason or ("before the start, by the scripts of package.json" if hook else ""),
        workers=beside,
        env=sqlite.env,
        volumes=sqlite.volumes,
        data_file=sqlite.data_file,
        todo=(*(() if hook else migration.todo), *questions(folder), *about_file),
        image_todo=about_file,
    )


def kept_packages(folder: AppFolder, migration: NodeMigration, *commands: Command) -> str:
    """A comment in place of the removal of development packages, where a command needs one."""
    if kept := migration.kept(folder):
        return kept
    tools = development_tools(folder, *commands)
    if not tools:
        return ""
    return f"# {tools[0]}, which starts the app, is among the packages of development: they stay."


def with_todo(app: App, text: str) -> App:
    """An app with one more thing to do."""
    return replace(app, todo=(*app.todo, text))
