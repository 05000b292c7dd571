"""Migrations of Node apps, and the databases that Prisma's schema names."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.stacks.node.package_json import packages, scripts
from ftl.onboarding.stacks.prisma import find_datasource
from ftl.onboarding.templates import apt_install

if TYPE_CHECKING:
    from collections.abc import Sequence

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
_DATA_SOURCE = re.compile(r"\bnew DataSource\(")
_EXPORTS = re.compile(
    r"^export\s+default\b|^export\s+const\s[^=\n]*=\s*new DataSource\(|^(?:module\.)?exports\b", re.MULTILINE
)
_COMPILES = re.compile(r"(?<![\w-])tsc\b(?!.*(?:--noEmit|-w\b|--watch))|\bnest build\b")
_TO_DIST = re.compile(
    r"^(?!\s*//).*\"outDir\"\s*:\s*\"(?:\./)?dist/?\"|--outDir (?:\./)?dist\b", re.MULTILINE
)
_OF_ALL = re.compile(r"^(?!\s*//).*\"rootDir\"\s*:\s*\"\.?/?\"|\bdist/src/", re.MULTILINE)
"""The folder `src` is below `dist`, too."""


@dataclass(frozen=True, slots=True)
class NodeMigration:
    """A tool that migrates the database, and its command; all empty if the app has none.

    Attributes:
        todo: What to write, where the tool is known and its command is not.
    """

    tool: str = ""
    command: str | None = None
    reason: str = ""
    version: str = ""
    todo: tuple[str, ...] = ()

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
        if name not in known or needed is None:
            continue
        options = _own_options(folder, line) or _options(folder, name)
        if options is None:
            return NodeMigration(
                name,
                todo=(
                    f"write `hooks: {{pre: {line} -d FILE}}`, with the compiled file that exports the DataSource: "
                    f"{needed}/ has migrations, and no build to dist of such a file is found",
                ),
            )
        version = re.search(r"\d+(?:\.\d+)*", known[name])
        return NodeMigration(
            name, line + options, f"{name} in package.json and {needed}/", version[0] if version else ""
        )
    return NodeMigration()


_FOR_OTHER_PLACES = re.compile(
    r"(?:^(?:pre|post)?|[:_-])(?:dev|development|local|tests?|ci|watch|e2e|staging)(?:$|[:_-])|^(?:pre|post)?test"
)
_FOR_A_SERVER = re.compile(r"(?:^|[:_-])(?:prod|production|deploy|release)(?:$|[:_-])")
_SETTINGS = {
    "prisma": ("--schema", "--config"),
    "knex": ("--knexfile",),
    "sequelize-cli": ("--config",),
    "drizzle-kit": ("--config",),
    "node-pg-migrate": ("--config-file", "-f"),
    "typeorm": ("--dataSource", "--data-source", "-d", "--config", "-f"),
}
"""Options of each program that name the file with its settings."""

_FILE = re.compile(r"[\w./@-]+(?<!\.ts)(?<!\.mts)(?<!\.cts)")
"""A file that the image has without a compiler, and neither a variable nor an address."""


def _own_options(folder: AppFolder, line: str) -> str:
    """The settings files that the app's own scripts name for the command; empty without any.

    A script of production decides, also by none. Other options are for one place, or have a password.
    """
    program, _, task = line.partition(" ")
    called = re.compile(
        rf"(?<![\w.:-]){re.escape(program)}(?:\.js)?((?:\s+-[^\s;&|]*(?:[ ][^-\s;&|][^\s;&|]*)?)*?)"
        rf"\s+{re.escape(task)}(?![^\s;&|])(?:\s+--(?=\s))?([^;&|<>]*)"
    )
    names = sorted(scripts(folder), key=lambda name: _FOR_A_SERVER.search(name) is None)
    for name in names:
        match = called.search(scripts(folder)[name]) if not _FOR_OTHER_PLACES.search(name) else None
        if match is None:
            continue
        options = _settings_files(program, f"{match[1]} {match[2]}".split())
        if options or _FOR_A_SERVER.search(name):
            return options
    return ""


def _settings_files(program: str, words: Sequence[str]) -> str:
    """The options among words that name a file with settings, each after a space."""
    found = ""
    for word, following in pairwise((*words, "")):
        name, equals, value = word.partition("=")
        file = (value if equals else following).strip("\"'")
        if name in _SETTINGS[program] and not file.startswith("-") and _FILE.fullmatch(file):
            found += f" {name}{equals or ' '}{file}"
    return found


def _options(folder: AppFolder, tool: str) -> str | None:
    """Options of a tool: where its settings are, unless it finds them; None if nobody knows."""
    if tool == "knex":
        files = sorted(filter(_KNEXFILE.fullmatch, folder.sources), key=lambda name: name.count("/"))
        return f" --knexfile {files[0]}" if files and "/" in files[0] else ""
    if tool == "typeorm":
        file = next(filter(None, (_compiled(folder, name) for name in _data_sources(folder))), "")
        return f" -d {file}" if file else None
    return ""


def _data_sources(folder: AppFolder) -> list[str]:
    """Files that export TypeORM's DataSource: one inside a function is of no use to its program."""
    return [
        name for name, text in folder.sources.items() if _DATA_SOURCE.search(text) and _EXPORTS.search(text)
    ]


def _compiled(folder: AppFolder, name: str) -> str:
    """The file that the compiler makes of one; empty if it is not known to make any."""
    if not name.endswith(".ts"):
        return name
    lines = [*scripts(folder).values()]
    settings = "\n".join([folder.read("tsconfig.json"), folder.read("tsconfig.build.json"), *lines])
    if not (name.startswith("src/") and any(map(_COMPILES.search, lines)) and _TO_DIST.search(settings)):
        return ""
    inner = name if _OF_ALL.search(settings) else name.removeprefix("src/")
    return f"dist/{inner.removesuffix('.ts')}.js"


def clients(folder: AppFolder, *, development: bool) -> frozenset[str]:
    """Dependencies by which databases are found; `prisma:PROVIDER` is that of its schema."""
    names = frozenset(packages(folder, development=development))
    source = find_datasource(folder)
    return names | {f"prisma:{source.provider}"} if source is not None and source.provider else names


def addresses(folder: AppFolder) -> dict[str, dict[str, str]]:
    """The variables that Prisma's schema says have the address of its database."""
    source = find_datasource(folder)
    return {f"prisma:{source.provider}": dict.fromkeys(source.variables, "")} if source is not None else {}
