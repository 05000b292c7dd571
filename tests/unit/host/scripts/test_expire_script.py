"""The script that removes a preview at its end, on fake programs."""

from __future__ import annotations

import fcntl
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ftl.common.programs import program
from ftl.locks.lock import DeployLock
from ftl.releases.file_copies import END, newest
from ftl.releases.preview import LASTS_SECONDS, Preview
from ftl.releases.store import ENDED, parse_history
from tests.support.fake_machine import FakeMachine
from tests.unit.locks.real import has

if TYPE_CHECKING:
    from pathlib import Path

from tests.unit.host.scripts.preview_server import KEPT, PROJECT, Server


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server with a preview."""
    return Server(tmp_path)


def test_nothing_happens_before_the_end(server: Server) -> None:
    """The line stays, and nothing is touched."""
    server.ends(60)
    before = server.crontab
    server.wake()
    assert (server.calls, server.crontab) == ([], before)


def test_at_the_end_its_scheduled_backups_go(server: Server) -> None:
    """While the jobs are there, which name their folders, and make none any more; those of other projects stay."""
    for project in (PROJECT, "shop"):
        (server.home / "backups" / project).mkdir(parents=True)
        (server.home / "backups" / project / "db-20260101-031500.dump").touch()
    server.set(jobs="job4\n")
    server.ends(-1)
    server.wake()
    assert [path.name for path in (server.home / "backups").iterdir()] == ["shop"]
    assert [*(server.home / "backups" / "shop").iterdir()]
    calls = [call.partition(" -v ")[0] for call in server.calls]
    removed = calls.index("run --rm --network none --user 0 --label ftl.role=transfer")
    assert calls[removed - 1] == "stop -t 30 job4"
    assert removed < calls.index("rm --force --volumes db3")


def test_at_the_end_all_goes_routes_first(server: Server) -> None:
    """What `ftl remove --volumes` removes, of this project alone, and the lines of the crontab."""
    server.ends(-1)
    server.wake()
    calls = [call.partition(" sh -c")[0] for call in server.calls]
    assert calls == [
        "exec ftl-proxy",
        "network disconnect --force ftl-p-shop-pr-7 ftl-proxy",
        "network disconnect --force ftl-c-shop-pr-7 ftl-proxy",
        "stop -t 10 web1 hook2",
        "rm --force --volumes web1 hook2",
        "stop -t 30 db3",
        "rm --force --volumes db3",
        "network rm n1",
        "volume rm data",
        "rmi shop-pr-7-web:r1",
        "rmi shop-pr-7-db:c0123456789ab",
        "rmi shop-pr-7-web:latest",
        "rmi sha256:untagged",
        calls[13],
    ]
    assert calls[13].startswith("run --rm --network none --label ftl.role=transfer --volumes-from 5t0re")
    left = sorted(path.name for path in (server.home / "config").rglob("*") if path.is_file())
    assert left == ["shop.json", "shop.json", "shop.web"]
    assert server.crontab == KEPT


def test_images_that_were_brought_for_it_go_with_the_names_of_their_marks(server: Server) -> None:
    """Of one that another project has marked, or a container uses, only the mark; a tag of the user's keeps one."""
    mark = f"ftl-mark/{PROJECT}"
    server.set(
        pulled=f"""\
sha256:one ghcr.io/acme/app:v7
sha256:one ghcr.io/acme/app:<none>
sha256:one {mark}/ghcr.io/acme/app:v7.1
sha256:two r.test:5000/app:v1
sha256:two {mark}/r.test__5000/app:v1.2
sha256:two ftl-mark/shop/r.test__5000/app:v1.2
sha256:three app:v1
sha256:four r.test:5000/app:v3
sha256:four mine:1
sha256:four {mark}/r.test__5000/app:v3.4
sha256:used app:v5
sha256:used {mark}/app:v5.5
sha256:six {mark}/ghcr.io/acme/app:_.6
sha256:seven ftl-mark/{PROJECT}-two/app:v7.7
""",
        digests="ghcr.io/acme/app@sha256:d\nother/app@sha256:d\nr.test:5000/app@sha256:d\n",
    )
    server.ends(-1)
    server.wake()
    calls = [call for call in server.calls if call.startswith("rmi")][4:]
    assert calls == [
        "rmi ghcr.io/acme/app:v7",
        "rmi ghcr.io/acme/app@sha256:d",
        f"rmi {mark}/ghcr.io/acme/app:v7.1",
        f"rmi {mark}/r.test__5000/app:v1.2",
        "rmi r.test:5000/app:v3",
        f"rmi {mark}/r.test__5000/app:v3.4",
        f"rmi {mark}/app:v5.5",
        "rmi ghcr.io/acme/app@sha256:d",
        f"rmi {mark}/ghcr.io/acme/app:_.6",
    ]


