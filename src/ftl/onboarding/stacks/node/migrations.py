"""Migrations of Node apps, and the databases that Prisma's schema names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.stacks.node.package_json import packages
from ftl.onboarding.stacks.prisma import find_datasource
from ftl.onboarding.templates import apt_install

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_USUAL = ("migrations", "src/migrations", "db/migrations", "src/db/migrations", "database/migrations")
_TOOLS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("prisma", "prisma migrate deploy", ("prisma/migrations",)),
    ("knex", "knex migrate:latest", _USUAL),
    ("sequelize-cli", "sequelize-cli db:migrate", _USUAL[:1]),
    ("drizzle-kit", "drizzle-kit migrate", ("drizzle",)),
    ("node-pg-migrate", "node-pg-migrate up", _USUAL[:1]),
    ("typeorm", "typeorm migration:run", (*_USUAL, "src/migration", "src/database/migrations")),
)
"""Package, command before a release, and the folders without any of which there are no migrations."""

_KNEXFILE = re.compile(r"(?:[\w-]+/)*knexfile\.(?:js|cjs|mjs|ts)")
_DATA_SOURCE = r"\bnew DataSource\("


@dataclass(frozen=True, slots=True)
class NodeMigration:
    """A tool that migrates the database, and its command; all empty if the app has none."""

    tool: str = ""
    command: str | None = None
    reason: str = ""
    version: str = ""

    def kept(self, folder: AppFolder) -> str:
        """A comment in place of the removal of the packages of development, where the tool is one."""
        if not self.tool or self.tool in packages(folder, development=False):
            return ""
        return f"# {self.tool}, which migrates the database, is among the packages of development: they stay."

    def of_standalone(self, folder: AppFolder) -> str:
        """Lines that add Prisma's command line to an image of Next.js' standalone server."""
        if self.tool != "prisma":
            return ""
        package = f"prisma@{self.version}" if self.version else "prisma"
        lines = [
            apt_install("openssl", "Prisma's engines look for it."),
            "# The standalone server does not contain the program that migrates the database.",
            f"RUN --mount=type=cache,target=/root/.npm npm install --global {package}",
            "COPY --from=build --chown=node:node /app/prisma ./prisma",
        ]
        if file := folder.has("prisma.config.ts", "prisma.config.js"):
            lines.append(f"COPY --from=build --chown=node:node /app/{file} ./")
        return "\n".join(lines)

    @property
    def todo_of_standalone(self) -> tuple[str, ...]:
        """Another tool than Prisma, which the standalone server lacks."""
        if self.tool in ("", "prisma"):
            return ()
        return (
            f"install {self.tool} in the Dockerfile's last stage: the standalone server does not contain it",
        )


def find_migration(folder: AppFolder) -> NodeMigration:
    """The first tool among the dependencies that has migrations in the folder."""
    known = packages(folder)
    for name, line, folders in _TOOLS:
        needed = next(filter(folder.has_folder, folders), None)
        if name in known and needed is not None and (options := _options(folder, name)) is not None:
            line += options
            version = re.search(r"\d+(?:\.\d+)*", known[name])
            return NodeMigration(
                name, line, f"{name} in package.json and {needed}/", version[0] if version else ""
            )
    return NodeMigration()


def _options(folder: AppFolder, tool: str) -> str | None:
    """Options of a tool: where its settings are, unless it finds them; None if nobody knows."""
    if tool == "knex":
        file = next((name for name in folder.sources if _KNEXFILE.fullmatch(name)), "")
        return f" --knexfile {file}" if "/" in file else ""
    if tool == "typeorm":
        hit = folder.search(_DATA_SOURCE)
        if hit is None:
            return None
        built = re.sub(r"^src/(.*)\.ts$", r"dist/\1.js", hit[0])
        return f" -d {built}"
    return ""


def clients(folder: AppFolder, *, development: bool) -> frozenset[str]:
    """Dependencies by which databases are found; `prisma:PROVIDER` is that of its schema."""
    names = frozenset(packages(folder, development=development))
    source = find_datasource(folder)
    return names | {f"prisma:{source.provider}"} if source is not None and source.provider else names


def addresses(folder: AppFolder) -> dict[str, dict[str, str]]:
    """The variables that Prisma's schema says have the address of its database."""
    source = find_datasource(folder)
    return {f"prisma:{source.provider}": dict.fromkeys(source.variables, "")} if source is not None else {}
