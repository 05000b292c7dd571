"""Heroku's Procfile and app.json as a draft of ftl.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object
from ftl.config.values.schedule import InvalidSchedule
from ftl.config.yaml.locations import SourceFile
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode
from ftl.errors import ConfigError, UsageError
from ftl.onboarding.app import exec_form
from ftl.onboarding.declared.procfile import processes_of
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.names import project_name
from ftl.onboarding.periodic import is_periodic
from ftl.onboarding.takeover.draft import Draft
from ftl.onboarding.takeover.heroku_addons import report_config_vars, take_over_addons, take_over_clients
from ftl.onboarding.takeover.nodes import ComposeTexts, entries, items, table_list, text
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.schedules.crontab import add_job
from ftl.onboarding.yaml_text import literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OF_CHECK = frozenset({"path", "type", "name", "timeout", "attempts", "initialDelay", "wait", "warn", "command",
                       "listening", "uptime"})  # fmt: skip
"""Keys of a check that are taken over, whose times are FTL's own, or that its row is about."""

_OTHER_SCRIPT = "FTL has no such script: write what it does as `hooks` of a service, or leave it out"


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
        raise _no_process(file)
    texts = ComposeTexts(variables)
    env = _heroku_env(draft, data, texts)
    formation = as_object(data.get("formation"))
    for name, line in (processes or {"web": ""}).items():
        if name == "release":
            continue
        keys: dict[str, object] = {"build": "."}
        if line:
            command = exec_form(line)
            is_shell = command[:2] == ("sh", "-c")
            keys["command"] = tuple(map(literal, command)) if is_shell else literal(line)
        quantity = as_object(formation.get(name)).get("quantity")
        if quantity == 0 and name != "web":
            reason = "app.json starts none of it: `formation` says `quantity: 0`"
            draft.report.left_out(f"{procfile}: {name}", reason)
            continue
        if isinstance(quantity, int) and quantity > 1:
            keys["replicas"] = quantity
        own = {"PORT": "8000", **env} if name == "web" else env
        if own:
            keys["env"] = own
        single = ""
        if name == "web":
            keys |= {"port": 8000, "routes": [{"path": "/"}]}
        elif is_periodic(name, line) and "replicas" not in keys:
            keys["recreate"] = True
            single = " with recreate: true, never two of it"
        draft.services[project_name(name)] = keys
        source = f"{procfile}: {name}" if processes else "the app"
        draft.report.changed(source, f"the service {project_name(name)}{single}")
    if not draft.services:
        raise _no_process(file)
    web = draft.services.get("web") or next(iter(draft.services.values()))
    _hooks(draft, web, processes.get("release", ""), as_object(data.get("scripts")))
    _heroku_rest(draft, data, web, folder)
    return draft


def _no_process(file: Path) -> UsageError:
    return UsageError(
        f"{file} has no process that runs",
        hint="a line of a Procfile is `web: COMMAND`; `release`, and `quantity: 0` in app.json, are not services",
    )


def _hooks(draft: Draft, web: dict[str, object], release: str, scripts: Mapping[str, object]) -> None:
    """Commands of each release as hooks; those of an app's creation are not for a deploy."""
    dokku = as_object(scripts.get("dokku"))
    before = {"scripts.dokku.predeploy": str(dokku.get("predeploy") or ""), "release": release}
    hooks: dict[str, object] = {}
    if lines := [line for line in before.values() if line]:
        hooks["pre"] = literal(" && ".join(lines))
    for key, line in before.items():
        if line:
            draft.report.changed(key, "hooks.pre, before each release")
    if after := dokku.get("postdeploy"):
        hooks["post"] = literal(str(after))
        draft.report.changed("scripts.dokku.postdeploy", "hooks.post, after each release")
    if hooks:
        web["hooks"] = hooks
    for key, script in scripts.items():
        if key == "postdeploy":
            todo = f"it runs once, when an app is created: `ftl run web -- {script}` after the first deploy"
            draft.report.todo(f"scripts.{key}", todo)
        elif key == "pr-predestroy":
            draft.report.left_out(f"scripts.{key}", "it is for Heroku's review apps")
        elif key != "dokku":
            draft.report.todo(f"scripts.{key}", _OTHER_SCRIPT)
    for key in dokku:
        if key not in ("predeploy", "postdeploy"):
            draft.report.todo(f"scripts.dokku.{key}", _OTHER_SCRIPT)


def _heroku_env(draft: Draft, data: Mapping[str, object], texts: ComposeTexts) -> dict[str, object]:
    env: dict[str, object] = {}
    for name, given in as_object(data.get("env")).items():
        value = given.get("value") if isinstance(given, dict) else given
        if value is not None:
            env[name] = literal(str(value))
            draft.report.changed(f"env.{name}", "env")
        else:
            env[name] = texts.convert(f"${{{name}}}")
            options = given if isinstance(given, dict) else {}
            is_set = name in texts.variables or options.get("required") is False
            if options.get("generator") == "secret":
                draft.made_up.add(name)
                is_set = True
            todo = f"set {name} in .env; it is empty until then"
            draft.report.add(
                f"env.{name}", Verdict.CHANGED if is_set else Verdict.NEEDS_YOU, "env" if is_set else todo
            )
    return env


