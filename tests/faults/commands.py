"""Commands that change a server, each with its preparation and its way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.faults.store import NEW, SECRET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.faults.store import Action, Data

Argv = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A command that is broken off.

    In its arguments, {name} is the name of the world's project, {previous} the release before the live one.

    Attributes:
        argv: Its arguments.
        before: Commands that run undisturbed before it.
        forget: Run on the server before it, as root: a shell script, in which {name} and {previous} are those, too.
        forget_here: This machine loses the project's images before it.
        after: Commands that must work after the fault, and lead back to the state from which a deploy converges.
        may_be_done: The last of `after` may say that nothing is left to do: exit status 2.
        twice: The last of `after` is run once more, and must find nothing to do.
        tidy: Run on the server at the end, as root, to take back what `forget` did: a shell script.
        project: Which project it is about; the second one is removed or a preview, the third one has data, the fourth
            one scheduled backups. "builder": the first one, where this machine's engine is one of the trial's own.
        data: What of the third one it reads or changes, and how.
        stdin: Its input.
        local: It does not touch the server.
        refusal: Exit status of one that is refused beside another run of it.
    """

    argv: Argv
    before: tuple[Argv, ...] = ()
    forget: str = ""
    forget_here: bool = False
    after: tuple[Argv, ...] = ()
    may_be_done: bool = False
    twice: bool = False
    tidy: str = ""
    project: Literal["project", "passing", "store", "kept", "builder"] = "project"
    data: tuple[Data, Action] | None = None
    stdin: str = ""
    local: bool = False
    refusal: int = 4

    def __str__(self) -> str:
        return " ".join(self.argv)


EVERYBODY = ("--allow", "0.0.0.0/0", "--allow", "::/0")
"""Maintenance that nobody notices, so that each failed request counts."""

WAIT = ("--wait-lock", "60")
"""Options with which a command waits for what an interrupted one left running on the server."""

OFF = ("maintenance", "off", *WAIT)
PRUNE_CACHE = ("prune", "--build-cache", *WAIT)
START = ("start", "worker", *WAIT)
REMOVE = ("remove", "--volumes", "--yes", *WAIT)
REMOVE_BACKUPS = ("remove", "--volumes", "--backups", "--yes", *WAIT)

SET_SECRET = ("secrets", "set", SECRET)
EDIT_SECRETS = ("secrets", "edit")


def _backup(data: Data) -> Command:
    argv = ("backup", data, f"{data}.{'dump' if data == 'db' else 'rdb'}")
    return Command(argv, after=(argv,), project="store", data=(data, "backup"))


def _restore(data: Data) -> Command:
    file = f"good-{data}.{'dump' if data == 'db' else 'rdb'}"
    argv = ("restore", data, file, "--yes", *WAIT)
    return Command(argv, after=(argv,), project="store", data=(data, "restore"))


def _drill(data: Data) -> Command:
    argv = ("restore", data, f"good-{data}.{'dump' if data == 'db' else 'rdb'}", "--drill")
    return Command(argv, after=(argv,), project="store", data=(data, "drill"))


def _change_secret(argv: Argv, stdin: str = "") -> Command:
    return Command(argv, after=(argv,), project="store", data=("secrets", "set"), stdin=stdin, local=True)


LAB_SETTINGS = "/var/lib/lab-daemon.json"
"""Copy of the daemon.json that a server of the lab had before setup: it may choose the engine's image store."""

# All that setup writes on a server of the lab.
UNDO_SETUP = f"""
rm -f /etc/docker/daemon.json /etc/ftl/* /usr/local/sbin/ftl-firewall /run/ftl-firewall.applied
if [ -e {LAB_SETTINGS} ]; then cp {LAB_SETTINGS} /etc/docker/daemon.json; fi
"""

# An image that is newer than the one of the running proxy, by its label alone.
NEWER_PROXY = """
printf 'FROM ftl-lab-proxy:first\nLABEL ftl.lab.newer="%s"\n' "$(date +%s%N)" | docker build -q -t caddy:2 - > /dev/null
"""

# Images of proxies before, each of which was made for a trial.
OLD_PROXIES = "docker image prune --force --filter label=ftl.lab.newer > /dev/null"

# What is built of the release before the live one.
NO_PREVIOUS_IMAGES = """
for service in web web-x worker solo; do docker rmi {name}-$service:{previous} > /dev/null || exit; done
"""

# Of the project with data, so that a deploy of it has something to do.
NO_IDLE = "docker rm --force $(docker ps --all --quiet --filter label=ftl.service=idle) > /dev/null"

