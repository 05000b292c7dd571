"""Caddyfiles, comments and things to do that `ftl init` writes for odd apps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.errors import UsageError
from ftl.onboarding.starter import make_start

from .conftest import put_files
from .odd_apps import ODD, using

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .conftest import Begin


def test_a_site_below_a_path(begin: Begin) -> None:
    """Its files are where its pages look for them, and `/` leads there."""
    start, _ = begin(ODD["vite below a path"].files)
    caddyfile = start.files["Caddyfile"]
    assert "\tredir / /board/\n" in caddyfile
    assert "@hashed path /board/assets/*" in caddyfile
    assert "try_files {path} {path}/index.html /board/index.html" in caddyfile


def test_values_for_browsers_are_those_of_the_build(begin: Begin) -> None:
    """A bundler's variables are arguments of the build, and env files with nothing else are in its context."""
    start, project = begin(ODD["vite below a path"].files)
    assert "    #     VITE_API: ${VITE_API}\n" in start.files["ftl.yaml"]
    assert "VITE_API" not in project.services[0].env
    assert "\n!.env.production\n" in start.files[".dockerignore"]


def test_secrets_of_kamal_stay_out_of_the_image(begin: Begin, tmp_path: Path) -> None:
    """They are in the .dockerignore that is written, and asked for in one that is there."""
    files = {**using(), ".kamal/secrets": "A=1\n"}
    start, _ = begin(files)
    assert "\n.kamal\n" in start.files[".dockerignore"]
    folder = put_files(tmp_path / "own", {**files, ".dockerignore": ".git\n.env\nftl.yaml\n"})
    assert any(text.endswith("in the image: .kamal") for text in make_start(folder).todo)


@pytest.mark.parametrize("text", ["VITE_B=1\nSECRET=x\n", ""])
def test_env_files_with_secrets_stay_out_of_the_image(begin: Begin, text: str) -> None:
    """One other name is enough."""
    start, _ = begin({**using(), ".env.production": text})
    assert "!.env.production" not in start.files[".dockerignore"]


@pytest.mark.parametrize(
    ("files", "page"),
    [
        (using("astro"), False),
        (using("vitepress"), False),
        (using("@sveltejs/adapter-static"), False),
        (using(), True),
        (
            {**using("@sveltejs/adapter-static"), "svelte.config.js": "adapter({ fallback: '200.html' })"},
            True,
        ),
    ],
)
def test_unknown_paths(begin: Begin, files: Mapping[str, str], page: bool) -> None:
    """A site of pages has a page for errors; an app with a router gets all paths."""
    start, _ = begin(files)
    caddyfile = start.files["Caddyfile"]
    assert ("handle_errors" in caddyfile) is not page
    assert ("{path}.html" in caddyfile) is not page
    assert "@" not in caddyfile.replace("@page", "").replace("@hashed", "")
    fallback = "200.html" if "svelte.config.js" in files else "index.html"
    assert (f"try_files {{path}} {{path}}/index.html /{fallback}" in caddyfile) is page


def test_things_to_do(begin: Begin) -> None:
    """What the build lacks, and what no tool can know, is said."""
    start, _ = begin(using("@sveltejs/kit", "@sveltejs/adapter-auto"))
    assert any("npm install --save-dev @sveltejs/adapter-node" in text for text in start.todo)


def test_adapters_that_make_no_server_by_themselves(begin: Begin) -> None:
    """SvelteKit's default adapter is told to, in the file that its generator makes."""
    vite = "import adapter from '@sveltejs/adapter-auto';\nexport default { plugins: [sveltekit({ adapter })] }\n"
    start, _ = begin(using("@sveltejs/kit", "@sveltejs/adapter-auto") | {"vite.config.ts": vite})
    assert "ENV GCP_BUILDPACKS=1\nRUN npm run build\n" in start.files["Dockerfile"]
    assert any("import it in vite.config.ts in place of adapter-auto" in text for text in start.todo)


