"""Variables that schemas of JavaScript check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.variables.reading import variables_of

from ..apps import package

if TYPE_CHECKING:
    from ..conftest import Begin

T3 = """
import { createEnv } from "@t3-oss/env-nextjs";
import { z } from "zod";

export const env = createEnv({
  /* Of the server: { */
  server: {
    AUTH_SECRET:
      process.env.NODE_ENV === "production"
        ? z.string()
        : z.string().optional(),
    DATABASE_URL: z.string().url().refine((value) => ["a", "b,"].includes(value), "no, not {this}"),
    MAILER: z.enum(["x", "y"]).default("x"), // may lack
    "QUOTED_KEY": z.string(),
    // OLD_KEY: z.string(),
    LEVEL: z.string().optional(),
  },
  shared: { REGION: z.string() },
  client: { NEXT_PUBLIC_KEY: z.string() },
  runtimeEnv: { AUTH_SECRET: process.env.AUTH_SECRET, LEVEL: process.env.LEVEL },
  skipValidation: !!process.env.SKIP_ENV_VALIDATION,
});
"""


@pytest.mark.parametrize(
    ("text", "demanded"),
    [
        (T3, ["AUTH_SECRET", "DATABASE_URL", "QUOTED_KEY", "REGION"]),
        ("const s = z.object({ A_KEY: z.string(), B_KEY: z.string().nullish() })\ns.parse(process.env)", ["A_KEY"]),
        ("const s = z.object({ A_KEY: z.string() })\ns.parse(body)", []),
        (
            "cleanEnv(process.env, { A_KEY: str(), B_KEY: num({ default: 1 }), C_KEY: str({ devDefault: 'x' }) })",
            ["A_KEY", "C_KEY"],
        ),
        (
            "ConfigModule; Joi.object({ A_KEY: Joi.string().required(), B_KEY: Joi.string() })",
            ["A_KEY"],
        ),
        ("createEnv(options)", []),
        ("createEnv({ server: { A_KEY: z.string()", []),
        ("createEnv({ server: {} })", []),
    ],
)  # fmt: skip
def test_what_a_schema_demands(text: str, demanded: list[str]) -> None:
    """Names in the sections of the server without a default or `optional`."""
    found = [one.name for one in variables_of({"src/env.js": text}).values() if one.demanded_by]
    assert sorted(found) == demanded


def test_an_app_of_create_t3_app(begin: Begin) -> None:
    """The build skips the checks, which are for the running app; names that nothing sets are things to do."""
    files = {
        "package.json": package({"build": "next build"}, next="15", postgres="3"),
        "package-lock.json": "{}",
        "src/env.js": T3,
    }
    start, project = begin({**files, ".env": "AUTH_SECRET=s\nPOSTGRES_PASSWORD=p\n"})
    assert "RUN SKIP_ENV_VALIDATION=1 npm run build\n" in start.files["Dockerfile"]
    env = project.services[0].env
    assert env["DATABASE_URL"].startswith("postgresql://")
    assert env["AUTH_SECRET"] == "s"
    assert [text for text in start.todo if text.startswith("set QUOTED_KEY and REGION in .env")]


def test_the_build_of_a_standalone_server(begin: Begin) -> None:
    """It skips the checks, too."""
    files = {
        "package.json": package({"build": "next build"}, next="15"),
        "package-lock.json": "{}",
        "next.config.js": 'import "./src/env.js"\nexport default { output: "standalone" }',
        "src/env.js": "createEnv({ server: {}, skipValidation: !!process.env.SKIP_ENV_VALIDATION })",
    }
    text = begin(files)[0].files["Dockerfile"]
    assert "RUN --mount=type=cache,target=/app/.next/cache SKIP_ENV_VALIDATION=1 npm run build\n" in text
