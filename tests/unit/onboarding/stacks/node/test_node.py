"""Node apps: package managers by their lock files and settings, and processes by scripts."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.onboarding.dockerfile_faults import faults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.onboarding.conftest import Begin

LINKER = "ENV YARN_NODE_LINKER=node-modules YARN_ENABLE_GLOBAL_CACHE=true\n"
FOCUS = "RUN yarn workspaces focus --production\n"


def app(scripts: Mapping[str, str] | None = None, *used: str, **more: object) -> dict[str, str]:
    """An app of express, with packages and scripts."""
    data = {
        "scripts": {"start": "node a.js", **(scripts or {})},
        "dependencies": dict.fromkeys(("express", *used), "5"),
    }
    return {"package.json": json.dumps(data | more), "a.js": "app.listen(3000)"}


@pytest.mark.parametrize(
    ("files", "lines", "missing"),
    [
        ({**app(packageManager="yarn@4.9.1"), "yarn.lock": ""}, ("RUN corepack enable yarn\n", LINKER, FOCUS), ()),
        ({**app(packageManager="yarn@4.9.1"), "yarn.lock": "", ".yarnrc.yml": "nodeLinker: pnp\n"}, (LINKER,), ()),
        ({**app(packageManager="yarn@4.9.1"), "yarn.lock": "", ".yarnrc.yml": "nodeLinker: node-modules\n"}, (), ("LINKER",)),
        ({**app(packageManager="yarn@4.9.1"), "yarn.lock": "", ".yarnrc.yml": 'nodeLinker: "pnpm"\n'}, (), ("LINKER",)),
        ({**app(), "yarn.lock": "__metadata:\n  version: 8\n"}, (LINKER, "corepack install --global yarn@4\n", "--immutable"), ()),
        ({**app(), "yarn.lock": "__metadata:\n  version: 6\n"}, ("corepack install --global yarn@3\n", "plugin import workspace-tools && yarn workspaces"), ()),
        (
            {**app(), "yarn.lock": "", ".yarnrc.yml": "yarnPath: .yarn/releases/yarn-3.6.1.cjs\nplugins:\n  - spec: '@yarnpkg/plugin-workspace-tools'\n", ".yarn/releases/x": ""},
            ("COPY .yarn/releases ./.yarn/releases/\n", LINKER, FOCUS), ("--global",),
        ),
        ({**app(), "yarn.lock": "# yarn lockfile v1\n"}, ("--frozen-lockfile",), ("LINKER", "corepack")),
        ({**app(), "package-lock.json": "{}", "patches/a.patch": ""}, ("COPY patches ./patches/\n",), ()),
        ({**app(), "package-lock.json": "{}", "db/schema.prisma": "datasource db {\n}\n"}, ("COPY db ./db/\n",), ()),
    ],
)  # fmt: skip
def test_yarn_2_and_newer(
    begin: Begin, files: Mapping[str, str], lines: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    """Packages are in node_modules, where the image looks for them; what the installation reads is there."""
    start, _ = begin(files)
    text = start.files["Dockerfile"]
    assert [line for line in lines if line not in text] == []
    assert [line for line in missing if line in text] == []
    assert faults(text) == []
    assert (".pnp.*" in start.files[".dockerignore"]) is ("corepack" in text)


@pytest.mark.parametrize(
    ("scripts", "queue", "services"),
    [
        ({"worker": "node worker.js"}, "bullmq", {"worker": ("node", "worker.js")}),
        ({"start:worker": "node w.js"}, "bull", {"worker": ("node", "w.js")}),
        ({"queue": "node q.js"}, "pg-boss", {"queue": ("node", "q.js")}),
        ({"worker": "nodemon w.js", "worker:prod": "node w.js"}, "agenda", {"worker": ("node", "w.js")}),
        ({"worker": "node w.js", "start:worker:prod": "node x.js"}, "agenda", {"worker": ("node", "x.js")}),
        ({"worker": "node --env-file=.env w.js"}, "bullmq", {"worker": ("node", "w.js")}),
        ({"worker": "node w.js", "queue": "node q.js"}, "bullmq", {"worker": ("node", "w.js"), "queue": ("node", "q.js")}),
        ({"workers": "node w.js"}, "kafkajs", {"worker": ("node", "w.js")}),
        ({"worker:dev": "node w.js", "build:worker": "tsc"}, "bullmq", {}),
    ],
)  # fmt: skip
def test_a_script_of_a_worker_is_a_service(
    begin: Begin, scripts: Mapping[str, str], queue: str, services: Mapping[str, tuple[str, ...]]
) -> None:
    """Next to a library of queues: without it, nobody did the work."""
    start, project = begin(app(scripts, queue))
    assert {one.name: one.command for one in project.services[1:]} == services
    assert not [todo for todo in start.todo if "looks like another process" in todo]


@pytest.mark.parametrize(
    ("scripts", "used"), [({"worker": "node w.js"}, ()), ({"worker": "tsx watch w.ts"}, ("bullmq",))]
)
def test_a_script_that_may_be_a_process(
    begin: Begin, scripts: Mapping[str, str], used: tuple[str, ...]
) -> None:
    """Without a queue, or for development, it is a question."""
    start, project = begin(app(scripts, *used))
    assert len(project.services) == 1
    (todo,) = [todo for todo in start.todo if "looks like another process" in todo]
    assert "the script worker of package.json" in todo
    assert "(not sure)" in todo


def test_a_worker_that_a_standalone_server_has_not(begin: Begin) -> None:
    """The image of Next.js has the files of its server alone."""
    files = app({"build": "next build", "worker": "node w.js"}, "next", "bullmq")
    start, project = begin({**files, "next.config.js": 'x = { output: "standalone" }'})
    assert len(project.services) == 1
    assert [todo for todo in start.todo if "from another Dockerfile" in todo]


@pytest.mark.parametrize(
    ("start", "tool", "kept"),
    [
        ("tsx src/a.ts", "tsx", True),
        ("node --import tsx src/a.ts", "tsx", True),
        ("NODE_ENV=production ts-node src/a.ts", "ts-node", True),
        ("node -r ts-node/register src/a.ts", "ts-node", True),
        ("nest start", "@nestjs/cli", True),
        ("node dist/a.js", "tsx", False),
    ],
)
def test_a_program_among_the_packages_of_development(begin: Begin, start: str, tool: str, kept: bool) -> None:
    """It stays in the image where a command of the app needs it: the container ended at once without it."""
    text = begin(app({"start": start}, devDependencies={tool: "4"}))[0].files["Dockerfile"]
    assert (f"# {tool}, which starts the app" in text) is kept
    assert ("npm prune" in text) is not kept


def test_a_file_with_variables_is_not_in_the_image(begin: Begin) -> None:
    """Node ends without it."""
    text = begin(app({"start": "node --env-file=.env --env-file-if-exists=.env.local a.js"}))[0].files[
        "Dockerfile"
    ]
    assert 'CMD ["node", "--env-file-if-exists=.env.local", "a.js"]\n' in text


@pytest.mark.parametrize(
    ("lock", "more", "line"),
    [
        ("9.0", {}, "RUN corepack enable pnpm && corepack install --global pnpm@10\n"),
        ("'6.0'", {}, "corepack install --global pnpm@8\n"),
        ("5.4", {}, "corepack install --global pnpm@7\n"),
        (
            "9.0",
            {"pnpm-workspace.yaml": "allowBuilds: {esbuild: true}\n"},
            "corepack install --global pnpm@11\n",
        ),
        ("9.0", app(packageManager="pnpm@9.1.0"), "RUN corepack enable pnpm\n"),
        ("9.0", app(engines={"pnpm": "^9"}), "corepack install --global pnpm@9\n"),
        ("5.4", app(engines={"pnpm": ">=8 <10"}), "corepack install --global pnpm@9\n"),
        ("'6.0'", app(engines={"pnpm": ">=7"}), "corepack install --global pnpm@8\n"),
        (
            "9.0",
            app(devEngines={"packageManager": {"name": "pnpm", "version": "^11"}}),
            "RUN corepack enable pnpm\n",
        ),
        (
            "9.0",
            app(engines={"node": ">=26"}),
            "RUN npm install --global corepack && corepack enable pnpm && ",
        ),
    ],
)
def test_the_version_of_pnpm(begin: Begin, lock: str, more: dict[str, str], line: str) -> None:
    """That of the lock file: the newest one ends at scripts of packages that an app of another has not allowed."""
    start, _ = begin({**app(), "pnpm-lock.yaml": f"lockfileVersion: {lock}\n", **more})
    assert line in start.files["Dockerfile"]


SOURCE = {"src/migrations/1.ts": "", "src/db/source.ts": "export const source = new DataSource({})\n"}
DIST = {"tsconfig.json": '{"compilerOptions": {"outDir": "./dist"}}'}
TSC = app({"build": "tsc -p ."}, "typeorm")


@pytest.mark.parametrize(
    ("files", "file"),
    [
        ({**TSC, **SOURCE, **DIST}, "dist/db/source.js"),
        ({**app({"build": "nest build"}, "typeorm"), **SOURCE, **DIST}, "dist/db/source.js"),
        ({**TSC, **SOURCE, "tsconfig.json": '{\n  "rootDir": "./",\n  "outDir": "dist"\n}'}, "dist/src/db/source.js"),
        ({**TSC, **SOURCE, **DIST, "src/db/source.ts": "const x = new DataSource({})\nexport default x\n"}, "dist/db/source.js"),
        ({**TSC, **SOURCE, **DIST, "src/app.ts": "const f = () => new DataSource({})\n"}, "dist/db/source.js"),
        ({**app({}, "typeorm"), "migrations/1.js": "", "source.js": "module.exports = new DataSource({})\n"}, "source.js"),
        ({**TSC, **SOURCE, **DIST, "src/db/source.ts": "const f = () => new DataSource({})\n"}, ""),
        ({**TSC, **SOURCE, "tsconfig.json": '{"compilerOptions": {"outDir": "build"}}'}, ""),
        ({**TSC, **SOURCE, "tsconfig.json": '{\n  // "outDir": "./dist",\n}'}, ""),
        ({**app({"build": "tsc --noEmit"}, "typeorm"), **SOURCE, **DIST}, ""),
        ({**app({"build": "tsup"}, "typeorm"), **SOURCE, **DIST}, ""),
        ({**TSC, **DIST, "src/migrations/1.ts": ""}, ""),
    ],
)  # fmt: skip
def test_migrations_of_typeorm(begin: Begin, files: Mapping[str, str], file: str) -> None:
    """Its program wants a file that is there and exports the DataSource: each deploy ended at the hook."""
    start, project = begin(files)
    hooks = project.services[0].hooks
    assert (hooks.pre.remote if hooks.pre else None) == (f"typeorm migration:run -d {file}" if file else None)
    assert any("typeorm migration:run -d FILE" in text for text in start.todo) is not bool(file)


def test_migrations_of_typeorm_before_the_start(begin: Begin) -> None:
    """A script of the app that migrates says how."""
    scripts = {"prestart": "npm run migrate", "migrate": "typeorm migration:run -d out/a.js"}
    start, project = begin({**app(scripts, "typeorm"), "src/migrations/1.ts": ""})
    hook = project.services[0].hooks.pre
    assert hook is not None
    assert hook.remote == "typeorm migration:run -d out/a.js"
    assert [text for text in start.todo if "typeorm" in text] == []


@pytest.mark.parametrize(
    ("scripts", "hook"),
    [
        ({"migrate": "knex migrate:latest --knexfile build/knexfile.js"}, "knex migrate:latest --knexfile build/knexfile.js"),
        ({"migrate": "knex --knexfile build/knexfile.js migrate:latest"}, "knex migrate:latest --knexfile build/knexfile.js"),
        ({"migrate": "npx knex migrate:latest --knexfile=build/knexfile.js && echo done"}, "knex migrate:latest --knexfile=build/knexfile.js"),
        ({"knex": "knex --knexfile build/a.js", "migrate": "npm run knex migrate:latest -- --knexfile b.js --env x"}, "knex migrate:latest --knexfile b.js"),
        ({"migrate:dev": "knex migrate:latest --env development"}, "knex migrate:latest --knexfile src/knexfile.ts"),
        ({"migrate": "knex migrate:latest --knexfile a.js", "migrate:prod": "knex migrate:latest --knexfile b.js"}, "knex migrate:latest --knexfile b.js"),
        ({"migrate": "knex migrate:latest --knexfile a.js", "migrate:prod": "knex migrate:latest"}, "knex migrate:latest --knexfile src/knexfile.ts"),
        ({"pretest": "knex migrate:latest --knexfile a.js", "testdb": "knex migrate:latest --knexfile b.js"}, "knex migrate:latest --knexfile src/knexfile.ts"),
        ({"migrate": "knex migrate:latest --env development"}, "knex migrate:latest --knexfile src/knexfile.ts"),
        ({"migrate": "knex migrate:latest --connection postgres://u:hunter2@localhost/db --knexfile 'a.js' 2>&1 | tee log"}, "knex migrate:latest --knexfile a.js"),
        ({"migrate": "knex migrate:latest --knexfile $FILE"}, "knex migrate:latest --knexfile src/knexfile.ts"),
        ({"migrate": "knex migrate:latest"}, "knex migrate:latest --knexfile src/knexfile.ts"),
        ({"rollback": "knex migrate:rollback --knexfile build/knexfile.js"}, "knex migrate:latest --knexfile src/knexfile.ts"),
        ({"migrate": "knex migrate:latest-x --knexfile a.js"}, "knex migrate:latest --knexfile src/knexfile.ts"),
    ],
)  # fmt: skip
def test_migrations_by_the_own_script(begin: Begin, scripts: dict[str, str], hook: str) -> None:
    """It names the settings that the build makes; those among the sources need a compiler in the image."""
    files = {"src/migrations/1.ts": "", "src/knexfile.ts": "export default {}\n", "a.js": ""}
    _, project = begin({**app({"start": "node a.js", **scripts}, "knex"), **files})
    hooks = project.services[0].hooks
    assert hooks.pre is not None
    assert hooks.pre.remote == hook


def test_a_knexfile_that_is_found_without_an_option(begin: Begin) -> None:
    """A script for this machine names the uncompiled one: the hook has none of its options."""
    scripts = {"migrate": "knex migrate:latest --knexfile src/knexfile.ts --env local"}
    files = {"src/migrations/1.js": "", "knexfile.js": "module.exports = {}\n", "src/knexfile.ts": "x\n"}
    _, project = begin({**app({"start": "node a.js", **scripts}, "knex"), **files, "a.js": ""})
    pre = project.services[0].hooks.pre
    assert pre is not None
    assert pre.remote == "knex migrate:latest"


@pytest.mark.parametrize(
    ("line", "hook"),
    [
        ("typeorm migration:run -d out/a.js", "typeorm migration:run -d out/a.js"),
        ("npm run typeorm migration:run -- -d out/a.js", "typeorm migration:run -d out/a.js"),
        ("typeorm-ts-node-commonjs migration:run -d src/a.ts", None),
        ("typeorm migration:run -d src/a.ts", None),
    ],
)
def test_migrations_of_typeorm_by_the_own_script(begin: Begin, line: str, hook: str | None) -> None:
    """A file that no build is known to make; its program reads none that are not compiled."""
    _, project = begin({**app({"migrate": line}, "typeorm"), "src/migrations/1.ts": "", "a.js": ""})
    hooks = project.services[0].hooks
    assert (hooks.pre.remote if hooks.pre else None) == hook
