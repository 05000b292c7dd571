"""The scripts that send messages, with real curl, wget and openssl and a fake docker."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ftl.host import crontab
from tests.unit.host.scripts.programs import put_programs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.webhook_receiver import Receiver

DOCKER = """#!/bin/sh
case "$*" in
*run*--entrypoint*)
    printf '%s\n' "$@" >"$HOME/argv"
    for program; do :; done
    exec "$(cat "$HOME/python")" -c "$program"
    ;;
*ps*label=ftl.role=state*) [ -e "$HOME/pruned" ] || echo 5t0re ;;
*ps*label=ftl.role=proxy*) echo pr0xy ;;
*volume*inspect*ftl-state*) echo state ;;
*create*ftl-state:/ftl*caddy*true*) rm "$HOME/pruned" ;;
*inspect*.Image*pr0xy*) echo caddy ;;
*ps*-aq*ftl.project=shop*ftl.job=nightly*) [ ! -e "$HOME/silent" ] && echo $(cat "$HOME/named" 2>/dev/null) ;;
*cp*5t0re:/ftl/shop/notify*) tar -C "$HOME/state" -cf - notify ;;
*ps*-q*label=ftl.job=nightly*) cat "$HOME/beside" 2>/dev/null ;;
*stop*0ld*) [ ! -e "$HOME/refuses" ] && rm "$HOME/beside" ;;
*--type*StartedAt*ftl.when*0ld*) cat "$HOME/since" ;;
*--type*ftl.when*) cat "$HOME/when" ;;
*cp*5t0re:/ftl/shop/nightly.runs*) [ ! -e "$HOME/state/nightly.runs" ] || tar -C "$HOME/state" -cf - nightly.runs ;;
*cp*-*5t0re:/ftl/shop*) tar -C "$HOME/state" -xf - ;;
*--type*FinishedAt*) echo "$(cat "$HOME/began") T9 $(cat "$HOME/exit") $(cat "$HOME/running")" ;;
*--type*ExitCode*) cat "$HOME/exit" ;;
*--type*Running*) echo "$(cat "$HOME/running") $(cat "$HOME/began")" ;;
*--type*StartedAt*) cat "$HOME/began" ;;
*stop*)
    read -r refusals <"$HOME/refusals" || exit 0
    echo "$((refusals - 1))" >"$HOME/refusals"
    [ "$refusals" -le 0 ] || exit 1
    echo false >"$HOME/running"
    ;;
*start*)
    # The engine completes it after our limit.
    [ ! -e "$HOME/slow" ] || { rm "$HOME/slow"; echo 5ca1ab1e >"$HOME/beside"; exit 124; }
    [ ! -e "$HOME/refuses" ] || { echo 'invalid env PASSWORD=hunter2' >&2; exit 1; }
    ;;
