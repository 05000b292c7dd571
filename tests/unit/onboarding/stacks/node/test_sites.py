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


REACT_ROUTER = {
    "package.json": json.dumps({
        "name": "shop", "private": True, "type": "module",
        "scripts": {"build": "react-router build", "dev": "react-router dev", "start": "react-router-serve ./build/server/index.js", "typecheck": "react-router typegen && tsc"},
        "dependencies": {"@react-router/node": "7.9.2", "@react-router/serve": "7.9.2", "isbot": "^5.1.31", "react": "^19.1.1", "react-dom": "^19.1.1", "react-router": "7.9.2"},
        "devDependencies": {"@react-router/dev": "7.9.2", "@tailwindcss/vite": "^4.1.13", "@types/node": "^22", "tailwindcss": "^4.1.13", "typescript": "^5.9.2", "vite": "^7.1.7", "vite-tsconfig-paths": "^5.1.4"},
    }),
    "package-lock.json": "{}",
    "vite.config.ts": 'import { reactRouter } from "@react-router/dev/vite";\nexport default defineConfig({ plugins: [tailwindcss(), reactRouter(), tsconfigPaths()] });\n',
    "react-router.config.ts": "export default {\n  // Config options...\n  // Server-side render by default, to enable SPA mode set this to `false`\n  ssr: true,\n} satisfies Config;\n",
    "tsconfig.json": "{}",
    "app/root.tsx": "export default function App() { return <Outlet />; }\n",
    "app/routes.ts": 'export default [index("routes/home.tsx")] satisfies RouteConfig;\n',
    "app/routes/home.tsx": "export default function Home() { return <Welcome />; }\n",
    "public/favicon.ico": "",
}  # fmt: skip
"""A new app of `npx create-react-router`, without its Dockerfile."""

OF_REACT_ROUTER = """FROM node:20-alpine AS development-dependencies-env
COPY . /app
WORKDIR /app
RUN npm ci

FROM node:20-alpine AS build-env
COPY . /app/
COPY --from=development-dependencies-env /app/node_modules /app/node_modules
WORKDIR /app
RUN npm run build

FROM node:20-alpine
COPY ./package.json package-lock.json /app/
COPY --from=build-env /app/build /app/build
WORKDIR /app
CMD ["npm", "run", "start"]
"""


def test_a_new_app_of_react_router(begin: Begin) -> None:
    """Its server renders pages: the script `start` runs it."""
    start, project = begin(REACT_ROUTER)
    text = start.files["Dockerfile"]
    assert "RUN npm run build\n" in text
    assert 'CMD ["react-router-serve", "./build/server/index.js"]' in text
    assert project.services[0].port == 3000


def test_the_dockerfile_of_react_router(begin: Begin) -> None:
    """A new app has one, without EXPOSE: the port is that of its server."""
    start, project = begin({**REACT_ROUTER, "Dockerfile": OF_REACT_ROUTER})
    assert ("Dockerfile" in start.files, project.services[0].port) == (False, 3000)


def test_react_router_without_a_server(begin: Begin) -> None:
    """With `ssr: false` its build makes files alone, although the server's package is still installed."""
    files = {
        **REACT_ROUTER,
        "react-router.config.ts": "export default {\n  ssr: false,\n} satisfies Config;\n",
    }
    start, project = begin(files)
    assert "COPY --from=build /app/build/client /srv\n" in start.files["Dockerfile"]
    assert "try_files {path} {path}/index.html /index.html" in start.files["Caddyfile"]
    assert project.services[0].port == 8080


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ('remix({ basename: "/app", ssr: false })', "build/client"),
        ('remix({"ssr": false})', "build/client"),
        ('remix({ buildDirectory: "dist", ssr: false })', "dist/client"),
        ("remix({ /* ssr: false */ ssr: true })", ""),
        ("remix(), // ssr: false", ""),
        ("remix({ ssr: true })", ""),
    ],
)
def test_remix_without_a_server(begin: Begin, options: str, output: str) -> None:
    """It says so among the options of its plug-in for Vite; what a comment says is no option."""
    package = {
        "name": "shop",
        "scripts": {"build": "remix vite:build", "start": "remix-serve ./build/server/index.js"},
        "dependencies": {"@remix-run/serve": "^2.0.0", "react": "^18.0.0"},
        "devDependencies": {"@remix-run/dev": "^2.0.0", "vite": "^5.0.0"},
    }
    vite = f"export default defineConfig({{ base: 'https://cdn.io', plugins: [{options}\n] }});\n"
    start, project = begin(
        {"package.json": json.dumps(package), "package-lock.json": "{}", "vite.config.ts": vite}
    )
    assert (f"COPY --from=build /app/{output} /srv\n" in start.files["Dockerfile"]) is bool(output)
    assert project.services[0].port == (8080 if output else 3000)