def test_a_tag_that_only_the_preview_pulled_goes(server: Server) -> None:
    """Another project that has the image by its digest alone takes the tag over; a digest of a like name stays."""
    mark = f"ftl-mark/{PROJECT}"
    server.set(
        pulled=f"""\
sha256:used app:pr-12
sha256:used {mark}/app:pr-12.1
sha256:used app:v8
sha256:used ftl-mark/shop/app:v8.1
sha256:two r.test:5000/app:pr-12
sha256:two {mark}/r.test__5000/app:pr-12.2
sha256:two ftl-mark/shop/r.test__5000/app:_.2
sha256:two ftl-mark/moved/r.test__5000/app:v1.2
sha256:three app:v9
sha256:three {mark}/app:v9.3
sha256:three ftl-mark/shop/ghcr.io/x/app:_.3
sha256:four {mark}/app:_.4
""",
        digests="ghcr.io/x/app@sha256:d\napp@sha256:d\n",
    )
    server.ends(-1)
    server.wake()
    calls = [call for call in server.calls if call.startswith(("rmi", "tag"))][4:]
    assert calls == [
        "rmi app:pr-12",
        f"rmi {mark}/app:pr-12.1",
        "tag sha256:two ftl-mark/shop/r.test__5000/app:pr-12.2",
        "tag sha256:two ftl-mark/moved/r.test__5000/app:pr-12.2",
        f"rmi {mark}/r.test__5000/app:pr-12.2",
        "rmi app:v9",
        f"rmi {mark}/app:v9.3",
        "rmi app@sha256:d",
        f"rmi {mark}/app:_.4",
    ]


def test_records_go_with_their_env_and_the_audit_stays(server: Server) -> None:
    """A file says that it is no preview any more; the audit says who removed it."""
    server.ends(-1)
    server.wake()
    folder = server.home / "ftl" / PROJECT
    assert sorted(path.name for path in folder.iterdir()) == ["audit.jsonl", "preview.json"]
    files = {f"{PROJECT}/{path.name}": path.read_bytes() for path in folder.iterdir()}
    history = parse_history(PROJECT, newest(files, dict.fromkeys(files, 1.0)))
    assert (history.damaged, history.preview) == ((), None)
    entries = history.audit
    assert [(one.by, one.command) for one in entries] == [
        ("me@here", "deploy"),
        ("the server", "preview down"),
    ]
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}


def test_a_removal_that_was_cut_short_goes_on(server: Server) -> None:
    """A volume that something else uses stays, and so does the line: the next call tries again."""
    server.ends(-1)
    server.set(busy="")
    server.wake()
    assert server.calls[-1] == "volume rm data"
    assert any(line.endswith(f"# ftl-preview {PROJECT}") for line in server.crontab)
    (server.home / "busy").unlink()
    server.set(calls="", services="", others="")
    server.wake()
    assert "--volumes-from 5t0re" in server.calls[-1]
    assert server.crontab == KEPT


def test_a_stopped_proxy_stays_stopped(server: Server) -> None:
    """Its files are changed beside it."""
    server.ends(-1)
    server.set(running="false\n")
    server.wake()
    assert "--volumes-from ftl-proxy --entrypoint sh caddy -c" in server.calls[0]
    assert not (server.home / "config/live/shop-pr-7.web").exists()


def test_a_deploy_that_is_under_way_is_not_disturbed(server: Server) -> None:
    """The script takes the deploy lock, by the key that FTL computes."""
    server.ends(-1)
    key = DeployLock(FakeMachine(), PROJECT, str(server.home)).key
    script = (
        program("ftl.locks", "lock_file.sh")
        + 'lock_file /run/docker.sock "$1"; create "$file" 660; echo "$file"'
    )
    done = subprocess.run(
        ["sh", "-c", script, "x", key], env=server.env, capture_output=True, text=True, check=True
    )
    with open(done.stdout.strip()) as file:  # noqa: PTH123
        fcntl.flock(file, fcntl.LOCK_EX)
        server.wake()
        assert server.calls == []
    server.wake()
    assert "--volumes-from 5t0re" in server.calls[-1]


def test_what_goes_on_without_ftl_is_not_disturbed(server: Server) -> None:
    """A restore, for one, of which the lock is free as soon as FTL is gone."""
    server.ends(-1)
    key = DeployLock(FakeMachine(), PROJECT, str(server.home)).key
    with has(key, "keep_lock", "the server (ends the restore of ann)", "/run/docker.sock"):
        server.wake()
        assert server.calls == []
    server.wake()
    assert "--volumes-from 5t0re" in server.calls[-1]


def test_a_deploy_that_ended_just_before_the_lock_is_taken_counts(server: Server) -> None:
    """It has begun the preview's time anew: the end is read again under the lock."""
    server.ends(60)
    (server.home / "ftl" / PROJECT / "preview.json").rename(server.home / "extended")
    server.ends(-1)
    server.wake()
    assert server.calls == []
    assert not (server.home / "extended").exists()


