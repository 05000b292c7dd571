"""Go, Rails, Laravel and Spring Boot apps, and plain files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Fact, Health, Worker
from ftl.onboarding.stacks.common import found_health, found_port
from ftl.onboarding.stacks.node import manager
from ftl.onboarding.templates import apt_install, cmd, render

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_GO_ASSETS = ("templates", "static", "public", "views", "web", "assets", "migrations")


def go(folder: AppFolder) -> str | None:
    """Evidence of a Go module with a program."""
    if folder.has("go.mod") and folder.search(r"^package main\b", ".go"):
        return "go.mod and a package main"
    return None


def describe_go(folder: AppFolder, evidence: str) -> App:
    """A static program on an image without a shell."""
    version = re.search(r"^go (\d+\.\d+)", folder.read("go.mod"), re.MULTILINE)
    mains = sorted(
        {name.rpartition("/")[0] for name, text in folder.sources.items() if _is_go_main(name, text)}
    )
    package = "." if "" in mains else f"./{mains[0]}"
    port, reason = found_port(folder, 8080, ".go")
    embedded = folder.search(r"^//go:embed", ".go")
    assets = [name for name in _GO_ASSETS if folder.has_folder(name) and not embedded]
    todo = []
    if len(mains) > 1 and "" not in mains:
        todo.append(f"there are {len(mains)} programs ({', '.join(mains)}): the Dockerfile builds {package}")
    text = render(
        "go.dockerfile",
        {
            "version": version[1] if version else "1",
            "locked": "go.mod go.sum" if folder.has("go.sum") else "go.mod",
            "package": package,
            "assets": "\n".join(f"COPY {name} ./{name}" for name in assets),
            "port": str(port),
        },
    )
    text = text.replace("EXPOSE", f"ENV PORT={port}\nEXPOSE") if "PORT" in folder.variables else text
    modules = {
        line.split()[0]
        for line in re.findall(r"^\s*(?:require )?(\S+/\S+ v\S+)", folder.read("go.mod"), re.M)
    }
    return App(
        stack="Go",
        evidence=evidence,
        port=port,
        port_reason=reason,
        dockerfile=text,
        packages=frozenset(re.sub(r"/v\d+$", "", name) for name in modules),
        start=("/app/app",),
        start_reason=f"package main in {package}",
        health=found_health(folder),
        facts=(Fact("Go", version[1] if version else "1", "go.mod"),),
        todo=tuple(todo),
    )


def _is_go_main(name: str, text: str) -> bool:
    return name.endswith(".go") and bool(re.search(r"^package main\b", text, re.M)) and "func main()" in text


def rails(folder: AppFolder) -> str | None:
    """Evidence of Ruby on Rails."""
    return (
        "rails in the Gemfile"
        if re.search(r"^\s*gem ['\"]rails['\"]", folder.read("Gemfile"), re.M)
        else None
    )


def describe_rails(folder: AppFolder, evidence: str) -> App:
    """Rails behind puma."""
    gems = frozenset(re.findall(r"^\s*gem ['\"]([\w-]+)['\"]", folder.read("Gemfile"), re.MULTILINE))
    version, reason = _ruby(folder)
    needs = [("libpq-dev", "libpq5")] if "pg" in gems else []
    needs += [("libmariadb-dev", "libmariadb3")] if "mysql2" in gems else []
    needs += [("", "libsqlite3-0")] if "sqlite3" in gems else []
    node = folder.has("package.json") and gems & {"jsbundling-rails", "cssbundling-rails"}
    built = " ".join(
        [
            "build-essential git libyaml-dev pkg-config",
            *(one for one, _ in needs if one),
            *(["nodejs npm"] if node else []),
        ]
    )
    assets = "RUN SECRET_KEY_BASE_DUMMY=1 bundle exec rails assets:precompile"
    if node:
        assets = "RUN --mount=type=cache,target=/root/.npm npm install\n" + assets
    text = render(
        "rails.dockerfile",
        {
            "version": version,
            "system_run": apt_install(" ".join(["libjemalloc2", *(run for _, run in needs)])),
            "system_build": apt_install(built),
            "locked": "Gemfile Gemfile.lock" if folder.has("Gemfile.lock") else "Gemfile",
            "assets": assets,
            "port": "3000",
            "cmd": cmd(("bundle", "exec", "puma", "-C", "config/puma.rb", "-b", "tcp://0.0.0.0:3000")),
        },
    )
    up = "rails/health#show" in folder.read("config/routes.rb")
    master = folder.read("config/master.key").strip()
    key, where = (
        ("RAILS_MASTER_KEY", "config/credentials.yml.enc")
        if folder.has("config/credentials.yml.enc")
        else ("SECRET_KEY_BASE", "Rails")
    )
    workers = []
    if "sidekiq" in gems:
        workers.append(Worker("worker", ("bundle", "exec", "sidekiq"), "sidekiq in the Gemfile"))
    elif "solid_queue" in gems and folder.has("bin/jobs"):
        workers.append(Worker("worker", ("bin/jobs",), "solid_queue in the Gemfile"))
    return App(
        stack="Rails",
        evidence=evidence,
        port=3000,
        port_reason="CMD of the Dockerfile",
        dockerfile=text,
        packages=gems,
        start=("bundle", "exec", "puma"),
        start_reason="puma",
        health=Health("/up", "rails/health in config/routes.rb") if up else found_health(folder),
        hook="bundle exec rails db:prepare",
        hook_reason="db/" if folder.has_folder("db") else "Rails",
        workers=tuple(workers),
        env={key: (f"${{{key}}}", where)},
        secrets={key: master or "@hex64@"} if key == "SECRET_KEY_BASE" or master else {},
        volumes={"storage:/rails/storage": "uploads, and SQLite files"}
        if folder.has_folder("storage") or "sqlite3" in gems
        else {},
        ignored=("log/*", "tmp/*", "storage/*", "node_modules", "config/master.key", "public/assets"),
        facts=(Fact("Ruby", version, reason, sure="default" not in reason),),
    )


def _ruby(folder: AppFolder) -> tuple[str, str]:
    for file, pattern in (
        (".ruby-version", r"(?:ruby-)?(\d+\.\d+(?:\.\d+)?)"),
        ("Gemfile", r"^ruby ['\"](\d+\.\d+(?:\.\d+)?)"),
    ):
        if match := re.search(pattern, folder.read(file), re.MULTILINE):
            return match[1], file
    return "3.4", "default: no file names one"


def laravel(folder: AppFolder) -> str | None:
    """Evidence of Laravel."""
    if not folder.has("composer.json"):
        return None
    required = folder.read_json("composer.json").get("require")
    return (
        "laravel/framework in composer.json"
        if isinstance(required, dict) and "laravel/framework" in required
        else None
    )


def describe_laravel(folder: AppFolder, evidence: str) -> App:
    """Laravel on FrankenPHP."""
    value = folder.read_json("composer.json").get("require")
    required = {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}
    version = re.search(r"(8\.\d)", required.get("php", ""))
    assets = folder.has("vite.config.js", "vite.config.ts") and folder.has("package.json")
    frontend = ""
    if assets:
        used, lock = manager(folder)
        frontend = f"""FROM node:24-slim AS frontend
