"""Notes on settings that are valid, and most likely mistakes, each with its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.config.models.notification import SERVER_EVENTS
from ftl.config.values.addresses import is_example
from ftl.config.variables.sources import ENV_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.config.models.project import Project
    from ftl.config.models.secret import Secret
    from ftl.config.variables.env_file import Variable
    from ftl.config.variables.sources import Variables
    from ftl.config.yaml.locations import KeyPath


_ADVICE = (
    "have the program itself read it from a variable (`secrets` or `env`) or a file (`secrets` with `file`)"
)
_LOGIN = "write the value as `password` or `token`"


def secret_argument_notes(project: Project) -> tuple[str, ...]:
    """A note on each command with a secret in its words.

    Every user of a machine sees the arguments of all its processes.
    """
    notes: dict[str, None] = {}
    for path, names in project.secret_words.items():
        command = tuple(path[:-1]) if isinstance(path[-1], int) else path
        if path[-1] == "local":  # a text is no argument of its shell (`ftl.deploy.apply.steps.hooks`)
            continue
        location = project.locations.nearest(*path)
        location = location.used_at or location
        secrets = f"the secret {names[0]}" if len(names) == 1 else f"the secrets {' and '.join(names)}"
        seen = f"{command[-1]} has {secrets} in it, which the process list there shows to everybody"
        notes[f"{location.shown}: {seen}: {_LOGIN if command[0] == 'registries' else _ADVICE}"] = None
    return tuple(notes)


def unset_secret_notes(project: Project, variables: Variables) -> tuple[str, ...]:
    """A note on each secret in use whose variable is not set: a plan and a deploy refuse it."""
    notes = []
    for index, secret in enumerate(project.secrets):
        name = secret.env or secret.name
        has_other = secret.command or secret.file or secret.age
        if has_other or name in variables or not project.secret_users.get(secret.name):
            continue
        place = project.locations.nearest("secrets", index).shown
        notes.append(
            f"{place}: {secret.name} is not set here, and {ftl('plan')} and {ftl('deploy')} refuse that: "
            f"set the variable {name} in the environment or in .env"
        )
    return tuple(notes)


def shadow_notes(project: Project, variables: Variables) -> tuple[str, ...]:
    """A note on each variable of a .env file for which `secrets` has another source, which wins.

    None where the secret's own command reads the variable.
    """
    notes = []
    for index, secret in enumerate(project.secrets):
        by_variable = not (secret.command or secret.file or secret.age) and secret.env in (None, secret.name)
        if by_variable or secret.name not in variables:
            continue
        variable = variables.find(secret.name)
        if variable.location is None or _reads(project, index, secret, variable):
            continue
        location = project.locations.nearest("secrets", index)
        overlay = variable.location.file.name.rpartition("/")[2].removeprefix(ENV_FILE).removeprefix(".")
        # In ftl.yaml this would be the source of all environments.
        own = f", or write `{secret.name}: {{env: {secret.name}}}` below `secrets` in ftl.{overlay}.yaml"
        notes.append(
            f"{variable.origin}: {secret.name} is not what `secrets` takes, which has another source for it "
            f"({location.shown}): remove the line{own if overlay else ''}"
        )
    return tuple(notes)


def _reads(project: Project, index: int, secret: Secret, variable: Variable) -> bool:
    """Whether a secret's command has the variable: as `$NAME` for a shell, or its value, that FTL put there."""
    command = secret.command or ""
    text = command if isinstance(command, str) else " ".join(command)
    if re.search(rf"\$\{{?{re.escape(secret.name)}(?!\w)", text):
        return True
    place = ("secrets", index, "command")
    has_variables = any(path[: len(place)] == place for path in project.masked)
    return has_variables and bool(variable.value) and variable.value in text


def silent_event_notes(project: Project) -> Iterator[str]:
    """A note on each place for messages that no server reaches: it gets all other events.

    None for one whose `events` say what it is for.
    """
    missed = [event for event in SERVER_EVENTS if event in _events(project)]
    for index, one in enumerate(project.notify):
        if not missed or one.events is not None or not one.is_here_alone:
            continue
        place = project.locations.nearest("notify", index).shown
        yield (
            f"{place}: notify: {one.scheme}:// is of this machine, and gets no {' and no '.join(missed)}, which the "
            "server sends by itself: write `events: [deploy, failure, rollback]`"
        )


def _events(project: Project) -> Iterator[str]:
    """Events of the server that can come about in a project."""
    if project.jobs or project.backups:
        yield "job_failure"
    if project.proxy.tls not in ("internal", "off") and any(service.routes for service in project.services):
        yield "certificate"


_SANDBOX = ftl("deploy --server sandbox")
_UNKNOWN = f"no visitor and no certificate authority finds it: write your own ({_SANDBOX} needs none)"
_SERVER = f"no server has it: write your own ({_SANDBOX} needs none)"
_CONTACT = "certificate authorities refuse it: write your own, or leave it out"


def placeholder_notes(project: Project) -> tuple[str, ...]:
    """A note on each placeholder, with its place; a value in several places is named once.

    None where no public authority is asked for certificates: such a network may have names of its own.
    """
    proxy = project.proxy
    if proxy.tls != "auto" or proxy.certificate is not None or proxy.acme_ca is not None:
        return ()
    notes: dict[tuple[str, str], str] = {}
    for path, value, consequence in _placeholders(project):
        place = project.locations.nearest(*path).shown
        key = next(str(step) for step in reversed(path) if isinstance(step, str))
        notes.setdefault((value, consequence), f"{place}: {key}: {value} is a placeholder, and {consequence}")
    return tuple(notes.values())


def _placeholders(project: Project) -> Iterator[tuple[KeyPath, str, str]]:
    """Values that are reserved for examples, and the consequence of each."""
    values = [(path, host, _UNKNOWN) for path, host in _public_hosts(project)]
    servers: list[tuple[KeyPath, str]] = [(("server", "host"), project.server.host)]
    servers += [(("servers", number, "host"), server.host) for number, server in enumerate(project.servers)]
    for path, host in servers:
        # The domain is in place of an empty one; a name without a dot may be a Host of ~/.ssh/config.
        if path in project.locations.by_path and host != project.project.domain and "." in host:
            values.append((path, host, _SERVER))
    values.append((("project", "email"), project.project.email or "", _CONTACT))
    return ((path, value, consequence) for path, value, consequence in values if is_example(value))


def _public_hosts(project: Project) -> Iterator[tuple[KeyPath, str]]:
    yield ("project", "domain"), project.project.domain or ""
    for index, service in enumerate(project.services):
        for number, route in enumerate(service.routes):
            yield ("services", index, "routes", number, "host"), route.host or ""
    for number, redirect in enumerate(project.proxy.redirects):
        yield ("proxy", "redirects", number, "host"), redirect.host