*node*inspect*ftl.jobless.shop*) cat "$HOME/jobless" 2>/dev/null || echo ;;
*info*) echo "$HOME" ;;
esac
"""
CRONTAB = """#!/bin/sh
[ "$1" = -l ] || exec cat >"$HOME/crontab"
cat "$HOME/crontab" 2>/dev/null || { echo 'no crontab for ftl' >&2; exit 1; }
"""
ALWAYS = "* * * * * both UTC"


class Server:
    """A folder that stands for a server, whose PATH has the programs that a test gives it."""

    def __init__(self, home: Path, *without: str) -> None:
        self.home = home
        self.bin = home / "bin"
        self.bin.mkdir()
        (home / "state").mkdir()
        for folder in ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"):
            for program in ("curl", "wget", "openssl", "sh", "sed", "awk", "tar", "date", "cat", "tr", "timeout",
                            "flock", "sleep", "sha256sum", "stat", "mkdir", "mv", "readlink", "grep", "id", "ls",
                            "sync", "chmod", "find", "wc",
                            "chmod", "rm", "setsid", "dd", "env", "touch", "mktemp", "chgrp", "ln"):  # fmt: skip
                path = shutil.which(program, path=folder)
                if path and program not in without and not (self.bin / program).exists():
                    (self.bin / program).symlink_to(path)
        put_programs(self.bin, {"docker": DOCKER, "crontab": CRONTAB})
        self.env = {"HOME": str(home), "PATH": str(self.bin), "USER": "ftl"}

    def webhooks(self, *lines: str) -> None:
        """Have these lines in the file among the records."""
        (self.home / "state/notify").write_text("".join(f"{line}\n" for line in lines))

    def job(self, *, exit_code: str, seconds: int = 60, running: str = "false") -> None:
        """Have a job that is due now, and ends so."""
        (self.home / "when").write_text(
            f"{ALWAYS} {seconds} 0001-01-01T00:00:00Z 5ca1ab1e shop nightly ftl-shop\n"
        )
        (self.home / "exit").write_text(exit_code)
        (self.home / "running").write_text(running)
        (self.home / "began").write_text("T1")
        (self.home / "refusals").write_text("0\n")

    @property
    def runs(self) -> list[str]:
        """The lines of the runs that were stored, newest first."""
        return (self.home / "state/nightly.runs").read_text().splitlines()

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a script as cron does, without what it puts before our PATH."""
        text = script.replace(crontab._PATH, "")
        argv = [str(self.bin / "sh"), "-c", text, "ftl", "/run/docker.sock", *arguments]
        return subprocess.run(argv, env=self.env, capture_output=True, check=False, timeout=60)

    def cron(self, *mode: str) -> subprocess.CompletedProcess[bytes]:
        """Have cron start the job."""
        return self.run(crontab.job_script(), "shop.job.nightly", *mode)


def told(server: Server, receiver: Receiver, *events: str) -> None:
    """Have the receiver get these events."""
    server.webhooks("server shop.example.com", *(f"url {event} {receiver.url}" for event in events))


def prune(server: Server) -> None:
    """Remove the job's container and that of the release records, as `docker system prune` does."""
    (server.home / "when").unlink(missing_ok=True)
    (server.home / "pruned").touch()
    sleep = server.bin / "sleep"
    sleep.unlink()
    sleep.write_text("#!/bin/sh\n")
    sleep.chmod(0o755)


@pytest.mark.parametrize("missing", ["wget", "curl"])
def test_a_job_that_fails_is_posted_with_either_program(
    tmp_path: Path, receiver: Receiver, missing: str
) -> None:
    """With the names of project, job and server, and its status."""
    if not shutil.which({"wget": "curl", "curl": "wget"}[missing]):
        pytest.skip("not on this machine")
    server = Server(tmp_path, missing)
    told(server, receiver, "job_failure")
    server.job(exit_code="3 false")
    assert server.cron().returncode == 0
    (post,) = receiver.posts
    text = "shop: the job nightly ended with status 3, on shop.example.com"
    assert (post.path, post.headers["Content-Type"]) == ("/T0/s3cr3t-t0k3n", "application/json")
    assert post.fields == {
        "text": text,
        "content": text,
        "event": "job_failure",
        "project": "shop",
        "server": "shop.example.com",
    }


def test_no_command_line_has_the_url(tmp_path: Path, receiver: Receiver) -> None:
    """Every user of a server sees them."""
    server = Server(tmp_path)
    (server.bin / "curl").unlink()
    (server.bin / "curl").write_text('#!/bin/sh\necho "$@" >"$HOME/argv"\ncat >"$HOME/stdin"\n')
    (server.bin / "curl").chmod(0o755)
    told(server, receiver, "job_failure")
    server.job(exit_code="1 false")
    server.cron()
    assert "s3cr3t" not in (tmp_path / "argv").read_text()
    assert (tmp_path / "stdin").read_text() == f'url = "{receiver.url}"\n'


