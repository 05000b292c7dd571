"""fly.toml, and Heroku's Procfile and app.json, as drafts of ftl.yaml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.databases import ELASTICSEARCH, MEMCACHED, MONGODB, MYSQL, POSTGRES, RABBITMQ, REDIS
from ftl.errors import UsageError
from ftl.onboarding.detect import processes_of
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.names import project_name
from ftl.onboarding.takeover.draft import Draft
from ftl.onboarding.takeover.nodes import Texts
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ADDONS = {
    "postgres": POSTGRES, "redis": REDIS, "mysql": MYSQL, "jawsdb": MYSQL, "mongo": MONGODB, "memcache": MEMCACHED,
    "rabbitmq": RABBITMQ, "cloudamqp": RABBITMQ, "elasticsearch": ELASTICSEARCH,
}  # fmt: skip
"""Part of an addon's name -> database."""


def _table(data: Mapping[str, object], key: str) -> dict[str, object]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[dict[str, object]]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, dict)]


def fly(file: Path, base: Path) -> Draft:
    """Convert a fly.toml.

    Raises:
        UsageError: It is not TOML.
    """
    data = AppFolder(file.parent).read_toml(file.name)
    draft = Draft(str(file), project_name(str(data.get("app", base.resolve().name))))
    report = draft.report
    http, build = _table(data, "http_service"), _table(data, "build")
    services = _list(data.get("services"))
    port = http.get("internal_port") or (services[0].get("internal_port") if services else None) or 8080
    image = build.get("image")
    base_keys: dict[str, object] = {"image": image} if image else {"build": "."}
    if build.get("dockerfile"):
        base_keys["build"] = {"context": ".", "dockerfile": build["dockerfile"]}
    if build.get("args") or build.get("build-target"):
        have = base_keys.get("build")
        base_keys["build"] = {**(have if isinstance(have, dict) else {"context": "."}),
                              **({"args": build["args"]} if build.get("args") else {}),
                              **({"target": build["build-target"]} if build.get("build-target") else {})}  # fmt: skip
    env = {name: str(value) for name, value in _table(data, "env").items()}
    processes = {name: str(line) for name, line in _table(data, "processes").items()} or {"app": ""}
    public = "app" if "app" in processes else "web" if "web" in processes else next(iter(processes))
    for name, line in processes.items():
        keys = dict(base_keys)
        if line:
            keys["command"] = line
        if env:
            keys["env"] = env
        draft.services[project_name(name)] = keys
    web = draft.services[project_name(public)]
    if http or services:
        web |= {"port": port, "routes": [{"path": "/"}]}
    checks = [*_list(http.get("checks"))]
    checks += [check for service in services for check in _list(service.get("http_checks"))]
    if path := next((check["path"] for check in checks if check.get("path")), None):
        web["health_check"] = {"path": path}
    _fly_rest(draft, data, web)
    report.add("app", Verdict.CHANGED, "project.name")
    places = {"http_service": "port, routes, health_check", "services": "port and routes"}
    for key in ("http_service", "services", "env", "processes", "build"):
        if key in data:
            report.add(key, Verdict.CHANGED, places.get(key, key))
    if build.get("builder") or build.get("buildpacks"):
        report.add("build.builder", Verdict.NEEDS_YOU, "FTL builds from a Dockerfile: `ftl init` writes one")
    if len(services) > 1:
        todo = "only the first is taken over: write the ports of the others as `forwards`"
        report.add("services", Verdict.NEEDS_YOU, todo)
    todo = "`fly secrets list` names them: write `NAME: ${NAME}` in `env`, and the values into .env"
    report.add("secrets", Verdict.NEEDS_YOU, todo)
    return draft


def _fly_rest(draft: Draft, data: Mapping[str, object], web: dict[str, object]) -> None:
    report = draft.report
    deploy = _table(data, "deploy")
    if deploy.get("release_command"):
        web["hooks"] = {"pre": str(deploy["release_command"])}
        report.add("deploy.release_command", Verdict.CHANGED, "hooks.pre")
    for key in deploy:
        if key != "release_command":
            report.add(f"deploy.{key}", Verdict.LEFT_OUT, "new containers are healthy before old ones stop")
    mounts = _list(data.get("mounts") or data.get("mount"))
    if mounts:
        web["volumes"] = [
            f"{item.get('source', 'data')}:{item.get('destination', '/data')}" for item in mounts
        ]
        report.add("mounts", Verdict.CHANGED, "volumes; copy the data with `fly ssh sftp get`")
    if data.get("kill_timeout"):
        web["stop_timeout"] = str(data["kill_timeout"])
        report.add("kill_timeout", Verdict.CHANGED, "stop_timeout")
    known = {
        "primary_region": (Verdict.LEFT_OUT, "your server is where it is"),
        "kill_signal": (Verdict.NEEDS_YOU, "write STOPSIGNAL in the Dockerfile"),
        "vm": (Verdict.LEFT_OUT, "a container may use all that the server has"),
        "statics": (Verdict.NEEDS_YOU, "let the app serve its files"),
        "metrics": (Verdict.NEEDS_YOU, "FTL collects no metrics"),
        "checks": (Verdict.NEEDS_YOU, "write `health_check` of the service"),
        "experimental": (Verdict.LEFT_OUT, "it is Fly's"),
        "swap_size_mb": (Verdict.LEFT_OUT, "the server decides"),
        "console_command": (Verdict.LEFT_OUT, "`ftl exec` opens a console"),
    }
    done = {"app", "build", "env", "http_service", "services", "processes"}
    done |= {"deploy", "mounts", "mount", "kill_timeout"}
    for key in data:
        if key not in done:
            report.add(key, *known.get(key, (Verdict.NEEDS_YOU, "FTL has no such key")))


