"""Small apps, one of each stack: their files, and what `ftl init` must find in them."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

import json
from typing import NamedTuple

MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\nfrom django.core import management\n'
SETTINGS = 'import os\nSECRET_KEY = os.environ["SECRET_KEY"]\nALLOWED_HOSTS = ["*"]\nSTATIC_ROOT = "static"\n'
SETTINGS += 'WSGI_APPLICATION = "shop.wsgi.application"\n'


def package(scripts: dict[str, str] | None = None, **dependencies: str) -> str:
    """A package.json; `_` in a name stands for `-`."""
    used = {name.replace("_", "-"): version for name, version in dependencies.items()}
    return json.dumps({"name": "shop", "scripts": scripts or {}, "dependencies": used})


class Case(NamedTuple):
    """An app.

    Attributes:
        dockerfile: Texts that the Dockerfile must have.
        env: Names of the variables of the web service.
    """

    stack: str
    files: dict[str, str]
    port: int | None
    dockerfile: tuple[str, ...]
    health: str | None = None
    hook: str | None = None
    workers: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    env: tuple[str, ...] = ()


CASES = {
    "django with pip": Case(
        "Django",
        {
            "manage.py": MANAGE,
            "requirements.txt": "Django>=5\npsycopg[binary]\ngunicorn\ncelery[redis]\n",
            "shop/settings.py": SETTINGS + 'DB = os.environ["DATABASE_URL"]\n',
            "shop/celery.py": "app = Celery('shop')\n",
            "shop/urls.py": 'urlpatterns = [path("healthz/", ok)]\n',
        },
        8000,
        (
            "COPY requirements.txt ./",
            "--mount=type=cache,target=/root/.cache/pip pip install -r",
            'CMD ["gunicorn", "--bind", "0.0.0.0:8000", "--workers", "2", "shop.wsgi"]',
            "RUN SECRET_KEY=unused DATABASE_URL=sqlite://:memory: python manage.py collectstatic --noinput",
            "USER app",
        ),
        health="/healthz/",
        hook="python manage.py migrate --noinput",
        workers=("worker",),
        dependencies=("postgres", "redis"),
        env=("DATABASE_URL", "REDIS_URL", "SECRET_KEY"),
    ),
    "fastapi with uv": Case(
        "FastAPI",
        {
            "pyproject.toml": '[project]\nname="shop"\nrequires-python=">=3.12,<3.13"\ndependencies=["fastapi","sqlalchemy","asyncpg"]\n',
            "uv.lock": "",
            "alembic.ini": "",
            "src/shop/main.py": 'app = FastAPI()\n@app.get("/health")\ndef ok(): ...\n',
        },
        8000,
        ("FROM python:3.12-slim", "uv sync --locked --no-dev", "COPY pyproject.toml uv.lock ./", '"shop.main:app"', "uvicorn is not"),
        health="/health",
        hook="alembic upgrade head",
        dependencies=("postgres",),
        env=("DATABASE_URL",),
    ),
    "flask with poetry": Case(
        "Flask",
        {
            "pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\nflask = "*"\nPyMySQL = "*"\n',
            "poetry.lock": "",
            "app.py": 'import os\nfrom flask import Flask\nos.getenv("MYSQL_HOST")\nos.getenv("MYSQL_PASSWORD")\napp = Flask(__name__)\n@app.route("/")\ndef x(): ...\n',
        },
        8000,
        ("poetry install --only main --no-root", '"app:app"', "gunicorn is not"),
        health="/",
        dependencies=("mysql",),
        env=("MYSQL_HOST", "MYSQL_PASSWORD"),
    ),
    "poetry without a lock file": Case(
        "Flask",
        {
            "pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\nflask = "*"\ngunicorn = "*"\n',
            "app.py": "app = Flask(__name__)\n",
        },
        8000,
        ("COPY pyproject.toml ./", "poetry install --only main --no-root", "There is no lock file"),
    ),
    "a pyproject.toml for linters only": Case(
        "Django",
        {"pyproject.toml": "[tool.ruff]\n", "manage.py": MANAGE, "shop/settings.py": SETTINGS},
        8000,
        ('pip install "django" gunicorn',),
        hook="python manage.py migrate --noinput",
    ),
    "express with npm": Case(
        "Express",
        {
            "package.json": package({"start": "node server.js"}, express="4", pg="8"),
            "package-lock.json": "{}",
            ".nvmrc": "v22.1.0",
            "server.js": 'app.get("/up", ok); app.listen(process.env.PORT || 4000)',
        },
        3000,
        ("FROM node:22-slim AS build", "npm ci", 'CMD ["node", "server.js"]', "USER node", 'ENTRYPOINT ["tini", "--"]'),
        health="/up",
        dependencies=("postgres",),
        env=("DATABASE_URL",),
    ),
    "express that handles SIGTERM": Case(
        "Express",
        {
            "package.json": package({"start": "NODE_ENV=production node server.js"}, express="4"),
            "server.js": 'process.on("SIGTERM", stop); app.listen(4000)',
        },
        4000,
        ('CMD ["sh", "-c", "exec env NODE_ENV=production node server.js"]', "no lock file"),
    ),
    "next, standalone, with pnpm": Case(
        "Next.js",
        {
            "package.json": package({"build": "next build"}, next="15", prisma="6"),
            "pnpm-lock.yaml": "",
            "next.config.mjs": 'export default { output: "standalone" }',
            "prisma/migrations/1.sql": "",
            "public/x.txt": "",
        },
        3000,
        ("pnpm install --frozen-lockfile", ".next/standalone", 'CMD ["node", "server.js"]', "COPY prisma ./prisma/"),
        health="/",
        hook="prisma migrate deploy",
    ),
    "next with yarn": Case(
        "Next.js",
        {"package.json": package({"build": "next build"}, next="15"), "yarn.lock": ""},
        3000,
        ("yarn install --frozen-lockfile", 'CMD ["next", "start"]'),
        health="/",
    ),
    "vite": Case(
        "Vite",
        {
            "package.json": package({"build": "vite build"}, vite="7", react="19"),
            "package-lock.json": "{}",
            "index.html": "",
            "vite.config.ts": "export default { build: { outDir: './out' } }",
        },
        8080,
        ("FROM caddy:2", "npm run build", "COPY --from=build /app/out /srv", "USER 1000"),
        health="/",
    ),
    "go": Case(
        "Go",
        {
            "go.mod": "module x\n\ngo 1.24\n\nrequire github.com/jackc/pgx/v5 v5.1.0\n",
            "go.sum": "",
            "cmd/web/main.go": 'package main\nfunc main() { http.HandleFunc("GET /healthz", ok); http.ListenAndServe(":9000", nil) }\n',
            "templates/a.html": "",
        },
        9000,
        ("FROM golang:1.24", "CGO_ENABLED=0 go build", "./cmd/web", "nonroot", "COPY templates ./templates", 'CMD ["/app/app"]'),
        health="/healthz",
        dependencies=("postgres",),
    ),
    "rails": Case(
        "Rails",
        {
            "Gemfile": 'ruby "3.3.4"\ngem "rails"\ngem "pg"\ngem "sidekiq"\n',
            "Gemfile.lock": "",
            "config/routes.rb": 'get "up" => "rails/health#show"',
            "config/master.key": "abc",
            "config/credentials.yml.enc": "",
        },
        3000,
        ("FROM ruby:3.3.4-slim", "libpq5", "USER rails", '"puma"', "BUNDLE_DEPLOYMENT=1", "assets:precompile"),
        health="/up",
        hook="bundle exec rails db:prepare",
        workers=("worker",),
        dependencies=("postgres", "redis"),
        env=("RAILS_MASTER_KEY", "DATABASE_URL", "REDIS_URL"),
    ),
    "rails without a page and a lock file": Case(
        "Rails",
        {"Gemfile": 'gem "rails"\ngem "sqlite3"\n', "config/application.rb": "config.api_only = true", "db/schema.rb": ""},
        3000,
        ("FROM ruby:3.4-slim", "RAILS_ENV=production BUNDLE_PATH=/bundle", "COPY Gemfile ./", "COPY . .\nRUN mkdir -p tmp/pids && chown -R 1000 tmp\n\nFROM base"),
        hook="bundle exec rails db:prepare",
        env=("SECRET_KEY_BASE",),
    ),
    "laravel": Case(
        "Laravel",
        {
            "composer.json": json.dumps({"require": {"php": "^8.3", "laravel/framework": "^12"}}),
            "composer.lock": "{}",
            ".env.example": "DB_CONNECTION=pgsql\nQUEUE_CONNECTION=redis\n",
            "bootstrap/app.php": "health: '/up'",
            "config/database.php": "env('DB_HOST'), env('DB_PASSWORD'), env('REDIS_HOST')",
        },
        8000,
        ("php8.3", "pdo_pgsql", "USER app", "composer install --no-dev"),
        health="/up",
        hook="php artisan migrate --force",
        workers=("worker",),
        dependencies=("postgres", "redis"),
        env=("APP_KEY", "DB_CONNECTION", "DB_HOST", "DB_PASSWORD", "REDIS_HOST"),
    ),
    "spring": Case(
        "Spring Boot",
        {
            "pom.xml": "<java.version>17</java.version><artifactId>spring-boot-starter-actuator</artifactId>"
            "<artifactId>postgresql</artifactId>",
            "mvnw": "",
            ".mvn/wrapper/maven-wrapper.properties": "",
            "src/main/resources/application.properties": "server.port=8081\n",
        },
        8081,
        ("FROM eclipse-temurin:17-jdk", "./mvnw -B package", "--mount=type=cache,target=/root/.m2", "USER app"),
        health="/actuator/health",
        dependencies=("postgres",),
        env=("SPRING_DATASOURCE_URL",),
    ),
    "spring with gradle": Case(
        "Spring Boot",
        {"build.gradle.kts": 'plugins { id("org.springframework.boot") }\n// spring-boot', "gradlew": "", "gradle/wrapper/gradle-wrapper.properties": ""},
        8080,
        ("COPY gradlew build.gradle.kts ./", "bootJar"),
    ),
    "procfile over flask": Case(
        "Flask",
        {
            "requirements.txt": "flask\ngunicorn\nredis\n",
            "app.py": "from flask import Flask\napp = Flask(__name__)\n",
            "Procfile": "web: gunicorn app:app --bind 0.0.0.0:$PORT\nworker: python work.py\nrelease: python up.py && echo ok\n",
        },
        8000,
        ('CMD ["sh", "-c", "exec gunicorn app:app --bind 0.0.0.0:$PORT"]', "ENV PORT=8000"),
        hook="python up.py && echo ok",
        workers=("worker",),
        dependencies=("redis",),
    ),
    "a procfile whose program reads PORT by itself": Case(
        "Python",
        {"requirements.txt": "", "server.py": "import os\nport = os.environ['PORT']\n", "Procfile": "web: python server.py\n"},
        8000,
        ("ENV PORT=8000\nEXPOSE 8000\n", 'CMD ["python", "server.py"]'),
    ),
    "a procfile with the port in braces": Case(
        "Python",
        {"requirements.txt": "waitress\n", "site.py": "", "Procfile": "web: waitress-serve --port=${PORT:-5000} site:app\n"},
        8000,
        ("ENV PORT=8000\nEXPOSE 8000\n", "exec waitress-serve --port=${PORT:-5000}"),
    ),
    "a program that reads PORT": Case(
        "Python", {"requirements.txt": "", "server.py": "import os\nport = os.getenv('PORT')\n"}, 8000, ("ENV PORT=8000\nEXPOSE 8000\n",)
    ),
    "a bot": Case(
        "Python", {"requirements.txt": "aiogram\n", "main.py": "", "Procfile": "worker: python main.py\n"}, None,
        ('CMD ["python", "main.py"]',),
    ),
    "plain files": Case("static files", {"public/index.html": "<p>"}, 8080, ("COPY public /srv", "FROM caddy:2"), health="/"),
    "plain files at the top": Case("static files", {"index.html": "<p>"}, 8080, ("COPY . /srv", "FROM caddy:2"), health="/"),
    "a dockerfile": Case("Dockerfile", {"Dockerfile": "FROM x\nENV PORT=3000\nEXPOSE $PORT\n"}, 3000, ()),
    "a dockerfile of a django project": Case(
        "Django",
        {"Dockerfile": "FROM x\nEXPOSE 9000\n", "manage.py": MANAGE, "shop/settings.py": SETTINGS, "requirements.txt": "psycopg2\n"},
        9000,
        (),
        hook="python manage.py migrate --noinput",
        dependencies=("postgres",),
    ),
    "an app in a subfolder": Case(
        "Flask", {"README.md": "", "api/app.py": "from flask import Flask\napp = Flask(__name__)\n", "api/requirements.txt": "flask\n"},
        8000, (),
    ),
}  # fmt: skip
