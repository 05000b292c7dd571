"""The scripts that send messages, with real curl, wget and openssl and a fake docker."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from ftl.errors import ServerError
from ftl.host import crontab
from ftl.host.crontab import CronLine
from tests.support.fake_machine import Answer, FakeMachine
from tests.support.webhook_receiver import webhook_receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.webhook_receiver import Receiver

DOCKER = """#!/bin/sh
case "$*" in
*cp*ftl-state:/ftl/shop/notify*) tar -C "$HOME/state" -cf - notify ;;
*--type*ftl.when*) cat "$HOME/when" ;;
*cp*ftl-state:/ftl/shop/nightly.runs*) [ ! -e "$HOME/state/nightly.runs" ] || tar -C "$HOME/state" -cf - nightly.runs ;;
*cp*-*ftl-state:/ftl/shop*) tar -C "$HOME/state" -xf - ;;
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
*start*) [ ! -e "$HOME/refuses" ] || { echo 'invalid env PASSWORD=hunter2' >&2; exit 1; } ;;
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
                            "chmod", "rm", "setsid", "dd", "env", "touch", "mktemp", "chgrp", "ln"):  # fmt: skip
                path = shutil.which(program, path=folder)
                if path and program not in without and not (self.bin / program).exists():
                    (self.bin / program).symlink_to(path)
        for name, text in {"docker": DOCKER, "crontab": CRONTAB}.items():
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        self.env = {"HOME": str(home), "PATH": str(self.bin), "USER": "ftl"}

    def webhooks(self, *lines: str) -> None:
        """Have these lines in the file among the records."""
        (self.home / "state/notify").write_text("".join(f"{line}\n" for line in lines))

    def job(self, *, exit_code: str, seconds: int = 60, running: str = "false") -> None:
        """Have a job that is due now, and ends so."""
        (self.home / "when").write_text(f"{ALWAYS} {seconds} 0001-01-01T00:00:00Z 5ca1ab1e shop nightly\n")
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
        return self.run(crontab._job_script(), "shop.job.nightly", *mode)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that answers 200."""
    with webhook_receiver() as running:
        yield running


def told(server: Server, receiver: Receiver, *events: str) -> None:
    """Have the receiver get these events."""
    server.webhooks("server shop.example.com", *(f"url {event} {receiver.url}" for event in events))


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


@pytest.mark.parametrize(
    ("exit_code", "seconds", "running", "words"),
    [
        ("137 true", 60, "false", "had too little memory (out of memory)"),
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


@contextmanager
def https_server(folder: Path, *, days: int) -> Iterator[int]:
    """Present a certificate that is valid for some days from now, or none; the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if days:
        key, certificate = folder / "key.pem", folder / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", key, "-out", certificate, "-subj", "/CN=shop.example.com", "-days", str(days)],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError):
                context.wrap_socket(client, server_side=True).close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def check_certificates(server: Server, port: int, *, days_later: int = 0) -> None:
    """Have cron check the certificates after some days."""
    date = server.bin / "date"
    date.unlink()
    date.write_text(
        f'#!/bin/sh\n[ "$*" = +%s ] && exec /bin/date -d "+{days_later} days" +%s\nexec /bin/date "$@"\n'
    )
    date.chmod(0o755)
    done = server.run(crontab._certificates_script().replace(":443", f":{port}"), "shop")
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize(
    ("days", "later", "word"),
    [
        (90, 30, ""),
        (90, 70, ""),
        (90, 80, "expires"),
        (90, 91, "expired"),
        (6, 3, ""),
        (6, 4, ""),
        (365, 340, ""),
        (365, 352, "expires"),
    ],
)
def test_a_certificate_is_posted_when_its_renewal_is_long_due(
    tmp_path: Path, receiver: Receiver, days: int, later: int, word: str
) -> None:
    """Within the last sixth of its lifetime, and 14 days at most."""
    server = Server(tmp_path)
    server.webhooks("server shop.example.com", "host shop.example.com", f"url certificate {receiver.url}")
    with https_server(tmp_path, days=days) as port:
        check_certificates(server, port, days_later=later)
    texts = [post.fields["text"] for post in receiver.posts]
    assert len(texts) == bool(word)
    for text in texts:
        assert text.startswith(f"shop: the certificate of shop.example.com {word} on 20")
        assert text.endswith(", and was not renewed, on shop.example.com")


