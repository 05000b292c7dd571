"""Messages about the outcome of a command, to a real receiver; `ftl validate` of `notify`."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.cli.commands import deploy, rollback
from ftl.cli.options import Options
from ftl.cli.project import load_project, load_section, load_target
from ftl.cli.running.notify import Notifier
from ftl.cli.running.operation import OperationCall
from ftl.common import redact
from ftl.config.models.notification import Notification
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.operation import OperationResult
from ftl.deploy.result import DeployResult
from ftl.errors import (
    ConfigError,
    FtlError,
    HookFailed,
    LockTaken,
    Problem,
    ServerError,
    Unhealthy,
    UsageError,
)
from ftl.events import Note, ignore
from ftl.operations.changes.rollback.rollback import RollbackResult
from tests.support.webhook_receiver import webhook_receiver
from tests.unit.deploy.world import plan, project, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ftl.events import Event
    from ftl.notifications.message import Message
    from tests.support.webhook_receiver import Receiver

    from ..conftest import Cli

PROJECT = """\
project: {name: shop}
server: local
services:
  - {name: web, image: web:1}
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that answers 200; what was redacted is forgotten afterwards."""
    with webhook_receiver() as running:
        yield running
    redact.forget()


class Command:
    """A command with a place for messages."""

    def __init__(self, load: Callable[[], Sequence[Notification]], *secrets: str) -> None:
        self.notifier = Notifier("deploy", "shop", "shop.example.com", load, secrets)
        self.notes: list[str] = []

    def run(self, outcome: str | FtlError) -> str:
        """Run it to this outcome; an empty one is that nothing changed."""

        async def work() -> str:
            if isinstance(outcome, FtlError):
                raise outcome
            return outcome

        def success(release: str) -> Message | None:
            title = f"{release} is live"
            return (
                self.notifier.message("deploy", title, ["on shop.example.com"], release) if release else None
            )

        def emit(event: Event) -> None:
            assert isinstance(event, Note)
            self.notes.append(event.text)

        return asyncio.run(self.notifier.watch(work(), success, emit=emit))


def test_a_deploy_that_changed_something_is_sent(receiver: Receiver) -> None:
    """One that changed nothing is not."""
    command = Command(lambda: [Notification(url=receiver.url)])
    assert command.run("") == ""
    assert command.run("r12") == "r12"
    (post,) = receiver.posts
    assert post.fields["text"] == "shop: r12 is live\non shop.example.com"
    assert (post.fields["event"], post.fields["release"]) == ("deploy", "r12")
    assert command.notes == []


@pytest.mark.parametrize("kind", [FtlError, HookFailed, ServerError, Unhealthy])
def test_a_failure_is_sent_and_passes(receiver: Receiver, kind: type[FtlError]) -> None:
    """With our own sentence; not with what a hook or container printed."""
    command = Command(lambda: [Notification(url=receiver.url)])
    error = kind("web is not healthy", cause="password=hunter2", hint="hunter2")
    error.with_details(["hunter2"])
    with pytest.raises(kind) as caught:
        command.run(error)
    assert caught.value is error
    (post,) = receiver.posts
    assert post.fields["text"] == "shop: deploy failed\nweb is not healthy\non shop.example.com"
    assert b"hunter2" not in post.body


@pytest.mark.parametrize(
    "error", [UsageError("x"), LockTaken("x", holder="me"), ConfigError([Problem("x", "ftl.yaml")])]
)
def test_what_concerns_only_the_person_at_the_command_is_not_sent(
    receiver: Receiver, error: FtlError
) -> None:
    """A wrong call changed nothing, and whoever has the lock is at work."""
    command = Command(lambda: [Notification(url=receiver.url)])
    with pytest.raises(type(error)):
        command.run(error)
    assert receiver.posts == []


def test_no_message_has_a_secret(receiver: Receiver) -> None:
    """Neither a fetched one, in any of its forms, nor a value of a variable; the server's name is none."""
    redact.redact(["v4ult/s3cr3t"])
    command = Command(lambda: [Notification(url=receiver.url)], "env-v4lue", "shop.example.com")
    with pytest.raises(FtlError):
        command.run(FtlError("shop.example.com: v4ult/s3cr3t, v4ult%2Fs3cr3t and env-v4lue"))
    assert receiver.posts[0].fields["text"].splitlines()[1:] == [
        "shop.example.com: ********, ******** and ********",
        "on shop.example.com",
    ]


def test_a_failed_notification_changes_no_outcome(receiver: Receiver) -> None:
    """Neither one that is refused, nor one whose place cannot be read."""
    receiver.status = 500
    command = Command(lambda: [Notification(url=receiver.url)])
    assert command.run("r12") == "r12"
    with pytest.raises(Unhealthy):
        command.run(Unhealthy("web is not healthy"))
    assert len(command.notes) == 2

    def load() -> Sequence[Notification]:
        raise UsageError("there is no file `ftl.yaml`")

    command = Command(load)
    assert command.run("r12") == "r12"
    assert command.notes == ["no notification was sent: there is no file `ftl.yaml`"]


