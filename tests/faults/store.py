"""A project with data beside the one under load: two databases, and a file of secrets."""

from __future__ import annotations

import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lab import images
from lab.server import docker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.servers import Server

    from tests.harness import Project

Data = Literal["db", "cache", "secrets"]
Action = Literal["backup", "restore", "drill", "deploy", "set"]

READY_SECONDS = 60.0

ROWS = 200_000
FEW = 1_000

SECRET = "API_KEY"
SECRETS_FILE = "secrets.yaml.age"

OLD, NEW = "the old value", "the new one"
"""Values of the secret before a command, and of the command."""

EDITOR = f"""\
#!/bin/sh
sleep 0.4
sed -i 's/{OLD}/{NEW}/' "$1"
"""
"""Program that changes the secret in a file, as somebody does in an editor."""


@dataclass(frozen=True, slots=True)
class _Database:
    """A database, by what is run in its container.

    Attributes:
        count: Prints what is there, as one line.
        fill: Replaces it by $1 rows.
        whole: Reads a dump on stdin to its end; prints the number of its lines or keys.
        strays: Prints what an interrupted command may have left in the container; nothing is well.
        tidy: Removes what a restore keeps on purpose.
    """

    file: str
    count: str
    fill: str
    whole: str
    strays: str
    tidy: str


_PSQL = "psql -U postgres -d shop -v ON_ERROR_STOP=1 -qtAc"

DATABASES: Mapping[str, _Database] = {
    "db": _Database(
        "db.dump",
        f"{_PSQL} 'SELECT count(*), sum(n) FROM orders'",
        f'{_PSQL} "DROP TABLE IF EXISTS orders; CREATE TABLE orders AS'
        ' SELECT n, md5(n::text) AS text FROM generate_series(1, $1) n"',
        "cat > /tmp/whole && pg_restore -f /tmp/whole.sql /tmp/whole && grep -c '^[0-9]' /tmp/whole.sql;"
        " rm -f /tmp/whole*",
        f"{_PSQL} \"SELECT 'database ' || datname FROM pg_database WHERE datname ~ 'ftl'"
        " OR NOT datallowconn AND datname <> 'template0'\"; ls -d /tmp/ftl* 2>/dev/null",
        f"for old in $({_PSQL} \"SELECT datname FROM pg_database WHERE datname ~ '^db_before_'\");"
        " do dropdb -U postgres $old; done",
    ),
    "cache": _Database(
        "cache.rdb",
        "redis-cli DBSIZE",
        "redis-cli FLUSHALL > /dev/null; redis-cli EVAL"
        " \"for n = 1, tonumber(ARGV[1]) do redis.call('SET', 'k' .. n, n) end\" 0 $1 > /dev/null;"
        " redis-cli SAVE > /dev/null",
        "cat > /tmp/whole && redis-check-rdb /tmp/whole | sed -n 's/.* \\([0-9]*\\) keys read.*/\\1/p';"
        " rm -f /tmp/whole",
        "ls -d /tmp/ftl* /data/ftl* /data/temp-* 2>/dev/null",
        ":",
    ),
}