def test_other_places_get_it_through_apprise(tmp_path: Path, receiver: Receiver) -> None:
    """In a container of the image; neither the URL nor the message is an argument, and others get theirs."""
    server = Server(tmp_path)
    (tmp_path / "python").write_text(sys.executable)
    mail = receiver.url.replace("http:", "json:")
    places = (f"apprise {event} ours:1 {mail}" for event in ("certificate", "job_failure"))
    server.webhooks("server shop.example.com", *places, f"url job_failure {receiver.url}")
    server.job(exit_code="3 false")
    assert server.cron().returncode == 0
    through, posted = receiver.posts
    assert (through.path, through.fields["title"], through.fields["message"], through.fields["type"]) == (
        "/T0/s3cr3t-t0k3n", "shop: the job nightly ended with status 3", "on shop.example.com", "failure",
    )  # fmt: skip
    assert posted.fields["text"] == "shop: the job nightly ended with status 3, on shop.example.com"
    argv = (tmp_path / "argv").read_text()
    assert ("ours:1\n-c\n" in argv, "s3cr3t" in argv, "nightly" in argv) == (True, False, False)


@pytest.mark.parametrize(
    ("exit_code", "seconds", "running", "words"),
    [
        ("137 true", 60, "false", "ran out of memory"),
        ("143 false", 1, "true", "was stopped by its timeout, after 1 s"),
    ],
)
def test_a_message_says_how_a_job_failed(
    tmp_path: Path, receiver: Receiver, exit_code: str, seconds: int, running: str, words: str
) -> None:
    """As `ftl jobs` does."""
    server = Server(tmp_path)
    told(server, receiver, "job_failure")
    server.job(exit_code=exit_code, seconds=seconds, running=running)
    server.cron()
    (post,) = receiver.posts
    assert post.fields["text"] == f"shop: the job nightly {words}, on shop.example.com"


def test_the_last_runs_are_stored_before_the_engine_forgets_them(tmp_path: Path) -> None:
    """Also one whose script is gone, as after a reboot: the next one stores it, once, and before it starts the job."""
    server = Server(tmp_path)
    server.job(exit_code="3 false")
    assert server.cron().returncode == 0
    assert server.runs == ["T1 T9 3 false"]
    (tmp_path / "began").write_text("T2")
    assert server.cron().returncode == 0
    assert server.runs == ["T2 T9 3 false", "T1 T9 3 false"]
    assert server.cron().returncode == 0
    for number in range(3, 15):
        (tmp_path / "began").write_text(f"T{number}")
        server.cron()
    assert (len(server.runs), server.runs[0]) == (10, "T14 T9 3 false")


def test_a_job_is_stopped_by_its_timeout_although_the_engine_refuses_at_first(tmp_path: Path) -> None:
    """An engine that restarts just then: nobody else would stop the run."""
    server = Server(tmp_path)
    server.job(exit_code="143 false", seconds=0, running="true")
    (tmp_path / "refusals").write_text("2\n")
    assert server.cron().returncode == 0
    assert (tmp_path / "running").read_text() == "false\n"
    assert server.runs == ["T1 T9 143 false"]


def test_a_job_that_does_not_start_is_posted_without_the_engine_s_reason(
    tmp_path: Path, receiver: Receiver
) -> None:
    """It may have a value of env in it."""
    server = Server(tmp_path)
    told(server, receiver, "job_failure")
    server.job(exit_code="0 false")
    (tmp_path / "refuses").touch()
    server.cron()
    (post,) = receiver.posts
    assert b"hunter2" not in post.body
    assert post.fields["text"] == "shop: the job nightly did not start, on shop.example.com"