def _heroku_rest(draft: Draft, data: Mapping[str, object], web: dict[str, object], folder: AppFolder) -> None:
    addons = data.get("addons")
    if isinstance(addons, list):
        take_over_addons(draft, addons)
    else:
        take_over_clients(draft, folder)
    if not data.get("env"):
        report_config_vars(draft, folder)
    for name, checks in as_object(data.get("healthchecks")).items():
        keys = web if name == "web" else draft.services.get(project_name(name), {})
        for number, check in enumerate(table_list(checks)):
            _check(draft, keys, f"healthchecks.{name}[{number}]", check)
    for name, process in as_object(data.get("formation")).items():
        if isinstance(process, dict) and process.get("quantity") != 0:
            what = "replicas; a container may use all that the server has: `resources` limits it"
            draft.report.changed(f"formation.{name}", what)
            for key in process:
                if key not in ("quantity", "size"):
                    fixed = "`replicas` are a fixed number, which `ftl scale` changes"
                    draft.report.left_out(f"formation.{name}.{key}", fixed)
    service = next(name for name, keys in draft.services.items() if keys is web)
    for number, item in enumerate(table_list(data.get("cron"))):
        _cron(draft, f"cron[{number}]", item, service)
    _heroku_yml(draft, folder)
    left = {"name", "env", "addons", "formation", "scripts", "healthchecks", "cron"}
    for key in data:
        if key not in left:
            draft.report.left_out(key, "it describes the app to Heroku")


def _heroku_yml(draft: Draft, folder: AppFolder) -> None:
    """Report processes that only heroku.yml names, for an app that Heroku builds from a Dockerfile."""
    written = folder.read("heroku.yml")
    try:
        root, _ = parse(SourceFile("heroku.yml", written), may_be_empty=True)
    except ConfigError as error:
        todo = f"line {error.problems[0].line}: {error.message}: write the commands in it as services"
        draft.report.todo("heroku.yml", todo)
        return
    run = entries(root.get("run")) if isinstance(root, MappingNode) else {}
    for name, node in run.items():
        command = text(node) or " && ".join(map(text, items(entries(node).get("command"))))
        keys = draft.services.get(project_name(name))
        if keys is None or "command" not in keys:
            todo = f"write `{command}` as the `command` of the service {project_name(name)}"
            draft.report.todo(f"heroku.yml: run.{name}", todo)


def _check(draft: Draft, keys: dict[str, object], row: str, check: Mapping[str, object]) -> None:
    """Report a check of a process, and take over the first one that requests a path, where there is a port."""
    draft.report.add(row, *_check_verdict(keys, check))
    for key in check:
        if key not in _OF_CHECK:
            todo = "FTL's check is a GET at the service's port that a 2xx passes: see that it does"
            draft.report.todo(f"{row}.{key}", todo)


def _check_verdict(keys: dict[str, object], check: Mapping[str, object]) -> tuple[Verdict, str]:
    path, found = check.get("path"), as_object(keys.get("health_check")).get("path")
    if not keys:
        return Verdict.LEFT_OUT, "there is no such process here"
    if check.get("command"):
        return Verdict.NEEDS_YOU, "write its command as `container.health_check` of the service"
    if not path and not check.get("listening"):
        # With `uptime` or nothing else, Dokku waits until the container has run for some time
        return Verdict.LEFT_OUT, "a new container has to keep running anyway"
    if "port" not in keys:
        return Verdict.NEEDS_YOU, "the service has no `port`: write a command as `container.health_check`"
    if not path:
        return Verdict.LEFT_OUT, "a new container has to accept connections at its port anyway"
    if found not in (None, path):
        return Verdict.NEEDS_YOU, f"FTL has one check of a service, {found}: let that answer for {path}, too"
    keys["health_check"] = {"path": path}
    return Verdict.CHANGED, "health_check.path"


def _cron(draft: Draft, key: str, item: Mapping[str, object], service: str) -> None:
    """A command with a schedule, as Dokku has it, as a job of a service."""
    schedule, command = str(item.get("schedule") or ""), str(item.get("command") or "")
    if not command.strip():
        draft.report.todo(key, "it has no command: write what it runs as one of the `jobs`")
        return
    try:
        name = add_job(draft, service, schedule, command)
    except InvalidSchedule as error:
        todo = f"`{schedule}` {error}: write the command as one of the `jobs`, with another schedule"
        draft.report.todo(key, todo)
    else:
        draft.report.changed(key, f"the job {name} of {service}")
        if item.get("maintenance"):
            todo = f"Dokku does not run it at the moment: remove the job {name}, or let it run"
            draft.report.todo(f"{key}.maintenance", todo)
        if "concurrency_policy" in item:
            draft.report.left_out(f"{key}.concurrency_policy", "a job never runs twice at once")