UPGRADE = ("deploy", "--upgrade-proxy", *WAIT)
END_HOLD = ("deploy", "--end-hold", *WAIT)
HOLD = ("rollback", "--hold", "--message", "a trial")
REBUILD = ("rollback", "{previous}", "--rebuild", *WAIT)
WITH_BACKUP = ("deploy", "--backup", *WAIT)
MARK = ("releases", "--mark-bad", "{previous}", "--message", "a trial", *WAIT)
UNMARK = ("releases", "--unmark-bad", "{previous}", *WAIT)
BACKUP_JOB = ("jobs", "run", "backup.cache")
FROM_SERVER = ("restore", "cache", "--from-server", "latest", "--yes", *WAIT)
SANDBOX = ("--name", "{name}")
SANDBOX_UP, SANDBOX_DOWN = ("sandbox", "up", *SANDBOX), ("sandbox", "down", *SANDBOX)
SANDBOXES = ("sandbox", "up", "--servers", "2", *SANDBOX)
COMPLETION = ("completion", "install", "bash")
PREVIEW = "one"

NAMED: Mapping[str, Command] = {
    "deploy": Command(("deploy",)),
    "deploy-one": Command(("deploy", "web")),
    "deploy-watch": Command(("deploy", "--watch", "30s")),
    "deploy-backup": Command(
        WITH_BACKUP, forget=NO_IDLE, after=(WITH_BACKUP,), project="store", data=("db", "deploy")
    ),
    "upgrade-proxy": Command(UPGRADE, forget=NEWER_PROXY, after=(UPGRADE,), tidy=OLD_PROXIES),
    "rollback": Command(("rollback",)),
    "rollback-hooks": Command(("rollback", "--hooks")),
    "rollback-rebuild": Command(
        REBUILD, forget=NO_PREVIOUS_IMAGES, forget_here=True, after=(REBUILD,), may_be_done=True
    ),
    "rollback-hold": Command(HOLD, after=(END_HOLD,)),
    "end-hold": Command(("deploy", "--end-hold"), before=(HOLD,), after=(END_HOLD,)),
    "mark-bad": Command(MARK, after=(UNMARK,)),
    "unmark-bad": Command(UNMARK, before=(MARK,), after=(UNMARK,)),
    "restart": Command(("restart",)),
    "scale-up": Command(("scale", "web=4")),
    "scale-down": Command(("scale", "web=1")),
    "build": Command(("build",), local=True),
    "setup": Command(("setup",), forget=UNDO_SETUP, after=(("setup",),), twice=True),
    "stop": Command(("stop", "worker"), after=(START,)),
    "start": Command(("start", "worker"), before=(("stop", "worker"),), after=(START,)),
    "maintenance-on": Command(("maintenance", "on", *EVERYBODY), after=(OFF,)),
    "maintenance-off": Command(
        ("maintenance", "off"), before=(("maintenance", "on", *EVERYBODY),), after=(OFF,)
    ),
    "prune": Command(("prune",)),
    # A build cache belongs to all of a machine: it is that of another engine.
    "prune-build-cache": Command(
        ("prune", "--build-cache"), before=(("deploy",),), after=(PRUNE_CACHE,), project="builder"
    ),
    "remove": Command(REMOVE, before=(("deploy",),), after=(REMOVE,), may_be_done=True, project="passing"),
    "remove-backups": Command(
        REMOVE_BACKUPS,
        before=(("deploy",), BACKUP_JOB),
        after=(REMOVE_BACKUPS,),
        may_be_done=True,
        project="kept",
    ),
    "preview-up": Command(
        ("preview", "up", PREVIEW), after=(("preview", "down", PREVIEW, *WAIT),), project="passing"
    ),
    "preview-down": Command(
        ("preview", "down", PREVIEW),
        before=(("preview", "up", PREVIEW),),
        after=(("preview", "down", PREVIEW, *WAIT),),
        project="passing",
    ),
    "run": Command(("run", "worker", "--", "sleep", "2")),
    "run-detached": Command(("run", "--detach", "worker", "--", "sleep", "2")),
    "exec": Command(("exec", "worker", "--", "sleep", "2")),
    "job": Command(("jobs", "run", "tick"), refusal=1),
    "backup-job": Command(
        BACKUP_JOB,
        before=(("deploy",),),
        after=(REMOVE_BACKUPS,),
        project="kept",
        refusal=1,
    ),
    "backup": _backup("db"),
    "backup-redis": _backup("cache"),
    "restore": _restore("db"),
    "restore-redis": _restore("cache"),
    "restore-server": Command(
        FROM_SERVER,
        before=(("deploy",), BACKUP_JOB),
        after=(FROM_SERVER, REMOVE_BACKUPS),
        project="kept",
    ),
    "drill": _drill("db"),
    "drill-redis": _drill("cache"),
    "secrets": _change_secret(SET_SECRET, stdin=NEW),
    "secrets-edit": _change_secret(EDIT_SECRETS),
    "sandbox-up": Command(SANDBOX_UP, after=(SANDBOX_UP, SANDBOX_DOWN), local=True),
    "sandbox-up-several": Command(SANDBOXES, after=(SANDBOXES, SANDBOX_DOWN), local=True),
    "sandbox-down": Command(SANDBOX_DOWN, before=(SANDBOXES,), after=(SANDBOX_DOWN,), local=True),
    "completion": Command(COMPLETION, after=(COMPLETION,), local=True),
}
"""Every command that is broken off, by the name that the bench has for it."""