def test_nothing_is_posted_about_a_job_that_ends_well_or_that_somebody_started(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Who starts it by hand sees how it ends; nor does an event that nobody asked for."""
    server = Server(tmp_path)
    told(server, receiver, "job_failure")
    server.job(exit_code="0 false")
    server.cron()
    server.job(exit_code="1 false")
    assert server.cron("now").stdout == b"started 5ca1ab1e\n"
    told(server, receiver, "certificate")
    server.cron()
    assert receiver.posts == []


def test_a_job_whose_container_was_pruned_is_posted_once_a_day(tmp_path: Path, receiver: Receiver) -> None:
    """By the webhooks among the release records, whose container was pruned with it."""
    server = Server(tmp_path)
    server.webhooks("server shop.example.com", "job nightly", f"url job_failure {receiver.url}")
    prune(server)
    for _ in range(2):
        assert server.cron().returncode == 0
    (post,) = receiver.posts
    assert post.fields["text"] == (
        "shop: the job nightly does not run: its container was removed, as by docker system prune. "
        "A deploy makes it again, on shop.example.com"
    )
    (stamp,) = (tmp_path / ".ftl").glob("gone.*")
    stamp.write_text("2026-01-01\n")
    server.cron()
    assert len(receiver.posts) == 2


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("job nightly", {"named": "0ld"}),
        ("job nightly", {"silent": ""}),
        ("job nightly", {"jobless": "true"}),
        ("job other", {}),
    ],
)
def test_a_job_that_is_not_missed_is_not_posted(
    tmp_path: Path, receiver: Receiver, line: str, files: dict[str, str]
) -> None:
    """A deploy replaces it, the engine does not answer, another server has it, or it is in ftl.yaml no more."""
    server = Server(tmp_path)
    server.webhooks("server shop.example.com", line, f"url job_failure {receiver.url}")
    prune(server)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert server.cron().returncode == 0
    assert receiver.posts == []


def test_how_a_run_ended_is_stored_although_the_store_was_pruned(tmp_path: Path) -> None:
    """Its container never runs; the records are in its volume."""
    server = Server(tmp_path)
    server.job(exit_code="3 false")
    (tmp_path / "pruned").touch()
    assert server.cron().returncode == 0
    assert server.runs == ["T1 T9 3 false"]


def test_a_start_that_the_engine_completes_too_late_has_its_timeout(
    tmp_path: Path, receiver: Receiver
) -> None:
    """It is this script's run, which nobody else stops."""
    server = Server(tmp_path)
    told(server, receiver, "job_failure")
    server.job(exit_code="143 false", seconds=1, running="true")
    (tmp_path / "slow").touch()
    server.cron()
    (post,) = receiver.posts
    assert "was stopped by its timeout, after 1 s" in post.fields["text"]


def running_since(server: Server, seconds: float, *, timeout: int) -> None:
    """Have a run that began before, in a container of an earlier release, and whose script is gone."""
    server.job(exit_code="0 false")
    began = datetime.fromtimestamp(time.time() - seconds, UTC)
    (server.home / "since").write_text(f"{began:%Y-%m-%dT%H:%M:%S.123456789Z} {ALWAYS} {timeout}\n")
    (server.home / "beside").write_text("0ld\n")


def test_a_run_that_nobody_limits_does_not_block_the_job(tmp_path: Path, receiver: Receiver) -> None:
    """The script that had to stop it was killed: the next one stops it, tells of it, and starts its own."""
    server = Server(tmp_path)
    told(server, receiver, "job_failure")
    running_since(server, 200, timeout=60)
    assert server.cron("now").stdout == b"started 5ca1ab1e\n"
    (post,) = receiver.posts
    text = "shop: the job nightly was stopped: it ran for longer than its timeout, 60 s, on shop.example.com"
    assert post.fields["text"] == text
    assert server.runs == ["T1 T9 0 false"]


@pytest.mark.parametrize(("seconds", "refuses"), [(70, False), (200, True)])
def test_a_run_goes_on_that_its_script_may_still_stop_or_that_cannot_be_stopped(
    tmp_path: Path, seconds: float, refuses: bool
) -> None:
    """No second one begins beside it."""
    server = Server(tmp_path)
    running_since(server, seconds, timeout=60)
    if refuses:
        (tmp_path / "refuses").touch()
    assert server.cron("now").stdout == b"running\n"