WORKDIR /app
{used.prepare}
COPY package.json {lock or ""} ./
RUN --mount=type=cache,target={used.cache} {used.install if lock else used.unlocked}
COPY . .
RUN {used.run} build
""".replace("\n\n", "\n").replace("json  ./", "json ./")
    driver = _dotenv(folder, "DB_CONNECTION") or "sqlite"
    redis = "redis" in {
        _dotenv(folder, "QUEUE_CONNECTION"),
        _dotenv(folder, "CACHE_STORE"),
        _dotenv(folder, "SESSION_DRIVER"),
    }
    extensions = {"pgsql": "pdo_pgsql", "mysql": "pdo_mysql", "mariadb": "pdo_mysql"}.get(
        driver, "pdo_sqlite"
    )
    text = render(
        "laravel.dockerfile",
        {
            "frontend": frontend,
            "version": version[1] if version else "8.4",
            "extensions": f"{extensions} pcntl opcache intl zip" + (" redis" if redis else ""),
            "locked": "composer.json composer.lock" if folder.has("composer.lock") else "composer.json",
            "copy_frontend": "COPY --from=frontend --chown=app:app /app/public/build ./public/build"
            if assets
            else "",
        },
    )
    known = set(required) | {f"laravel:{driver}"} | ({"laravel:redis"} if redis else set())
    env = {"APP_KEY": ("${APP_KEY}", "config/app.php"), "APP_URL": ("https://@domain@", "config/app.php")}
    volumes = {"storage:/app/storage": "uploads, sessions and logs"}
    if driver == "sqlite":
        env["DB_DATABASE"] = ("/app/storage/database.sqlite", "the SQLite file, on the volume")
    connection = _dotenv(folder, "QUEUE_CONNECTION") or "database"
    command = ("php", "artisan", "queue:work", "--tries=3", "--max-time=3600")
    return App(
        stack="Laravel",
        evidence=evidence,
        port=8000,
        port_reason="CMD of the Dockerfile",
        dockerfile=text,
        packages=frozenset(known),
        start=("frankenphp", "php-server"),
        start_reason="FrankenPHP",
        health=Health("/up", "bootstrap/app.php")
        if "/up" in folder.read("bootstrap/app.php")
        else Health("/", "the start page"),
        hook="touch -a storage/database.sqlite && php artisan migrate --force"
        if driver == "sqlite"
        else "php artisan migrate --force",
        hook_reason="database/migrations",
        workers=() if connection == "sync" else (Worker("worker", command, f"the queue is {connection}"),),
        env=env,
        secrets={"APP_KEY": _dotenv(folder, "APP_KEY", ".env") or "@laravel@"},
        volumes=volumes,
        ignored=(
            "vendor",
            "node_modules",
            "public/build",
            "public/hot",
            "storage/logs/*",
            "storage/framework/cache/*",
        ),
        facts=(Fact("database driver", driver, ".env.example"),),
    )


def _dotenv(folder: AppFolder, name: str, *files: str) -> str | None:
    for file in files or (".env.example", ".env"):
        if match := re.search(rf"^{name}=[\"']?([^\s\"'#]+)", folder.read(file), re.MULTILINE):
            return match[1]
    return None


def spring(folder: AppFolder) -> str | None:
    """Evidence of Spring Boot."""
    file = folder.has("pom.xml", "build.gradle", "build.gradle.kts")
    return f"spring-boot in {file}" if file and "spring-boot" in folder.read(file) else None


def describe_spring(folder: AppFolder, evidence: str) -> App:
    """Spring Boot, its jar taken apart into layers."""
    file = folder.has("pom.xml", "build.gradle", "build.gradle.kts") or "pom.xml"
    text = folder.read(file)
    named = re.search(
        r"<java\.version>(\d+)|languageVersion\s*=\s*JavaLanguageVersion\.of\((\d+)|sourceCompatibility\D*(\d+)",
        text,
    )
    version = next(filter(None, named.groups())) if named else "21"
    resources = "src/main/resources/application"
    settings = "".join(folder.read(f"{resources}{suffix}") for suffix in (".properties", ".yml", ".yaml"))
    chosen = re.search(
        r"^server\.port\s*=\s*(?:\$\{PORT:)?(\d+)|^server:\s*\n(?:\s+.*\n)*?\s+port:\s*(?:\$\{PORT:)?(\d+)",
        settings,
        re.M,
    )
    port = int(next(filter(None, chosen.groups()))) if chosen else 8080
    values = {"version": version, "port": str(port)}
    values["run_stage"] = render("spring-run.dockerfile", values)
    if file == "pom.xml":
        wrapper = folder.has("mvnw") and folder.has(".mvn/wrapper/maven-wrapper.properties")
        values |= {"locked": "mvnw pom.xml" if wrapper else "pom.xml", "tool": "./mvnw" if wrapper else "mvn"}
        values["wrapper"] = "COPY .mvn ./.mvn" if wrapper else apt_install("maven")
        dockerfile = render("spring-maven.dockerfile", values)
    else:
        names = [
            name for name in ("gradlew", file, "settings.gradle", "settings.gradle.kts") if folder.has(name)
        ]
        dockerfile = render("spring-gradle.dockerfile", {**values, "locked": " ".join(names)})
    known = frozenset(
        re.findall(r"<artifactId>([\w.-]+)</artifactId>|[\"'][\w.-]+:([\w.-]+)(?::[^\"']*)?[\"']", text)
    )
    packages = frozenset(name for pair in known for name in pair if name)
    actuator = "spring-boot-starter-actuator" in packages
    migration = next(
        (name for name in ("flyway", "liquibase") if any(name in package for package in packages)), None
    )
    return App(
        stack="Spring Boot",
        evidence=evidence,
        port=port,
        port_reason="server.port" if chosen else "the default of Spring Boot",
        dockerfile=dockerfile,
        packages=packages,
        start=("java", "-jar", "app.jar"),
        start_reason=file,
        health=Health("/actuator/health", "actuator among the dependencies")
        if actuator
        else found_health(folder),
        ignored=("target", "build", ".gradle", ".idea", "*.iml"),
        facts=(
            Fact("Java", version, file if named else "default: no file names one", sure=named is not None),
            *((Fact("migrations", migration, "they run when the app starts"),) if migration else ()),
        ),
    )


def static(folder: AppFolder) -> str | None:
    """Evidence of plain files."""
    return next(
        (
            name
            for name in ("index.html", "public/index.html", "dist/index.html", "site/index.html")
            if folder.has(name)
        ),
        None,
    )


def describe_static(folder: AppFolder, evidence: str) -> App:
    """Plain files behind Caddy."""
    root = evidence.rpartition("/")[0] or "."
    return App(
        stack="static files",
        evidence=evidence,
        port=8080,
        port_reason="Caddyfile",
        dockerfile=render("static.dockerfile", {"root": root}),
        files={"Caddyfile": render("site.caddyfile", {})},
        start=("caddy", "run"),
        start_reason="a web server for the files",
        health=Health("/", evidence),
        ignored=("README*",) if root == "." else (),
    )
