"""Restores of Redis: its files, its append-only file, and what a failure leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl.errors import FtlError
from tests.support.fake_machine import CommandOutput
from tests.unit.operations.databases.test_container_scripts import Container
from tests.unit.operations.databases.test_restore import RDB, DatabaseServer

if TYPE_CHECKING:
    from pathlib import Path

REDIS = """#!/bin/sh
case "$*" in
"CONFIG GET "*) printf '%s\\n%s\\n' "$3" "$(cat "$HOME/settings/$3" 2>/dev/null)" ;;
"CONFIG SET "*)
    echo "$*" >>"$HOME/log"
    [ -e "$HOME/refuses" ] || printf %s "$4" >"$HOME/settings/$3"
    ;;
INFO*) echo "rdb_bgsave_in_progress:0" ;;
esac
"""
SAVES = "3600 1"


class Redis(Container):
    """A Redis with data; `folder` is the name of its append-only folder, of Redis 7 and later."""

    def __init__(self, home: Path, *, appends: bool = False, folder: str = "") -> None:
        check = '#!/bin/sh\ngrep -q REDIS "$1"\n'
        super().__init__(home, **{"redis-cli": REDIS, "redis-check-rdb": check})
        (home / "settings").mkdir()
        self.set("dir", str(self.data))
        self.set("dbfilename", "dump.rdb")
        self.set("save", SAVES)
        self.set("appendonly", "yes" if appends else "no")
        self.set("appendfilename", "log.aof")
        self.set("appenddirname", folder)
        self.set("aof-use-rdb-preamble", "yes")
        (self.data / "dump.rdb").write_bytes(b"the data")
        if appends and folder:
            (self.data / folder).mkdir()
            (self.data / folder / "log.aof.manifest").write_bytes(b"the log")
        elif appends:
            (self.data / "log.aof").write_bytes(b"the log")

    def set(self, name: str, value: str) -> None:
        """Configure it."""
        (self.home / "settings" / name).write_text(value)

    def get(self, name: str) -> str:
        """What it is configured to."""
        return (self.home / "settings" / name).read_text()

    def tree(self) -> dict[str, bytes]:
        """All files below its data folder."""
        files = (path for path in self.data.rglob("*") if path.is_file())
        return {str(path.relative_to(self.data)): path.read_bytes() for path in files}

    def put(self, data: bytes = RDB) -> bytes:
        """Put a dump beside its data; returns why it was refused."""
        done = self.run("put", "redis-cli", "keep", str(len(RDB)), stdin=data)
        assert (done.returncode == 0) == (not done.stderr)
        return done.stderr

    def replace(self) -> int:
        """Give the dump its place."""
        return self.run("replace", "redis-cli", "keep", "").returncode


def test_a_dump_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    """It is put beside the data, and what Redis saves at its end does not replace it."""
    redis = Redis(tmp_path)
    assert redis.put() == b""
    assert redis.tree() == {"dump.rdb": b"the data", "ftl-restore.rdb": RDB}
    assert not (tmp_path / "log").exists()
    assert redis.replace() == 0
    assert redis.tree() == {"dump.rdb": RDB}
    assert (redis.get("save"), redis.get("appendonly")) == ("", "no")


@pytest.mark.parametrize("folder", ["", "logs"], ids=["file", "folder"])
def test_with_appendonly_the_dump_is_what_the_log_begins_with(tmp_path: Path, folder: str) -> None:
    """Redis reads that alone. Redis 7 takes a file over as one of Redis 6, where there is no folder."""
    redis = Redis(tmp_path, appends=True, folder=folder)
    assert redis.put() == b""
    assert redis.tree() == {
        "dump.rdb": b"the data",
        f"{folder}/log.aof.manifest" if folder else "log.aof": b"the log",
        "ftl-restore.rdb": RDB,
        "ftl-restore.rdb.aof": RDB,
    }
    assert redis.get("appendonly") == "yes"
    assert redis.replace() == 0
    assert redis.tree() == {"dump.rdb": RDB, "log.aof": RDB}
    assert [path.name for path in redis.data.iterdir() if path.is_dir()] == []
    assert (redis.get("save"), redis.get("appendonly")) == ("", "no")


def test_a_log_is_replaced_although_it_is_off_now(tmp_path: Path) -> None:
    """Of a restore that was cut, or by hand: the restart brings what the container's command says."""
    redis = Redis(tmp_path, appends=True, folder="logs")
    redis.set("appendonly", "no")
    assert redis.put() == b""
    assert redis.replace() == 0
    assert redis.tree() == {"dump.rdb": RDB, "log.aof": RDB}