@pytest.mark.parametrize("content", [ENDED, None], ids=["ended", "gone"])
def test_a_line_of_a_preview_that_is_gone_goes(server: Server, content: bytes | None) -> None:
    """`ftl preview down` by another user cannot remove it from this user's crontab."""
    if content is not None:
        server.store("preview.json", content, 1)
    server.wake()
    assert server.calls == []
    assert not any("ftl-preview shop-pr-7 " in f"{line} " for line in server.crontab)
    assert any(line.endswith(f"# ftl {PROJECT}") for line in server.crontab)


@pytest.mark.parametrize("damaged", [b"", b'{"until": 1, "since": 0.0, "na'], ids=["empty", "cut"])
@pytest.mark.parametrize("older", [None, 100], ids=["first", "again"])
def test_a_preview_whose_file_is_damaged_ends_all_the_same(
    server: Server, damaged: bytes, older: int | None
) -> None:
    """Three days after it was written; an end that is later by what was there before counts. FTL shows the same."""
    now = time.time()

    def shown() -> int:
        folder = server.home / "ftl" / PROJECT
        files = {f"{PROJECT}/{path.name}": path for path in folder.glob("preview.json*")}
        stored = newest(
            {name: path.read_bytes() for name, path in files.items()},
            {name: path.stat().st_mtime for name, path in files.items()},
        )
        preview = parse_history(PROJECT, stored).preview
        assert preview is not None
        return preview.until

    if older is not None:
        server.store("preview.json.old", Preview(int(now + older), 0.0, "pr-7", "shop").to_json(), now)
    server.store("preview.json", damaged, now - LASTS_SECONDS + 60)
    server.wake()
    assert server.calls == []
    assert any(line.endswith(f"# ftl-preview {PROJECT}") for line in server.crontab)
    assert abs(shown() - now - (older or 60)) < 5

    if older is not None:
        server.store("preview.json.old", Preview(int(now - 1), 0.0, "pr-7", "shop").to_json(), now)
    server.store("preview.json", damaged, now - LASTS_SECONDS - 1)
    assert shown() <= now
    server.wake()
    assert server.crontab == KEPT


def test_a_preview_whose_file_is_missing_beside_an_older_one_goes_on(server: Server) -> None:
    """The engine was killed while it replaced the file."""
    server.store("preview.json.old", Preview(int(time.time() + 60), 0.0, "pr-7", "shop").to_json(), 1)
    before = server.crontab
    server.wake()
    assert (server.calls, server.crontab) == ([], before)


def test_an_audit_that_is_damaged_goes_on_from_the_older_one(server: Server) -> None:
    """The entry of the removal is added to what is whole."""
    line = b'{"time": 1, "by": "me@here", "command": "deploy", "release": "r1", "outcome": "done"}\n'
    server.store("audit.jsonl.old", line + END, 1)
    server.store("audit.jsonl", b"", 1)
    server.ends(-1)
    server.wake()
    lines = (server.home / "ftl" / PROJECT / "audit.jsonl").read_bytes().splitlines(keepends=True)
    assert (lines[0], lines[-1], len(lines)) == (line, END, 3)


def test_the_store_of_records_is_made_again(server: Server) -> None:
    """`docker system prune` removes its container, which never runs: the preview must end all the same."""
    server.ends(-1)
    (server.home / "store").unlink()
    server.wake()
    assert server.calls[0] == "create --name ftl-state --label ftl.role=state -v ftl-state:/ftl caddy true"
    assert "--volumes-from 5t0re" in server.calls[-1]
    assert server.crontab == KEPT


def test_a_volume_of_somebody_else_is_not_the_store(server: Server) -> None:
    """It has the name and not the label: nothing of it is read, and no container is made that has it."""
    server.ends(-1)
    (server.home / "store").unlink()
    server.set(role="\n")
    server.wake()
    assert server.calls == []
    assert not [line for line in server.crontab if line.endswith(f"# ftl-preview {PROJECT}")]


def test_an_engine_that_hangs_holds_nothing(server: Server) -> None:
    """Cron would start one script after the other; nothing is concluded from an answer that does not come."""
    server.ends(-1)
    server.set(hangs="")
    script = server.home / ".ftl" / "expire.sh"
    assert "docker_within 60 " in script.read_text()
    script.write_text(script.read_text().replace("docker_within 60 ", "docker_within 0.2 "))
    before = server.crontab
    server.wake()
    assert (server.calls, server.crontab) == ([], before)


def test_a_preview_of_an_earlier_ftl_that_has_ended_is_left_alone(server: Server) -> None:
    """Its empty file has no time: what has its name today may be another project."""
    server.store("preview.json", b"", 0)
    before = server.crontab
    server.wake()
    assert (server.calls, server.crontab) == ([], before)