def heroku(file: Path, base: Path, variables: Mapping[str, str]) -> Draft:
    """Convert a Procfile, an app.json, or both.

    Raises:
        UsageError: app.json is not JSON, or neither file has a process.
    """
    folder = AppFolder(file.parent)
    data = folder.read_json("app.json")
    procfile = file.name if file.name != "app.json" else "Procfile"
    processes = dict(processes_of(folder.read(procfile)))
    draft = Draft(str(file), project_name(str(data.get("name") or base.resolve().name)))
    if not processes and not data:
        raise UsageError(f"{file} has no process", hint="a line of a Procfile is `web: COMMAND`")
    texts = Texts(variables)
    env = _heroku_env(draft, data, texts)
    formation = _table(data, "formation")
    for name, line in (processes or {"web": ""}).items():
        if name == "release":
            continue
        keys: dict[str, object] = {"build": "."}
        if line:
            keys["command"] = ("sh", "-c", f"exec {line}") if re.search(r"[$|&;<>]", line) else line
        quantity = _table(formation, name).get("quantity")
        if isinstance(quantity, int) and quantity > 1:
            keys["replicas"] = quantity
        own = {"PORT": "8000", **env} if name == "web" else env
        if own:
            keys["env"] = own
        if name == "web":
            keys |= {"port": 8000, "routes": [{"path": "/"}]}
        draft.services[project_name(name)] = keys
        draft.report.add(f"{procfile}: {name}", Verdict.CHANGED, f"the service {project_name(name)}")
    web = draft.services.get("web") or next(iter(draft.services.values()))
    scripts = _table(data, "scripts")
    release = (
        processes.get("release") or _table(scripts, "dokku").get("predeploy") or scripts.get("postdeploy")
    )
    if release:
        web["hooks"] = {"pre": str(release)}
        key = "release" if "release" in processes else "scripts"
        draft.report.add(key, Verdict.CHANGED, "hooks.pre, before each release")
    _heroku_rest(draft, data, web)
    if not (base / "Dockerfile").is_file():
        todo = "FTL builds from a Dockerfile: `ftl init` (without --from) writes one for known stacks"
        draft.report.add("buildpacks", Verdict.NEEDS_YOU, todo)
    return draft


def _heroku_env(draft: Draft, data: Mapping[str, object], texts: Texts) -> dict[str, object]:
    env: dict[str, object] = {}
    for name, given in _table(data, "env").items():
        value = given.get("value") if isinstance(given, dict) else given
        if value is not None:
            env[name] = str(value)
            draft.report.add(f"env.{name}", Verdict.CHANGED, "env")
        else:
            env[name] = texts.convert(f"${{{name}}}")
            is_set = name in texts.variables
            draft.report.add(
                f"env.{name}",
                Verdict.CHANGED if is_set else Verdict.NEEDS_YOU,
                "env" if is_set else f"set {name} in .env: it is empty until then",
            )
    return env


def _heroku_rest(draft: Draft, data: Mapping[str, object], web: dict[str, object]) -> None:
    addons = data.get("addons")
    for addon in addons if isinstance(addons, list) else ():
        plan = str(addon.get("plan", "") if isinstance(addon, dict) else addon)
        known = next((database for part, database in _ADDONS.items() if part in plan), None)
        if known is None:
            todo = "FTL has no such service: keep it, and write its URL in `env`"
            draft.report.add(f"addons: {plan}", Verdict.NEEDS_YOU, todo)
            continue
        name = known.name
        keys: dict[str, object] = {"image": f"{known.image}:{known.tag}", "ports": [known.port]}
        if known.volume:
            keys["volumes"] = [known.volume]
        if env := dict(known.env) | {variable: f"${{{variable}:-}}" for variable in known.required}:
            keys["env"] = env
        for variable in known.required:
            draft.note(name, f"set {variable} in .env, and its URL in `env` of the services")
        draft.dependencies[name] = keys
        todo = f"the dependency {name}: set its password in .env, and its URL in `env` of the services"
        draft.report.add(f"addons: {plan}", Verdict.NEEDS_YOU, todo)
    checks = _list(_table(data, "healthchecks").get("web"))
    if path := next((item["path"] for item in checks if item.get("path")), None):
        web["health_check"] = {"path": path}
        draft.report.add("healthchecks", Verdict.CHANGED, "health_check.path")
    if data.get("cron"):
        draft.report.add("cron", Verdict.NEEDS_YOU, "write each command as one of the `jobs`")
    left = {"name", "env", "addons", "formation", "scripts", "healthchecks", "cron"}
    for key in data:
        if key not in left:
            draft.report.add(key, Verdict.LEFT_OUT, "it describes the app to Heroku")