@pytest.mark.parametrize(("mode", "is_told"), [("standalone", False), ("middleware", True)])
def test_the_mode_of_astros_adapter(begin: Begin, mode: str, is_told: bool) -> None:
    """With `middleware` the build has a handler, and no program that listens."""
    config = "import node from '@astrojs/node';\nexport default defineConfig({ adapter: node({ mode: 'MODE' }) });\n"
    config = config.replace("MODE", mode)
    start, _ = begin(using("astro", "@astrojs/node") | {"astro.config.mjs": config})
    assert any("write `mode: 'standalone'` in astro.config.mjs" in text for text in start.todo) is is_told


@pytest.mark.parametrize(
    ("imported", "others", "line"),
    [
        ("adapter-node", ("adapter-auto",), 'CMD ["node", "build"]'),
        ("adapter-auto", ("adapter-node",), "ENV GCP_BUILDPACKS=1"),
        ("adapter-static", ("adapter-auto", "adapter-node"), "COPY --from=build /app/build /srv"),
    ],
)
def test_the_adapter_that_is_imported(
    begin: Begin, imported: str, others: tuple[str, ...], line: str
) -> None:
    """SvelteKit's generator leaves adapter-auto in package.json when another one is chosen."""
    config = "// adapter-auto fits few hosts\n// import adapter from '@sveltejs/adapter-auto';\n"
    config += f"import adapter from '@sveltejs/{imported}';\n"
    used = using("@sveltejs/kit", *(f"@sveltejs/{name}" for name in (*others, imported)))
    start, _ = begin({**used, "svelte.config.js": config})
    text = start.files["Dockerfile"]
    assert line in text
    assert ("GCP_BUILDPACKS" in text) is (imported == "adapter-auto")


NEST = """import { Controller, Get } from '@nestjs/common';

@Controller(PATH)
export class AppController {
  constructor(private readonly appService: AppService) {}

  @Get()
  getHello(): string {
    return this.appService.getHello();
  }
}
"""


@pytest.mark.parametrize(
    ("controller", "main", "path"),
    [
        ("", "", "/"),
        ("'/'", "", "/"),
        ("", "app.setGlobalPrefix('api');", "/api"),
        ("", "app.setGlobalPrefix('api', { exclude: ['/'] });", None),
        ("'cats'", "", None),
    ],
)
def test_the_start_page_of_nest(begin: Begin, controller: str, main: str, path: str | None) -> None:
    """The controller that its generator makes answers `/`."""
    files = using("@nestjs/core", start="node dist/main") | {
        "src/app.controller.ts": NEST.replace("PATH", controller),
        "src/main.ts": main,
    }
    start, _ = begin(files)
    assert start.app.health.path == path


def test_files_of_another_host(begin: Begin) -> None:
    """Caddy does not read Netlify's files."""
    start, _ = begin(ODD["files of another host"].files)
    assert any("rules of _headers into the Caddyfile, as `header`" in text for text in start.todo)
    assert "_headers" in start.files[".dockerignore"]


def test_programs_that_are_no_service(begin: Begin) -> None:
    """A program for migrations is in the image; how it is called, only the user knows."""
    start, project = begin(ODD["go with several programs"].files)
    assert project.services[1].command == ("/app/bin/worker",)
    assert any("/app/bin/migrate" in text and "hooks" in text for text in start.todo)


def test_a_workspace_of_uv_without_an_app(tmp_path: Path) -> None:
    """Its members share the lock file, as those of other monorepos do."""
    files = {"pyproject.toml": '[tool.uv.workspace]\nmembers = ["apps/*"]\n', "uv.lock": ""}
    files |= {"apps/api/pyproject.toml": '[project]\nname = "a"\ndependencies = ["fastapi"]\n'}
    with pytest.raises(UsageError, match=r"a monorepo, with apps/api \(FastAPI\)"):
        make_start(put_files(tmp_path, files))


def test_the_driver_is_in_the_address(begin: Begin) -> None:
    """SQLAlchemy takes another one unless the address names it, also below another name."""
    _, project = begin(ODD["pipenv"].files)
    assert project.services[0].env["DATABASE_URL"].startswith("mysql+pymysql://")