def test_ctrl_c_during_the_secrets_of_notify_changes_no_outcome() -> None:
    """The rollback is done by then."""
    notes: list[str] = []

    def load() -> Sequence[Notification]:
        time.sleep(2)
        return ()

    notifier = Notifier("rollback", "shop", "shop.example.com", load)

    async def interrupted() -> str:
        async def work() -> str:
            return "r13"

        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.1, task.cancel)
        message = notifier.message("rollback", "r13 is live", [])
        return await notifier.watch(
            work(), lambda _release: message, emit=lambda event: notes.append(str(event))
        )

    assert asyncio.run(interrupted()) == "r13"
    assert len(notes) == 1


def test_the_url_is_redacted_from_then_on(receiver: Receiver) -> None:
    """Of a rollback, too, which reads it last."""
    Command(lambda: [Notification(url=receiver.url)]).run("r12")
    assert "s3cr3t" not in redact.redacted(f"POST {receiver.url}")


def test_rollback_reads_notify_alone(tmp_path: Path) -> None:
    """A variable that is not set elsewhere in the file stops nothing."""
    path = tmp_path / "ftl.yaml"
    project = PROJECT.replace("web:1", "'web:${NOT_SET}'")
    path.write_text(f"{project}notify: ['https://hooks.example.com/T0']\n")
    (one,) = load_section(Options(file=str(path)), "notify").notify
    assert one.url == "https://hooks.example.com/T0"


def test_deploy_sends_its_result_and_masks_values_of_variables(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Server, seconds and URL; a failure's sentence without a password from the environment."""
    monkeypatch.setenv("DB_PASSWORD", "env-v4lue")
    domain = PROJECT.replace("{name: shop}", "{name: shop, domain: shop.example.com}")
    service = domain.replace(
        "image: web:1", "image: 'web:1', port: 80, routes: [{path: /}], env: {A: '${DB_PASSWORD}'}"
    )
    (tmp_path / "ftl.yaml").write_text(f"{service}notify: ['{receiver.url}']\n")
    loaded, _, address = load_project(Options(file=str(tmp_path / "ftl.yaml")))

    async def done() -> DeployResult:
        return DeployResult("shop.example.com", "r12", 9.0, True, urls=("https://shop.example.com/",))

    async def failed() -> DeployResult:
        raise FtlError("web: env-v4lue is refused")

    assert asyncio.run(deploy._notified(loaded, address, done(), ignore)).release == "r12"
    with pytest.raises(FtlError):
        asyncio.run(deploy._notified(loaded, address, failed(), ignore))
    live, failure = (post.fields["text"] for post in receiver.posts)
    assert live == "shop: r12 is live\non local, in 9.0 s\nhttps://shop.example.com/"
    assert failure == "shop: deploy failed\nweb: ******** is refused\non local"


def test_rollback_sends_the_releases(tmp_path: Path, receiver: Receiver) -> None:
    """The one that is live now, and the one that it restores."""
    (tmp_path / "ftl.yaml").write_text(f"{PROJECT}notify: ['{receiver.url}']\n")
    options = Options(file=str(tmp_path / "ftl.yaml"))
    call = OperationCall(options, load_target(options, None), GivenCommand("rollback"), dry_run=False)
    asked = project()
    observed = server(asked, ready=False)
    made = replace(plan(asked, observed), release="r13")

    async def done() -> RollbackResult:
        return RollbackResult("r11", OperationResult(asked, made, observed, 3.0))

    asyncio.run(rollback._notified(call, done(), ignore))
    (post,) = receiver.posts
    assert post.fields["text"] == "shop: r13 is live, a rollback to r11\non local"
    assert (post.fields["event"], post.fields["release"]) == ("rollback", "r13")


def validated(cli: Cli, folder: Path, notify: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Exit code and errors of `ftl validate` for a project with these notifications."""
    monkeypatch.chdir(folder)
    (folder / "ftl.yaml").write_text(f"{PROJECT}notify: {notify}\n")
    outcome = cli(["validate"])
    return outcome.code, outcome.err


def test_validate_says_what_to_install_for_a_url_of_apprise(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook needs nothing."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert validated(cli, tmp_path, "['https://hooks.example.com/T0']", monkeypatch) == (0, "")
    code, text = validated(cli, tmp_path, "['slack://TokenA/TokenB/s3cr3t']", monkeypatch)
    assert code == 2
    assert "notifications to slack:// need apprise, which is not installed" in text
    assert "uv tool install 'ftl-deploy[notify]'" in text
    assert "s3cr3t" not in text


def test_validate_refuses_a_url_that_apprise_does_not_know(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its place, without quoting it."""
    pytest.importorskip("apprise")
    assert validated(cli, tmp_path, "['json://127.0.0.1/hook']", monkeypatch) == (0, "")
    code, text = validated(cli, tmp_path, "['slak://TokenA/s3cr3t']", monkeypatch)
    assert code == 2
    assert "ftl.yaml:5" in text
    assert "url: apprise does not know this slak:// URL" in text
    assert "s3cr3t" not in text
