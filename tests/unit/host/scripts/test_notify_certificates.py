"""The server's message about a certificate that was not renewed, and its daily check."""

from __future__ import annotations

import asyncio
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
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.host.scripts.programs import put_programs
from tests.unit.host.scripts.test_notify import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.webhook_receiver import Receiver


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


def test_a_server_that_was_away_does_not_post_for_the_one_that_has_its_jobs(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Both would post the same."""
    server = Server(tmp_path)
    server.webhooks("server shop.example.com", "host shop.example.com", f"url certificate {receiver.url}")
    (tmp_path / "jobless").write_text("true\n")
    with https_server(tmp_path, days=90) as port:
        check_certificates(server, port, days_later=80)
        assert receiver.posts == []
        (tmp_path / "jobless").unlink()
        check_certificates(server, port, days_later=80)
    assert len(receiver.posts) == 1


def test_hosts_are_checked_although_the_store_was_pruned(tmp_path: Path, receiver: Receiver) -> None:
    """Nothing else would tell of a certificate that was not renewed."""
    server = Server(tmp_path)
    server.webhooks("server shop.example.com", "host shop.example.com", f"url certificate {receiver.url}")
    (tmp_path / "pruned").touch()
    with https_server(tmp_path, days=90) as port:
        check_certificates(server, port, days_later=80)
    assert len(receiver.posts) == 1


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


def install(server: Server, *, certificates: bool, posts: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Write the scripts and the line of a project."""
    machine = FakeMachine()
    asyncio.run(crontab.write_notifications(machine, "shop", certificates=certificates, posts=posts))
    argv = list(machine.commands[0])
    argv[2] = (
        argv[2]
        .replace("PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin", "")
        .replace('[ -n "$(own_processes cron crond)" ]', 'test -e "$HOME/cron-runs"')
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
    assert (tmp_path / ".ftl/job.sh").read_text() == crontab.job_script()
    assert install(server, certificates=False).returncode == 0
    assert (tmp_path / "crontab").read_text() == f"{job}\n"


def checked(server: Server) -> bool:
    """Whether the crontab starts the check of the project `shop`."""
    machine = FakeMachine()
    asyncio.run(crontab.checks_certificates(machine, "shop"))
    done = subprocess.run(
        machine.commands[0],
        env=server.env,
        capture_output=True,
        check=False,
        timeout=60,
        executable=server.bin / "sh",
    )
    machine.answer("checks", answer=CommandOutput(done.returncode, done.stdout))
    return asyncio.run(crontab.checks_certificates(machine, "shop"))


def test_a_check_whose_line_or_script_was_lost_is_missed(tmp_path: Path) -> None:
    """Others' lines count for nothing; a crontab that cannot be read could not be written either."""
    server = Server(tmp_path)
    (tmp_path / "cron-runs").touch()
    assert not checked(server)
    install(server, certificates=True)
    assert checked(server)
    lines = (tmp_path / "crontab").read_text()
    (tmp_path / "crontab").write_text(
        lines.replace("s shop\n", "s shop-2\n") + lines.replace("s shop\n", "s my-shop\n")
    )
    assert not checked(server)
    (tmp_path / "crontab").write_text(lines)
    (tmp_path / ".ftl/certificates.sh").write_text("")
    assert not checked(server)
    put_programs(server.bin, {"crontab": "#!/bin/sh\necho 'you are not allowed'\nexit 1\n"})
    assert checked(server)


def test_the_script_of_jobs_is_renewed_and_comes_with_the_first_job_alone(tmp_path: Path) -> None:
    """A server that leaves a cluster is told that nothing is to be sent any more, and keeps what it had."""
    server = Server(tmp_path)
    assert install(server, certificates=False).returncode == 0
    script = tmp_path / ".ftl/job.sh"
    assert not script.exists()
    script.write_text("that of an earlier FTL\n")
    assert install(server, certificates=False).returncode == 0
    assert script.read_text() == crontab.job_script()


@pytest.mark.parametrize(
    ("without", "words"),
    [
        (("curl", "wget"), b"there is neither curl nor wget\n"),
        (("openssl",), b"there is no openssl, which reads certificates\n"),
        ((), b"cron is not running\n"),
    ],
)
def test_a_server_that_cannot_send_or_check_says_what_is_missing(
    tmp_path: Path, without: tuple[str, ...], words: bytes
) -> None:
    """The deploy makes a note of it."""
    done = install(Server(tmp_path, *without), certificates=True)
    assert (done.returncode, done.stdout) == (3, words)


def test_a_server_that_posts_nothing_needs_neither_curl_nor_wget(tmp_path: Path) -> None:
    """It sends through apprise, with the engine."""
    assert install(Server(tmp_path, "curl", "wget"), certificates=False, posts=False).returncode == 0


def test_what_is_missing_is_the_cause_of_the_error() -> None:
    """Which the runner of the step makes a note of."""
    machine = FakeMachine()
    machine.answer("notify", answer=CommandOutput(3, b"there is neither curl nor wget\n"))
    with pytest.raises(ServerError, match="cannot send notifications") as caught:
        asyncio.run(crontab.write_notifications(machine, "shop", certificates=False, posts=True))
    assert caught.value.cause == "there is neither curl nor wget"
