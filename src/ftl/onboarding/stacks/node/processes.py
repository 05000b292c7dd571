"""Processes of a Node app by the scripts of package.json: the server and its workers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.app import Command, Worker, exec_form
from ftl.onboarding.stacks.node.managers import BUN, manager
from ftl.onboarding.stacks.node.migrations import find_migration
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


_PREFIX = (
    r"(?:(?:[A-Za-z_]\w*=\S*|env|npx|bunx|npm exec|(?:pnpm|yarn)(?: exec)?|--?[a-z][\w-]*)\s+)*"
    r"(?:\./)?(?:node_modules/\.bin/)?"
)
"""Words before a program: variables, and runners of programs of packages (`npx`)."""

_PROGRAM = re.compile(rf"{_PREFIX}([^\s=]+)(?:\s|$)")
_BUILD = r"[\w:.-]*\b(?:build|compile)\b"
_BUILDS = re.compile(
    rf"{_PREFIX}(?:cross-env\s+{_PREFIX})?"
    r"(?:(?:tsc|tsc-alias|tsup|tsdown|esbuild|webpack|rollup|swc|babel|copyfiles|cpx|rimraf|tailwindcss)(?:\s|$)"
    rf"|(?:npm|pnpm|yarn|bun)\s(?:.*\s)?run(?:-script)?\s+(?:-\S+\s+)*{_BUILD}"
    rf"|(?:pnpm|yarn)\s+(?:-\S+\s+(?:[^-\s]\S*\s+)?)*?(?:workspace\s+\S+\s+)?{_BUILD}"
    r"|(?:vite|next|nest|nuxt|nuxi|astro|remix|react-router|ng|medusa|strapi|react-scripts|vue-cli-service|turbo|nx"
    rf"|lerna|rsbuild|parcel|gulp|grunt|bun|run-s|run-p|npm-run-all)\s+(?:\S+\s+)*?{_BUILD})"
)
"""Lines that build: a compiler, or a script or a tool's command of such a name; `cd build` is none."""

_INSTALLS = re.compile(r"(?:npm|pnpm|yarn|bun) (?:install|i|ci)(?:\s+-\S+)*|yarn")
"""Lines that install the packages, as the image does."""

_OF_SYSTEM = frozenset(
    ("node", "echo", "mkdir", "rm", "cp", "mv", "ln", "touch", "test", "[", "true", "cat", "sleep", "chmod")
)
"""Programs that each image of Node has."""

_MIGRATES = re.compile(r"\bmigrat|\bdb push\b")
_RUN = re.compile(r"(?:(?:npm|pnpm|yarn|bun) run(?:-script)?|yarn|pnpm) (\S+)")


@dataclass(frozen=True, slots=True)
class StartScript:
    """The start of a server by the scripts of package.json.

    Attributes:
        build: Lines of it that build the app, which belong into the image's build: the packages for it are gone then.
        hook: A line that migrates the database.
        todo: Lines before it that are left out, since the image lacks their programs.
    """

    command: Command
    reason: str
    build: tuple[str, ...] = ()
    hook: str | None = None
    todo: tuple[str, ...] = ()


def start_command(folder: AppFolder) -> StartScript:
    """The command of the server, with the hooks that npm would run before it."""
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
    before, todo = _before(folder, f"pre{name}")
    while len(own) > 1 and _is_build(known, own[0]):
        before.append(own.pop(0))
    builds = [part for part in before if _is_build(known, part)]
    migrations = [part for part in before if part not in builds and _MIGRATES.search(_resolved(known, part))]
    rest = [part for part in before if part not in builds and part not in migrations]
    done = builds and _RUN.fullmatch(builds[0])
    if done and done[1] == server_build(folder):
        del builds[0]  # further down it is needed again: another part may have removed what it made
    needed = tuple(_in_build(folder, part) for part in builds)
    command = _command(" && ".join([*rest, *own]))
    return StartScript(
        command, f"the script {name} of package.json", needed, " && ".join(migrations) or None, todo
    )


def _in_build(folder: AppFolder, part: str) -> str:
    """A line for the image's build, where programs of packages are not in PATH."""
    assigned = re.match(r"(?:[A-Za-z_]\w*=\S*\s+)*", part)
    values = assigned[0] if assigned else ""
    return values + by_local_program(folder, part.removeprefix(values), "")


def _before(folder: AppFolder, name: str) -> tuple[list[str], tuple[str, ...]]:
    """Parts of the script before the start that build, migrate or run in the image; things to do about others."""
    known = scripts(folder)
    line = known.get(name, "")
    parts = [part.strip() for part in line.split("&&")]
    parts = [part for part in parts if part and not _INSTALLS.fullmatch(part)]
    if any(re.match(r"cd\s", part) for part in parts):
        parts = [line]  # the other parts are about that folder
    kept = [
        part
        for part in parts
        if re.match(r"cd\s", part) is None
        and (_is_build(known, part) or _MIGRATES.search(_resolved(known, part)) or _is_in_image(folder, part))
    ]
    return kept, tuple(
        f"see whether the app needs `{part}` before its start, as the script {name} has it: it is left out, "
        "since the image may lack its program"
        for part in parts
        if part not in kept
    )


def _is_in_image(folder: AppFolder, part: str) -> bool:
    """Whether the image has the programs of a line when the packages of development are gone."""
    run = _RUN.fullmatch(part)
    lines = scripts(folder).get(run[1], part).split("&&") if run else [part]
    names = [match[1] if (match := _PROGRAM.match(line.strip())) else line for line in lines]
    had = _OF_SYSTEM | packages(folder, development=False).keys() | {find_migration(folder).tool}
    return all(_PROGRAMS.get(name, name) in had for name in names) and not re.search(r"[;|&]", "".join(lines))


def _resolved(known: Mapping[str, str], part: str) -> str:
    """A part of a script, with that of the script that it runs."""
    run = _RUN.fullmatch(part)
    return f"{part} {known.get(run[1], '')}" if run else part


def _is_build(known: Mapping[str, str], part: str) -> bool:
    """Whether a part of a script builds, itself or by the script that it runs."""
    run = _RUN.fullmatch(part)
    lines = [part, *(known.get(run[1], "").split("&&") if run else ())]
    return any(_BUILDS.match(line.strip()) for line in lines)


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


def questions(folder: AppFolder, *, has_code: bool = True) -> Iterator[str]:
    """Things to do about scripts that may be processes; `has_code` if the image can run them."""
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