class Store:
    """The project NAME-s: PostgreSQL, Redis and a secret.

    Args:
        server: Where it is deployed.
        project: Its folder and its user.
        name: Its name.
        run: Runs a command of it, which must end well.
    """

    def __init__(self, server: Server, project: Project, name: str, run: Callable[..., Any]) -> None:
        self._server = server
        self.project = project
        self._name = name
        self._run = run
        self._before: dict[str, str] = {}

    def prepare(self, config: Mapping[str, Any], home: Path) -> None:
        """Deploy it, fill the databases, and make a backup of each that nothing disturbs."""
        images.ensure("postgres", "redis")
        self._server.load("postgres:16", "ftl-lab-redis:latest")
        key = home / ".ssh" / "id_ed25519"
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)), check=True)
        env = {"POSTGRES_PASSWORD": "a-secret", "POSTGRES_DB": "shop"}
        databases = [
            {"name": "db", "image": "postgres:16", "env": env, "volumes": ["db:/var/lib/postgresql/data"]},
            {"name": "cache", "image": "ftl-lab-redis:latest", "volumes": ["cache:/data"]},
        ]
        self.project.folder.mkdir()
        self.project.write(dict(config))
        self._run("secrets", "set", SECRET, stdin=OLD)
        (self.project.folder / SECRETS_FILE).chmod(0o600)
        text = {**config["ftl.yaml"], "dependencies": databases, "secrets": {SECRET: {"age": SECRETS_FILE}}}
        self.project.write({"ftl.yaml": text})
        self._run("deploy")
        for name, database in DATABASES.items():
            self._fill(name, ROWS)
            self._run("backup", name, f"good-{database.file}")

    def before(self, data: Data, action: Action) -> None:
        """Bring about what a command is to change: fewer rows than the backup has, the old secret."""
        if data == "secrets":
            self._run("secrets", "set", SECRET, stdin=OLD)
            return
        if action == "restore":
            self._fill(data, FEW)
        (self.project.folder / DATABASES[data].file).unlink(missing_ok=True)
        for each in _dumped(data, action):
            self._before[each] = self._count(each)

    def after_fault(self, data: Data, action: Action) -> list[str]:
        """What is wrong right after the fault: a cut dump with the name of a whole one, other rows, another value."""
        if data == "secrets":
            return self._wrong_secret(OLD, NEW)
        if action in ("restore", "drill"):
            good = (self._before[data], *((self._full(data),) if action == "restore" else ()))
            rows = self._count(data)
            return [] if rows in good else [f"{data} has {rows} after the fault: none of {good}"]
        return [line for each in _dumped(data, action) for line in self._wrong_dumps(each)]

    def at_end(self, data: Data, action: Action) -> list[str]:
        """What is wrong after the command was repeated undisturbed."""
        if data == "secrets":
            return [*self._wrong_secret(NEW), *self._strays_here()]
        wrong = [line for each in _dumped(data, action) for line in self._wrong_dumps(each)]
        if action == "restore" and (rows := self._count(data)) != self._full(data):
            wrong.append(f"{data} has {rows} after a restore of {self._full(data)}")
        if action == "backup" and not (self.project.folder / DATABASES[data].file).exists():
            wrong.append(f"there is no {DATABASES[data].file} after a backup")
        self._in(data, DATABASES[data].tidy)
        wrong += [f"left in {data}: {line}" for line in self._in(data, DATABASES[data].strays).splitlines()]
        for kept in (file for each in _dumped(data, action) for file in self._kept_dumps(each)):
            if not kept.name.endswith(".partial"):
                kept.unlink()  # on purpose: the state before
        return wrong + self._strays_here()

    def _kept_dumps(self, data: Data) -> list[Path]:
        """Dumps of the state before a restore or a deploy, which are made in the user's state folder."""
        folder = Path(self.project.environment["XDG_STATE_HOME"]) / "ftl" / "backups"
        return list(folder.rglob(f"{data}-*"))

    def _full(self, data: Data) -> str:
        return f"{ROWS}|{ROWS * (ROWS + 1) // 2}" if data == "db" else str(ROWS)

    def _wrong_dumps(self, data: Data) -> list[str]:
        """Dumps with a final name that lack rows."""
        files = [self.project.folder / DATABASES[data].file, *self._kept_dumps(data)]
        wrong = []
        for file in files:
            if not file.exists() or file.name.endswith(".partial"):
                continue
            rows = self._in(data, DATABASES[data].whole, stdin=file.read_bytes())
            # A restore that is repeated may find the rows of the dump already.
            if rows not in (self._before[data].partition("|")[0], str(ROWS)):
                wrong.append(f"{file.name} looks whole and has {rows or 'no'} rows")
        return wrong

    def _wrong_secret(self, *good: str) -> list[str]:
        file = self.project.folder / SECRETS_FILE
        mode = stat.S_IMODE(file.stat().st_mode)
        value = self.project.run("secrets", "get", SECRET)
        wrong = [] if mode == 0o600 else [f"{SECRETS_FILE} has mode {mode:o}"]
        if value.exit_code or value.stdout.rstrip("\n") not in good:
            wrong.append(f"the secret is {value.stdout!r} {value.stderr}")
        return wrong

    def _strays_here(self) -> list[str]:
        """Files in the project's folder that no command needs."""
        names = {path.name for path in self.project.folder.iterdir()}
        expected = {"ftl.yaml", "app", ".env", SECRETS_FILE, f"{SECRETS_FILE}.recipients"}
        for database in DATABASES.values():
            expected |= {database.file, f"good-{database.file}"}
        return [f"file here {name}" for name in sorted(names - expected)]

    def _fill(self, data: str, rows: int) -> None:
        self._in(data, DATABASES[data].fill, str(rows), wait=True)

    def _count(self, data: str) -> str:
        """What a database has, once it answers."""
        return self._in(data, DATABASES[data].count, wait=True)

    def _in(self, data: str, script: str, *argv: str, stdin: bytes | None = None, wait: bool = False) -> str:
        """Output of a script in a database's container; as soon as it works, if it is waited for."""
        end = time.monotonic() + READY_SECONDS
        container = f"{self._name}-{data}"
        inner = ("docker", "exec", "-i", container, "sh", "-c", script, "sh", *argv)
        while True:
            done = docker("exec", "-i", self._server.container, *inner, stdin=stdin, check=False, timeout=120)
            if done.returncode == 0 or not wait or time.monotonic() > end:
                return done.stdout.decode(errors="replace").strip()
            time.sleep(0.5)


def _dumped(data: Data, action: Action) -> tuple[Data, ...]:
    """Databases that a command dumps: a deploy all of them."""
    return ("db", "cache") if action == "deploy" else (data,)
