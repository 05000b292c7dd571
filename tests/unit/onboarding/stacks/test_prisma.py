"""Prisma's datasource: the kind of database, and the variables that get its address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.onboarding.apps import package

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.onboarding.conftest import Begin

APP = {"package.json": package({"start": "node a.js"}, express="5", prisma="6"), "a.js": "app.listen(3000)"}


def schema(*lines: str, provider: str = "postgresql") -> str:
    """A schema whose datasource has these lines."""
    inner = "\n".join(f"  {line}" for line in (f'provider = "{provider}"', *lines))
    return f'generator client {{\n  provider = "prisma-client-js"\n}}\ndatasource db {{\n{inner}\n}}\n'


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"prisma/schema.prisma": schema('url = env("DATABASE_URL")')}, ["DATABASE_URL"]),
        (
            {
                "prisma/schema.prisma": schema(
                    'url = env("POSTGRES_PRISMA_URL") // pooled',
                    'directUrl = env("POSTGRES_URL_NON_POOLING")',
                )
            },
            ["POSTGRES_PRISMA_URL", "POSTGRES_URL_NON_POOLING"],
        ),
        (
            {"prisma/schema.prisma": schema('url = env("PG_MAIN")', 'shadowDatabaseUrl = env("PG_SHADOW")')},
            ["PG_MAIN"],
        ),
        ({"prisma/schema.prisma": schema('url = env("PG_A")', '// directUrl = env("PG_B")')}, ["PG_A"]),
        ({"prisma/schema/base.prisma": schema('url = env("PG_A")')}, ["PG_A"]),
        (
            {
                "prisma/schema.prisma": schema(),
                "prisma.config.ts": 'export default defineConfig({ datasource: { url: env("PG_A") } })',
            },
            ["PG_A"],
        ),
        (
            {
                "prisma/schema.prisma": schema(),
                "prisma.config.ts": "export default { datasource: { url: process.env.PG_A } }",
            },
            ["PG_A"],
        ),
    ],
)
def test_the_variables_of_the_datasource_have_the_address(
    begin: Begin, files: Mapping[str, str], names: list[str]
) -> None:
    """Whatever their names are: a name that is not DATABASE_URL got none, and the app could not start."""
    start, project = begin({**APP, **files})
    env = project.services[0].env
    assert list(env) == names
    assert all(value.startswith("postgresql://postgres:") for value in env.values())
    assert "no line of the code reads it" not in start.files["ftl.yaml"]


def test_names_of_other_databases(begin: Begin) -> None:
    """The schema's variables are those of its own database alone."""
    files = {**APP, "package.json": package({"start": "node a.js"}, express="5", prisma="6", ioredis="5")}
    text = schema('url = env("MAIN")', provider="mysql")
    _, project = begin({**files, "prisma/schema.prisma": text, "b.js": "process.env.REDIS_URL"})
    env = project.services[0].env
    assert {name: value.partition(":")[0] for name, value in env.items()} == {
        "MAIN": "mysql",
        "REDIS_URL": "redis",
    }


def test_an_sqlite_file_beside_a_schema_elsewhere(begin: Begin) -> None:
    """Its path starts from the folder of the schema."""
    text = schema('url = "file:./dev.db"', provider="sqlite")
    start, project = begin({**APP, "db/schema.prisma": text})
    assert project.services[0].volumes == ("data:/data",)
    assert "ln -sf /data/dev.db db/dev.db" in start.files["Dockerfile"]
