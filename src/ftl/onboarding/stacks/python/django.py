"""Django: its settings, entry point and migrations."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Command, Evidence, FoundHealthCheck
from ftl.onboarding.folder import NOT_SOURCE
from ftl.onboarding.stacks.health import found_health
from ftl.onboarding.stacks.python.app import ANY, PORT, any_python, python_app
from ftl.onboarding.stacks.python.django_settings import build_values, find_django_sqlite, find_settings
from ftl.onboarding.stacks.python.media import find_media
from ftl.onboarding.stacks.python.packages import packages
from ftl.onboarding.stacks.sqlite import has_other_client

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder


def django(folder: AppFolder) -> str | None:
    """Evidence of a Django project, at the top or one folder below the list of its packages."""
    if folder.has("manage.py"):
        return "manage.py" if "django" in folder.read("manage.py").lower() else None
    if any_python(folder) is None:
        return None
    below = [
        f"{path.name}/manage.py"
        for path in sorted(folder.path.iterdir())
        if path.name not in NOT_SOURCE
        and folder.has(f"{path.name}/manage.py")
        and "django" in folder.read(f"{path.name}/manage.py").lower()
        and any_python(folder / path.name) is None
    ]
    return below[0] if len(below) == 1 else None


def describe_django(folder: AppFolder, evidence: str) -> App:
    """A Django project behind gunicorn, or uvicorn where it is asynchronous."""
    used = packages(folder)
    below = evidence.rpartition("/")[0]
    code = folder / below if below else folder
    chosen = find_settings(code)
    settings, text = chosen.file, chosen.text
    module = re.search(r"WSGI_APPLICATION\s*=\s*[\"']([\w.]+)\.application", text)
    site = module[1].partition(".")[0] if module else settings.partition("/")[0].removesuffix(".py") or "app"
    asynchronous = bool(used & {"channels", "daphne"})
    named = re.search(r"ASGI_APPLICATION\s*=\s*[\"']([\w.]+)\.(\w+)", text)
    application = f"{named[1]}:{named[2]}" if named else f"{site}.asgi:application"
    start: Command = (
        "gunicorn",
        "--bind",
        f"{ANY}:{PORT}",
        "--workers",
        "2",
        module[1] if module else f"{site}.wsgi",
    )
    if "daphne" in used:
        start = ("daphne", "--proxy-headers", "-b", ANY, "-p", str(PORT), application)
    elif asynchronous:
        start = ("uvicorn", "--host", ANY, "--port", str(PORT), application)
    reason = f"{'asgi' if asynchronous else 'wsgi'} application of {settings or 'the project'}"
    if not (named if asynchronous else module) and not code.has(f"{site}/wsgi.py", f"{site}/asgi.py"):
        reason = f"nothing names the app, so check CMD of the Dockerfile: there is no {site}/wsgi.py"
    generated = re.search(r"using Django (\d+\.\d+)", text)
    assumed = f"django~={generated[1]}.0" if generated else "django"
    after: list[str] = [f"WORKDIR /app/{below}"] if below else []
    facts: list[Evidence] = []
    if chosen.is_other:
        after.append(f"ENV DJANGO_SETTINGS_MODULE={chosen.module}")
        facts.append(Evidence("settings", chosen.module, f"{settings}; {chosen.default} is for development"))
    todo: list[str] = []
    env: dict[str, tuple[str, str]] = {}
    volumes: dict[str, str] = {}
    if re.search(r"^STATIC_ROOT\s*=", text, re.MULTILINE):
        if needed := build_values(text):
            after.append("# The settings need these variables to load; here their values do not matter.")
        after.append(f"RUN {needed}python manage.py collectstatic --noinput")
        facts.append(Evidence("static files", "collectstatic", f"STATIC_ROOT in {settings}"))
    else:
        todo.append(
            "set STATIC_ROOT (and use whitenoise): without it, static files are served while DEBUG is on only"
        )
    sqlite = find_django_sqlite(text, settings, is_only=not has_other_client(used))
    after += filter(None, [sqlite.on_volume("app")])
    volumes |= sqlite.volumes
    about_file = sqlite.todo(code, "app")
    todo += about_file
    media = find_media(text, settings, below)
    if media is not None:
        after += media.lines
        volumes |= media.volumes
        todo += media.todo(code, below)
    health = found_health(code)
    hosts = re.search(r"^ALLOWED_HOSTS\s*=\s*(.*)", text, re.MULTILINE)
    variable = re.search(r"[\"']([A-Z_]*ALLOWED_HOSTS?)[\"']", text[hosts.start() :][:300] if hosts else "")
    if variable:
        env[variable[1]] = ("@domain@", "ALLOWED_HOSTS, by the settings")
        health = (
            health
            if health.path or health.maybe
            else FoundHealthCheck(None, f"{settings} names no page that is always there")
        )
    elif hosts and "*" not in hosts[1]:
        todo.append(f"add your domain to ALLOWED_HOSTS in {settings}: Django answers 400 to other host names")
        health = FoundHealthCheck(None, "a page answers once ALLOWED_HOSTS has the domain")
    if re.search(r"^DEBUG\s*=\s*True", text, re.MULTILINE):
        todo.append(f"DEBUG is True in {settings}: turn it off before others can reach the site")
    app = python_app(
        folder,
        "Django",
        evidence,
        start,
        reason,
        assumed,
        after=after,
        health=health,
        migration=("python manage.py migrate --noinput", "manage.py"),
        env=env,
        volumes=volumes,
        facts=facts,
        todo=todo,
        ignored=tuple(
            f"{below}/{name}".lstrip("/")
            for name in ("db.sqlite3*", "staticfiles", *(media.ignored(below) if media is not None else ()))
        ),
        celery=site,
        code=code,
    )
    file = sqlite.data_file
    if file is not None and file.path:
        file = replace(file, path=posixpath.join(below, file.path))
    return replace(app, data_file=file, image_todo=about_file, below=below)