@pytest.mark.parametrize("appends", [False, True])
@pytest.mark.parametrize(
    ("data", "reason"),
    [(RDB[:1000], b"transfer of the dump was interrupted"), (b"x" * len(RDB), b"redis-check-rdb")],
    ids=["cut", "damaged"],
)
def test_a_dump_that_redis_cannot_use_changes_nothing(
    tmp_path: Path, data: bytes, reason: bytes, appends: bool
) -> None:
    """Wherever the connection breaks: Redis runs on as it did, and nothing lies beside its data."""
    redis = Redis(tmp_path, appends=appends)
    before = redis.tree()
    assert reason in redis.put(data)
    assert redis.tree() == before
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("dir", "NOAUTH Authentication required.", "its folder is not known: NOAUTH"),
        ("appendfilename", "another.aof", "its append-only file is not"),
        ("aof-use-rdb-preamble", "", "its version reads no dump"),
    ],
)
def test_a_redis_that_would_not_read_a_dump_says_so(
    tmp_path: Path, name: str, value: str, reason: str
) -> None:
    """Without a password, of a version that does not say where its log is, or before 4.0."""
    redis = Redis(tmp_path, appends=True)
    assert redis.run("accepts", "redis-cli", "keep", "").returncode == 0
    redis.set(name, value)
    done = redis.run("accepts", "redis-cli", "keep", "")
    assert (done.returncode, reason in done.stderr.decode()) == (1, True)


@pytest.mark.parametrize("appends", ["yes", "no"])
def test_a_redis_whose_file_cannot_be_replaced_writes_as_before(tmp_path: Path, appends: str) -> None:
    """Without persistence it would lose what it gets next."""
    redis = Redis(tmp_path, appends=appends == "yes")
    assert redis.replace() == 1
    assert (redis.get("save"), redis.get("appendonly")) == (SAVES, appends)
    assert "CONFIG SET save \n" in (tmp_path / "log").read_text()


def test_a_redis_that_goes_on_writing_is_left_alone(tmp_path: Path) -> None:
    """It would write over what takes its place."""
    redis = Redis(tmp_path)
    redis.put()
    (tmp_path / "refuses").touch()
    assert redis.replace() == 1
    assert redis.tree()["dump.rdb"] == b"the data"


@pytest.mark.parametrize(
    ("failing", "status", "hint"),
    [
        ("sh put redis-cli", 1, "the data of db is unchanged"),
        ('sh replace "$3"', 3, "the data of db is unchanged"),
        ('sh replace "$3"', 1, "restores the previous state"),
    ],
    ids=["put", "before", "replaced"],
)
def test_a_failure_says_whether_the_data_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, status: int, hint: str
) -> None:
    """Until the replacement has begun, the backup that was made before is not needed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    stage = DatabaseServer(tmp_path, "redis-cli", RDB)
    stage.machine.answer("sh redis-cli", answer=CommandOutput(stdout=RDB))
    stage.machine.answer(failing, answer=CommandOutput(status, stderr=b"no room"))
    with pytest.raises(FtlError, match="the restore of db failed") as caught:
        asyncio.run(stage.restore())
    assert hint in (caught.value.hint or "")
    assert ("previous state" in (caught.value.hint or "")) == ("previous state" in hint)