def test_a_host_without_a_certificate_is_posted_and_a_proxy_that_is_down_is_not(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The second is another problem."""
    server = Server(tmp_path)
    server.webhooks("server shop.example.com", "host shop.example.com", f"url certificate {receiver.url}")
    with https_server(tmp_path, days=0) as port:
        check_certificates(server, port)
    check_certificates(server, port)
    (post,) = receiver.posts
    assert post.fields["text"] == "shop: there is no certificate for shop.example.com, on shop.example.com"


def install(server: Server, *, certificates: bool) -> subprocess.CompletedProcess[bytes]:
    """Write the scripts and the line of a project."""
    machine = FakeMachine()
    asyncio.run(crontab.write_notifications(machine, "shop", certificates=certificates))
    argv = list(machine.commands[0])
    argv[2] = (
        argv[2]
        .replace("PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin", "")
        .replace("grep -qsx -e cron -e crond /proc/[0-9]*/comm", 'test -e "$HOME/cron-runs"')
    )
    return subprocess.run(
        argv, env=server.env, capture_output=True, check=False, timeout=60, executable=server.bin / "sh"
    )


def test_the_daily_check_has_a_line_of_its_own(tmp_path: Path) -> None:
    """A deploy writes the lines of jobs again, and it stays; without certificates to check it goes."""
    server = Server(tmp_path)
    (tmp_path / "cron-runs").touch()
    done = install(server, certificates=True)
    assert (done.returncode, done.stdout) == (0, b"")
    machine = FakeMachine()
    asyncio.run(crontab.write(machine, "shop", [CronLine("shop.job.nightly", "15 3 * * *", "UTC")]))
    subprocess.run(
        machine.commands[0],
        input=machine.inputs[0],
        env=server.env,
        check=True,
        timeout=60,
        executable=server.bin / "sh",
    )
    check, job = (tmp_path / "crontab").read_text().splitlines()
    assert check == (
        '17 6 * * * sh "$HOME/.ftl/certificates.sh" "/var/run/docker.sock" shop >/dev/null 2>&1 # ftl-certificates shop'
    )
    assert job.endswith("shop.job.nightly >/dev/null 2>&1 # ftl shop")
    assert (tmp_path / ".ftl/certificates.sh").read_text() == crontab._certificates_script()
    assert (tmp_path / ".ftl/job.sh").read_text() == crontab._job_script()
    assert install(server, certificates=False).returncode == 0
    assert (tmp_path / "crontab").read_text() == f"{job}\n"


@pytest.mark.parametrize(
    ("without", "words"),
    [
        (("curl", "wget"), b"there is neither curl nor wget\n"),
        (("openssl",), b"there is no openssl, which reads certificates\n"),
        ((), b"cron does not run\n"),
    ],
)
def test_a_server_that_cannot_send_or_check_says_what_is_missing(
    tmp_path: Path, without: tuple[str, ...], words: bytes
) -> None:
    """The deploy makes a note of it."""
    done = install(Server(tmp_path, *without), certificates=True)
    assert (done.returncode, done.stdout) == (3, words)


def test_what_is_missing_is_the_cause_of_the_error() -> None:
    """Which the runner of the step makes a note of."""
    machine = FakeMachine()
    machine.answer("notify", answer=Answer(3, b"there is neither curl nor wget\n"))
    with pytest.raises(ServerError, match="cannot send notifications") as caught:
        asyncio.run(crontab.write_notifications(machine, "shop", certificates=False))
    assert caught.value.cause == "there is neither curl nor wget"
