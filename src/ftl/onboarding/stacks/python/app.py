"""Python apps: Django, Flask, FastAPI and other ASGI frameworks; with pip, uv or poetry."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.onboarding.app import NO_MIGRATION, App, Command, Evidence, FoundHealthCheck, Migration, Worker
from ftl.onboarding.stacks.health import found_health
from ftl.onboarding.stacks.python.application import ASGI, FLASK, Application, find_application
from ftl.onboarding.stacks.python.loops import module_of
from ftl.onboarding.stacks.python.packages import choose_installer, needed_git, packages, python_version
from ftl.onboarding.stacks.sqlite import NO_SQLITE, find_sqlite
from ftl.onboarding.templates import apt_install, cmd, render, with_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl.onboarding.folder import AppFolder

PORT = 8000
ANY = "0.0.0.0"  # noqa: S104 -- in a container


PROXIED = """\
# gunicorn and uvicorn believe the proxy, which every request comes through, that a request came by HTTPS.
ENV FORWARDED_ALLOW_IPS=*"""

SYSTEM: Mapping[str, tuple[str, str]] = {
    "psycopg2": ("gcc libc6-dev libpq-dev", "libpq5"),
    "psycopg[c]": ("gcc libc6-dev libpq-dev", "libpq5"),
    "psycopg": ("", "libpq5"),
    "uwsgi": ("gcc libc6-dev", ""),
    "mysqlclient": ("gcc libc6-dev pkg-config libmariadb-dev", "libmariadb3"),
}
"""Package, perhaps with an extra -> Debian packages for its build, and for its run."""


def fastapi(folder: AppFolder) -> str | None:
    """Evidence of an app of FastAPI, Starlette or Litestar."""
    known = packages(folder) & {"fastapi", "starlette", "litestar"}
    return f"{min(known)} among the dependencies" if known else _imported(folder, "fastapi")


def flask(folder: AppFolder) -> str | None:
    """Evidence of a Flask app."""
    if "flask" in packages(folder):
        return "flask among the dependencies"
    return _imported(folder, "flask")


def streamlit(folder: AppFolder) -> str | None:
    """Evidence of a Streamlit app."""
    return "streamlit among the dependencies" if "streamlit" in packages(folder) else None


def any_python(folder: AppFolder) -> str | None:
    """Evidence of some Python app."""
    return folder.has("requirements.txt", "pyproject.toml", "Pipfile", "uv.lock", "poetry.lock")


def _imported(folder: AppFolder, package: str) -> str | None:
    if folder.has("setup.py"):
        return None
    hit = folder.search(rf"^(?:from {package} import|import {package}\b)", ".py")
    near = hit is not None and hit[0].removeprefix("src/").count("/") < 1 + hit[0].startswith("src/")
    return f"{hit[0]} imports it" if hit and near else None


def describe_fastapi(folder: AppFolder, evidence: str) -> App:
    """An ASGI app behind uvicorn."""
    application, reason = _application(folder, ASGI)
    target = application.target if application is not None else "main:app"
    is_factory = application is not None and application.is_factory
    start = (
        "uvicorn",
        *(["--factory"] if is_factory else []),
        target,
        "--host",
        ANY,
        "--port",
        str(PORT),
        "--proxy-headers",
        "--forwarded-allow-ips",
        "*",
    )
    return python_app(
        folder,
        "FastAPI",
        evidence,
        start,
        reason,
        "fastapi",
        health=found_health(folder),
        migration=_alembic(folder),
    )


def describe_flask(folder: AppFolder, evidence: str) -> App:
    """A WSGI app behind gunicorn."""
    application, reason = _application(folder, FLASK)
    target = application.target if application is not None else "app:app"
    if application is not None and application.is_factory:
        target += "()"
    start = ("gunicorn", "--bind", f"{ANY}:{PORT}", *_gunicorn_workers(packages(folder)), target)
    migrations = _alembic(folder)
    if "flask-migrate" in packages(folder) and folder.has_folder("migrations"):
        module = target.partition("(")[0]
        migrations = (f"flask --app {module} db upgrade", "flask-migrate and migrations/")
    return python_app(
        folder, "Flask", evidence, start, reason, "flask", health=found_health(folder), migration=migrations
    )


def _gunicorn_workers(used: frozenset[str]) -> Command:
    """Workers of gunicorn: connections of Flask-SocketIO belong to one process, which has many of them."""
    if "flask-socketio" not in used:
        return ("--workers", "2")
    kind = next((name for name in ("eventlet", "gevent") if name in used), None)
    return ("--worker-class", kind, "--workers", "1") if kind else ("--workers", "1", "--threads", "100")


def describe_streamlit(folder: AppFolder, evidence: str) -> App:
    """A Streamlit app, with its own server."""
    hit = folder.search(r"^import streamlit", ".py")
    file = folder.has("streamlit_app.py", "app.py", "main.py", "Home.py") or (hit[0] if hit else "app.py")
    options = ("--server.address", ANY, "--server.port", str(PORT), "--server.headless", "true")
    start = ("streamlit", "run", file, *options)
    health = FoundHealthCheck("/_stcore/health", "Streamlit's own")
    return python_app(folder, "Streamlit", evidence, start, file, "streamlit", health=health)


def describe_any(folder: AppFolder, evidence: str) -> App:
    """A Python program without a framework that is known here."""
    main = folder.has("main.py", "app.py", "server.py", "bot.py", "run.py")
    app = python_app(
        folder, "Python", evidence, ("python", main or "main.py"), main or "nothing names it", ""
    )
    if "PORT" in folder.variables and app.dockerfile is not None:
        dockerfile = with_port(app.dockerfile, PORT, variable=True)
        reason = f"{folder.variables['PORT'].file} reads PORT, which the Dockerfile sets"
        app = replace(app, dockerfile=dockerfile, port=PORT, port_reason=reason, health=found_health(folder))
    if main:
        return app
    # Without a start command: a Procfile may have it.
    text = re.sub(r"^CMD .*\n?", "", app.dockerfile or "", flags=re.MULTILINE)
    return replace(app, start=(), dockerfile=text or None)


def _alembic(folder: AppFolder) -> Migration:
    return ("alembic upgrade head", "alembic.ini") if folder.has("alembic.ini") else NO_MIGRATION


def _application(folder: AppFolder, classes: frozenset[str]) -> tuple[Application | None, str]:
    """The application, and the reason for it."""
    found = find_application(folder.sources, classes)
    if found is None:
        return None, "nothing names the app, so check CMD of the Dockerfile"
    if found.is_open:
        told = f"{found.reason} needs arguments"
        return found, f"nothing names the app, so check CMD of the Dockerfile: {told}"
    return found, found.reason


def python_app(
    folder: AppFolder,
    stack: str,
    evidence: str,
    start: Command,
    start_reason: str,
    assumed: str,
    *,
    after: list[str] | None = None,
    health: FoundHealthCheck | None = None,
    migration: Migration = NO_MIGRATION,
    env: dict[str, tuple[str, str]] | None = None,
    volumes: dict[str, str] | None = None,
    facts: list[Evidence] | None = None,
    todo: list[str] | None = None,
    ignored: tuple[str, ...] = (),
    celery: str | None = None,
    code: AppFolder | None = None,
) -> App:
    """An app in Python: its Dockerfile, server and workers; `code` is the folder of its modules."""
    used = packages(folder)
    version, version_reason = python_version(folder)
    server = start[0]
    extra = _extra(server, used)
    installer = choose_installer(folder, extra, assumed)
    needs = [SYSTEM[name] for name in sorted(used) if name in SYSTEM and f"{name}[binary]" not in used]
    run = dict.fromkeys(package for _, packages_run in needs for package in packages_run.split())
    sqlite = find_sqlite(folder, used) if volumes is None else NO_SQLITE
    about_file = sqlite.todo(folder, "app")
    if sqlite.source:
        after = [*(after or ()), sqlite.on_volume("app")]
    if code in (None, folder) and any(name.startswith("src/") for name in folder.sources):
        after = [*(after or ()), "ENV PYTHONPATH=/app/src"]
    text = render(
        "python.dockerfile",
        {
            "version": version,
            "system_build": apt_install(
                " ".join([*(build for build, _ in needs if build), *needed_git(folder)])
            ),
            "build_env": installer.env,
            "install": installer.text,
            "system_run": apt_install(" ".join(run)),
            "proxied": PROXIED if behind_proxy(used, server, extra) else "",
            "after_copy": "\n".join(after or ()),
            "port": str(PORT),
            "cmd": f"{f'# A guess: {start_reason}.{chr(10)}' if is_guess(start_reason) else ''}{cmd(start)}",
        },
    ).replace("PATH=/venv/bin:$PATH \n", "PATH=/venv/bin:$PATH\n")
    more = [Evidence("Python", version, version_reason, sure="default" not in version_reason)]
    more.append(Evidence("packages", installer.name, installer.note or installer.files[0]))
    has_port = stack != "Python"
    return App(
        stack=stack,
        evidence=evidence,
        port=PORT if has_port else None,
        port_reason=f"{server} listens on it, by CMD of the Dockerfile",
        dockerfile=text if has_port else text.replace(f"EXPOSE {PORT}\n", ""),
        packages=used,
        start=start,
        start_reason=start_reason,
        health=health or FoundHealthCheck(None, "no health path was found"),
        hook=migration[0],
        hook_reason=migration[1],
        workers=tuple(_workers(code or folder, used, celery)),
        env=env or {},
        volumes=volumes or sqlite.volumes,
        ignored=(
            "__pycache__",
            "*.pyc",
            ".venv",
            "venv",
            ".pytest_cache",
            ".mypy_cache",
            ".ruff_cache",
            *ignored,
            *sqlite.ignored,
        ),
        facts=(*more, *(facts or ())),
        data_file=sqlite.data_file,
        todo=(*(todo or ()), *_needed_packages(used), *about_file),
        image_todo=about_file,
    )


def behind_proxy(used: frozenset[str], *servers: str) -> bool:
    """Whether a server of the app asks FORWARDED_ALLOW_IPS which proxy it may believe."""
    return bool({"gunicorn", "uvicorn"} & {name.partition("[")[0] for name in (*used, *servers)})


def is_guess(reason: str) -> bool:
    """Whether a reason says that nothing names the app."""
    return reason.startswith("nothing names the app")


def _extra(server: str, used: frozenset[str]) -> str:
    """The package that the image needs and the app does not name; WebSockets need an extra of uvicorn."""
    has_channels = bool(used & {"channels", "daphne"})
    if server not in ("gunicorn", "uvicorn"):
        return ""
    if not _provides(server, used):
        return '"uvicorn[standard]"' if server == "uvicorn" and has_channels else server
    has_sockets = used & {"websockets", "wsproto", "uvicorn[standard]", "fastapi[standard]"}
    return "websockets" if server == "uvicorn" and has_channels and not has_sockets else ""


def _needed_packages(used: frozenset[str]) -> list[str]:
    """A package without which another one does not do what the app wants of it."""
    has_client = used & {"pymysql", "aiomysql"}
    if not has_client or used & {"cryptography", "pymysql[rsa]", "aiomysql[rsa]"}:
        return []
    return [f"add cryptography to the dependencies: {min(has_client)} cannot log in to MySQL 8 without it"]


def _provides(server: str, used: frozenset[str]) -> bool:
    return (
        server in used
        or f"{server}[standard]" in used
        or (server == "uvicorn" and "fastapi[standard]" in used)
    )


_ARQ = r"^class (\w+)(?:\(.*\))?:(?=(?:\n(?:[ \t].*)?){0,8}\n[ \t]+functions\s*=)"
"""A class with the settings of arq's worker."""


