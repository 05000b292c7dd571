"""Sites of files: paths that are another service's, and the folder that a tool makes."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.onboarding.apps import package
from tests.unit.onboarding.odd_apps import using

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin

PROXY = "export default { server: { proxy: { %s } } }"


@pytest.mark.parametrize(
    ("files", "routes"),
    [
        ({"vite.config.ts": PROXY % "'/api': 'http://localhost:8000'"}, ["{path: /api}"]),
        ({"vite.config.ts": PROXY % '"/api": { target: "http://x", rewrite: (p) => p }, "^/ws/.*": { ws: true }'}, ["{path: /api, strip_prefix: true}", "{path: /ws}"]),
        ({"vite.config.ts": "export default { server: { port: 1 } }"}, []),
        ({"proxy.conf.json": '{"/api": {"target": "http://localhost:3000"}}'}, ["{path: /api}"]),
        ({"src/setupProxy.js": "app.use('/api', createProxyMiddleware({ target: 'x' }))"}, ["{path: /api}"]),
        ({"package.json": json.dumps({**json.loads(using("react-scripts")["package.json"]), "proxy": "http://localhost:5000"})}, ["{path: /api}"]),
    ],
)  # fmt: skip
def test_paths_that_are_another_servers(
    begin: Begin, tmp_path: Path, files: Mapping[str, str], routes: list[str]
) -> None:
    """Caddy answers there with the start page, and a browser gets HTML for JSON."""
    start, _ = begin({**using(), **files})
    told = [text for text in start.todo if "while you develop" in text]
    assert [text.partition("`routes: [")[2].partition("]`")[0] for text in told] == routes
    written = (tmp_path / "shop" / "ftl.yaml").read_text().partition("routes:\n")[2]
    assert all(f"# {text}\n" in written for text in told)


@pytest.mark.parametrize(
    ("files", "output"),
    [
        ({"package.json": package({"docs:build": "vitepress build docs"}, vitepress="1")}, "docs/.vitepress/dist"),
        ({"package.json": package({"build": "vitepress build"}, vitepress="1")}, ".vitepress/dist"),
        ({"angular.json": '{"projects": {"shop": {"builder": "@angular-devkit/build-angular:browser", "outputPath": "dist/x"}}}'}, "dist/x"),
        ({"angular.json": '{"projects": {"shop": {"builder": "@angular/build:application"}}}'}, "dist/shop/browser"),
        ({"angular.json": '{"projects": {"shop": {"outputPath": {"base": "out", "browser": ""}}}}'}, "out"),
    ],
)  # fmt: skip
def test_the_folder_of_a_site(begin: Begin, files: Mapping[str, str], output: str) -> None:
    """VitePress builds a folder, and the builders of Angular have different ones."""
    start, _ = begin({**using("@angular/core"), **files})
    text = start.files["Dockerfile"]
    assert f"COPY --from=build /app/{output} /srv\n" in text
    if "docs" in output:
        assert "RUN npm run docs:build\n" in text
