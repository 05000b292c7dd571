"""Apps with frameworks, workspaces and settings that a plain case of their stack lacks."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

import json

from .apps import CASES as PLAIN
from .apps import Case, package

SVELTE = {"package.json": package({"build": "vite build"}, vite="7"), "package-lock.json": "{}"}
PRISMA = 'datasource db {\n  provider = "postgresql"\n  url = env("DATABASE_URL")\n}\n'
SERVES = 'package main\nfunc main() { http.ListenAndServe(":"+os.Getenv("PORT"), nil) }\n'
MAIN = "package main\nfunc main() {}\n"
UV = '[project]\nname = "a"\ndependencies = ["fastapi"]\n'


def using(*names: str, build: str = "vite build", start: str = "") -> dict[str, str]:
    """A package.json of a site, with packages whose names have any characters."""
    scripts = {"build": build} | ({"start": start} if start else {})
    data = {"scripts": scripts, "dependencies": dict.fromkeys(names, "1"), "devDependencies": {"vite": "7"}}
    return {"package.json": json.dumps(data), "package-lock.json": "{}"}


ODD = {
    "sveltekit with a server": Case(
        "SvelteKit", using("@sveltejs/kit", "@sveltejs/adapter-node"), 3000,
        ('CMD ["node", "build"]', "ENV HOST=0.0.0.0 NODE_ENV=production"), health="/", env=("ORIGIN",),
    ),
    "sveltekit without": Case(
        "SvelteKit", using("@sveltejs/kit", "@sveltejs/adapter-static"), 8080, ("COPY --from=build /app/build /srv",), health="/"
    ),
    "react router": Case(
        "React Router",
        using("@react-router/serve", start="react-router-serve ./build/server/index.js"),
        3000, ('CMD ["react-router-serve", "./build/server/index.js"]',), health="/",
    ),
    "astro with a server": Case(
        "Astro", using("astro", "@astrojs/node", start="astro dev"), 3000, ('CMD ["node", "dist/server/entry.mjs"]',), health="/"
    ),
    "angular with a server": Case(
        "Angular",
        {"package.json": json.dumps({"scripts": {"build": "ng build", "start": "ng serve", "serve:ssr:shop": "node dist/shop/server/server.mjs"},
                                     "dependencies": {"@angular/core": "20", "@angular/ssr": "20", "express": "5"}})},
        3000, ('CMD ["node", "dist/shop/server/server.mjs"]',), health="/",
    ),
    "vite with a server of its own": Case(
        "Node", {**using("ws", start="node server.js"), "server.js": "x.listen(process.env.PORT)"}, 3000, ('"node", "server.js"',)
    ),
    "vite below a path": Case(
        "Vite",
        {**using(), "vite.config.ts": 'export default { base: "/board/" }', "src/a.tsx": "import.meta.env.VITE_API", ".env.production": "VITE_B=1\n"},
        8080, ("COPY --from=build /app/dist /srv/board", "ARG VITE_API\nRUN npm run build"), health="/board/",
    ),
    "bun": Case(
        "Node",
        {"package.json": package({"start": "bun src/a.ts"}), "bun.lock": "", "src/a.ts": "Bun.serve({ port: process.env.PORT })"},
        3000, ("RUN npm install --global bun", "bun install --frozen-lockfile\n", 'CMD ["bun", "src/a.ts"]'),
    ),
    "next with prisma and routes": Case(
        "Next.js",
        {
            "package.json": package({"build": "next build"}, next="15", prisma="^6.2.1"),
            "pnpm-lock.yaml": "",
            "next.config.ts": 'export default { output: "standalone", basePath: "/app" }',
            "prisma/schema.prisma": PRISMA,
            "prisma/migrations/1.sql": "",
            "src/app/api/health/route.ts": "export function GET() {}",
            "src/app/page.tsx": "process.env.NEXT_PUBLIC_API; process.env.AUTH_SECRET",
        },
        3000,
        ("npm install --global prisma@6.2.1", "COPY --from=build --chown=node:node /app/prisma ./prisma", "openssl", "ARG NEXT_PUBLIC_API"),
        health="/app/api/health", hook="prisma migrate deploy", dependencies=("postgres",), env=("DATABASE_URL", "AUTH_SECRET"),
    ),
    "prisma among the packages of development": Case(
        "Express",
        {
            "package.json": json.dumps({"scripts": {"start": "node a.js"}, "dependencies": {"express": "5"}, "devDependencies": {"prisma": "6"}}),
            "prisma/migrations/1.sql": "", "prisma/schema.prisma": PRISMA, "a.js": "a.listen(process.env.PORT)",
        },
        3000, ("# prisma, which migrates the database", "openssl tini"), hook="prisma migrate deploy", dependencies=("postgres",),
    ),
    "go with several programs": Case(
        "Go",
        {
            "go.mod": "module example.com/x\n\ngo 1.24\n", "cmd/migrate/main.go": MAIN, "cmd/server/main.go": SERVES, "cmd/worker/main.go": MAIN,
            "web/a.html": "", "assets/b.css": "", "ui.go": "package x\n//go:embed assets/*.css\nvar f embed.FS\n",
        },
        8080,
        ("-o /out/bin/ ./cmd/server ./cmd/migrate ./cmd/worker", "COPY --from=build /out/bin/ ./bin\nCOPY web ./web\n", 'CMD ["/app/bin/server"]'),
        workers=("worker",),
    ),
    "go with c": Case(
        "Go", {"go.mod": "module x\n\ngo 1.24\n\nrequire github.com/mattn/go-sqlite3 v1.14.0\n", "main.go": SERVES}, 8080, ("CGO_ENABLED=1", '"-static"')
    ),
    "a workspace of uv": Case(
        "FastAPI",
        {
            "pyproject.toml": f'{UV}[project.optional-dependencies]\npg = ["psycopg"]\ntest = ["redis"]\n[tool.uv.workspace]\nmembers = ["packages/*"]\n',
            "uv.lock": "", "packages/core/pyproject.toml": "", "main.py": 'app = FastAPI()\n@app.get("/health/live")\ndef x(): ...\n',
        },
        8000,
        ("uv sync --frozen --no-dev --no-install-workspace --no-editable --extra pg", "COPY . .\nRUN", "uv sync --locked --no-dev --no-editable --extra pg"),
        health="/health/live", dependencies=("postgres",),
    ),
    "poetry with extras": Case(
        "Flask",
        {
            "pyproject.toml": '[tool.poetry.dependencies]\nflask = "*"\npsycopg = { version = "*", optional = true }\n[tool.poetry.extras]\npg = ["psycopg"]\n',
            "poetry.lock": "", "app.py": "app = Flask(__name__)\n",
        },
        8000, ("poetry install --only main --no-root --no-interaction --extras pg",), dependencies=("postgres",),
    ),
    "pipenv": Case(
        "Flask",
        {"Pipfile": '[packages]\nflask = "*"\nflask-sqlalchemy = "*"\npymysql = "*"\n[requires]\npython_version = "3.12"\n', "Pipfile.lock": "{}", "app.py": "app = Flask(__name__)\n"},
        8000, ("FROM python:3.12-slim", "pipenv sync"), dependencies=("mysql",), env=("DATABASE_URL",),
    ),
    "rails whose gemfile reads the version": Case(
        "Rails",
        {"Gemfile": 'ruby file: ".ruby-version"\ngem "rails"\ngem "sqlite3"\n', "Gemfile.lock": "", ".ruby-version": "3.4.1\n"},
        3000, ("FROM ruby:3.4.1-slim", "COPY Gemfile Gemfile.lock .ruby-version ./", "SECRET_KEY_BASE=unused bundle exec rails assets:precompile"), hook="bundle exec rails db:prepare",
    ),
    "streamlit": Case(
        "Streamlit", {"requirements.txt": "streamlit\n", "app.py": ""}, 8000, ('"streamlit", "run", "app.py", "--server.address", "0.0.0.0"',), health="/_stcore/health"
    ),
    "files of another host": Case("static files", {"index.html": "", "404.html": "", "_headers": ""}, 8080, ("COPY . /srv",), health="/"),
}  # fmt: skip

ALL = PLAIN | ODD