def _workers(folder: AppFolder, used: frozenset[str], site: str | None) -> Iterator[Worker]:
    if any(name.partition("[")[0] == "celery" for name in used):
        hit = folder.search(r"^(\w+)\s*=\s*Celery\(", ".py")
        module = site or "app"
        reason = "celery among the dependencies"
        if hit:
            module = module_of(hit[0]).removesuffix(".celery")
            reason += f", `{hit[1][1]}` in {hit[0]}"
        yield Worker("worker", ("celery", "-A", module, "worker", "--loglevel", "info"), reason)
        if "django-celery-beat" in used or folder.search(r"beat_schedule", ".py"):
            beat = ("celery", "-A", module, "beat", "--loglevel", "info", "--schedule", "/tmp/beat")  # noqa: S108
            yield Worker("beat", beat, "a schedule of celery beat", single=True)
    elif "rq" in used or "django-rq" in used:
        command = (
            ("python", "manage.py", "rqworker")
            if "django-rq" in used
            else ("sh", "-c", 'exec rq worker --url "$REDIS_URL"')
        )
        yield Worker("worker", command, "rq among the dependencies")
    elif "dramatiq" in used and (hit := folder.search(r"@dramatiq\.actor", ".py")):
        yield Worker("worker", ("dramatiq", module_of(hit[0])), f"actors in {hit[0]}")
    elif "arq" in used and (hit := folder.search(_ARQ, ".py")):
        yield Worker(
            "worker", ("arq", f"{module_of(hit[0])}.{hit[1][1]}"), f"`{hit[1][1]}` of arq in {hit[0]}"
        )
    elif "huey" in used and folder.has("manage.py"):
        yield Worker("worker", ("python", "manage.py", "run_huey"), "huey among the dependencies")
