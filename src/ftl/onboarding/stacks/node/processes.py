"""Processes of a Node app by the scripts of package.json: the server and its workers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.app import Command, Worker, exec_form
from ftl.onboarding.stacks.node.managers import BUN, manager
from ftl.onboarding.stacks.node.package_json import packages, scripts, server_build

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl.onboarding.folder import AppFolder

_OF_SERVER = ("start:prod", "start:production", "serve:prod", "start")
_OF_WORKER = re.compile(
    r"(?:(?:start|run|serve)[:-])?(worker|queue|consumer)s?(?:[:-](?:start|run|prod|production))?"
)
_WATCHES = re.compile(r"\b(?:nodemon|ts-node-dev|concurrently)\b|\bwatch\b|--watch\b|--hot\b")
"""Lines that are for development: they start again with each change of a file."""

_STARTS_AGAIN = re.compile(r"^(?:npx )?(?:nodemon|ts-node-dev|tsx watch)\b")
_ENV_FILE = re.compile(r"\s--env-file[= ]\S+")
"""A file that the image has not: node ends without it, and the values are in the environment."""

_QUEUES = """
    bullmq bull @nestjs/bullmq @nestjs/bull agenda @hokify/agenda bee-queue pg-boss graphile-worker amqplib
    amqp-connection-manager rhea kafkajs @temporalio/worker node-resque kue faktory-worker sqs-consumer bree
    celery-node redis-smq rsmq @google-cloud/pubsub nats mqtt
"""
QUEUES = frozenset(_QUEUES.split())
"""Packages with which work waits for another process."""

_PROGRAMS = {
    "nest": "@nestjs/cli",
    "tsc": "typescript",
    "medusa": "@medusajs/cli",
    "strapi": "@strapi/strapi",
}
"""Programs that are called differently than their packages."""


@dataclass(frozen=True, slots=True)
class WorkerScript:
    """A script that looks like another process than the server.

    Attributes:
        is_sure: The app has a queue, and the script is no one for development.
    """

    script: str
    name: str
    line: str
    is_sure: bool
    queue: str = ""


_BUILDS = re.compile(
    r"\b(?:tsc|tsup|tsdown|esbuild|webpack|rollup|swc|babel|copyfiles|cpx|rimraf|tailwindcss)\b|\b(?:build|compile)\b"
)
_MIGRATES = re.compile(r"\bmigrat|\bdb push\b")
_RUN = re.compile(r"(?:(?:npm|pnpm|yarn|bun) run(?:-script)?|yarn|pnpm) (\S+)")


@dataclass(frozen=True, slots=True)
class StartScript:
    """The start of a server by the scripts of package.json.

    Attributes:
        build: Lines of it that build the app, which belong into the image's build: the packages for it are gone then.
        hook: A line that migrates the database.
    """

    command: Command
    reason: str
    build: tuple[str, ...] = ()
    hook: str | None = None


def start_command(folder: AppFolder) -> StartScript:
    """The command of the server, with what npm would do before it."""
    known = scripts(folder)
    for name in _OF_SERVER:
        if name in known:
            return _script(folder, name)
    main = folder.read_json("package.json").get("main")
    file = (
        main if isinstance(main, str) and folder.has(main) else folder.has("server.js", "index.js", "app.js")
    )
    return StartScript(("node", file), "main of package.json") if file else StartScript((), "")


def _script(folder: AppFolder, name: str) -> StartScript:
    """A script of package.json, and the one that npm runs before it."""
    known = scripts(folder)
    own = [part.strip() for part in known[name].split("&&")]
    before = [part.strip() for part in known.get(f"pre{name}", "").split("&&") if part.strip()]
    while len(own) > 1 and _is_build(known, own[0]):
        before.append(own.pop(0))
    builds = [part for part in before if _is_build(known, part)]
    migrations = [part for part in before if part not in builds and _MIGRATES.search(_resolved(known, part))]
    rest = [part for part in before if part not in builds and part not in migrations]
    done = server_build(folder)
    needed = tuple(
        by_local_program(folder, part, "")
        for part in builds
        if not ((run := _RUN.fullmatch(part)) and run[1] == done)
    )
    command = _command(" && ".join([*rest, *own]))
    return StartScript(command, f"the script {name} of package.json", needed, " && ".join(migrations) or None)


def _resolved(known: Mapping[str, str], part: str) -> str:
    """A part of a script, with that of the script that it runs."""
    run = _RUN.fullmatch(part)
    return f"{part} {known.get(run[1], '')}" if run else part


def _is_build(known: Mapping[str, str], part: str) -> bool:
    return _BUILDS.search(_resolved(known, part)) is not None and not re.match(r"node\s", part)


def _command(line: str) -> Command:
    return exec_form(_ENV_FILE.sub("", _STARTS_AGAIN.sub("node", line)))


def worker_scripts(folder: AppFolder) -> list[WorkerScript]:
    """One script for each name of a worker: that for a server, where there are several."""
    queue = next((name for name in packages(folder) if name in QUEUES), "")
    found: dict[str, WorkerScript] = {}
    known = scripts(folder)
    for script in sorted(
        known, key=lambda name: (_WATCHES.search(known[name]) is not None, "prod" not in name)
    ):
        if match := _OF_WORKER.fullmatch(script):
            line = known[script]
            is_sure = bool(queue) and _WATCHES.search(line) is None
            found.setdefault(match[1], WorkerScript(script, match[1], line, is_sure, queue))
    return list(found.values())


def workers(folder: AppFolder) -> tuple[Worker, ...]:
    """The workers of an app with a queue."""
    return tuple(
        Worker(
            one.name,
            _command(one.line),
            f"the script {one.script} of package.json, and {one.queue} among the dependencies",
        )
        for one in worker_scripts(folder)
        if one.is_sure
    )


def questions(folder: AppFolder, *, has_code: bool = True) -> tuple[str, ...]:
    """Things to do about scripts that may be processes; `has_code` if the image can run them."""
    return tuple(_questions(folder, has_code=has_code))


def _questions(folder: AppFolder, *, has_code: bool) -> Iterator[str]:
    for one in worker_scripts(folder):
        looks = f"the script {one.script} of package.json looks like another process than the server"
        if not has_code:
            yield f"{looks}: the standalone server's image has no code for it; build it from another Dockerfile"
        elif not one.is_sure:
            command = " ".join(_command(one.line))
            yield f"{looks} (not sure): if it is one, add a service with the same `build` and `command: {command}`"


def by_local_program(folder: AppFolder, line: str, dockerfile: str) -> str:
    """A command line for another Dockerfile's image, whose PATH may lack programs of packages."""
    program = line.partition(" ")[0]
    package = _PROGRAMS.get(program, program)
    if not folder.has("package.json") or package not in packages(folder) or "node_modules/.bin" in dockerfile:
        return line
    if re.search(rf"(?:--global|-g)\b.*\b{re.escape(package)}\b", dockerfile):
        return line
    used, _ = manager(folder)
    return f"{'bunx' if used is BUN else 'npx'} {line}"


def development_tools(folder: AppFolder, *commands: Command) -> list[str]:
    """Programs of commands that are development packages, which an image then needs."""
    kept = packages(folder, development=False)
    others = packages(folder).keys() - kept.keys()
    words = [word for command in commands for part in command for word in re.split(r"\s+", part)]
    named = [_PROGRAMS.get(word, word) for word in words]
    named += [word.partition("/")[0] for word in words]
    return list(dict.fromkeys(name for name in named if name in others))
