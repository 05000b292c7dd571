"""Messages to real receivers on this machine: what arrives, and the notes if it does not."""

from __future__ import annotations

import asyncio
import sys
import time
from base64 import b64decode
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.notification import Notification
from ftl.events import Note
from ftl.notifications.message import Message, without
from ftl.notifications.send import send
from tests.support.webhook_receiver import webhook_receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.events import Event
    from tests.support.webhook_receiver import Receiver

LIVE = Message(
    "deploy", "shop: r12 is live", "on shop.example.com, in 9 s", "shop", "shop.example.com", "r12"
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that answers 200."""
    with webhook_receiver() as running:
        yield running


def sent(*notifications: Notification, seconds: float = 5.0, message: Message = LIVE) -> list[str]:
    """Send a message; the notes."""
    events: list[Event] = []
    asyncio.run(send(message, notifications, emit=events.append, seconds=seconds))
    assert all(isinstance(event, Note) and event.level == "warning" for event in events)
    return [event.text for event in events if isinstance(event, Note)]


def test_a_webhook_gets_the_text_under_the_names_that_chats_read_and_the_fields(receiver: Receiver) -> None:
    """Slack reads `text`, Discord `content`, programs the rest."""
    assert sent(Notification(url=receiver.url)) == []
    (post,) = receiver.posts
    text = "shop: r12 is live\non shop.example.com, in 9 s"
    assert post.path == "/T0/s3cr3t-t0k3n"
    assert post.headers["Content-Type"] == "application/json"
    assert post.fields == {
        "text": text,
        "content": text,
        "event": "deploy",
        "project": "shop",
        "server": "shop.example.com",
        "release": "r12",
    }


def test_a_place_gets_only_its_events(receiver: Receiver) -> None:
    """`events` chooses; without it, a place gets all."""
    assert sent(Notification(url=receiver.url, events=("failure", "rollback"))) == []
    assert receiver.posts == []
    assert sent(Notification(url=receiver.url, events=("deploy",)), Notification(url=receiver.url)) == []
    assert len(receiver.posts) == 2


def test_user_and_password_of_a_url_become_a_header(receiver: Receiver) -> None:
    """As curl on the server does it."""
    assert sent(Notification(url=receiver.url.replace("http://", "http://me:p%40ss@"))) == []
    (post,) = receiver.posts
    assert b64decode(post.headers["Authorization"].removeprefix("Basic ")) == b"me:p@ss"


@pytest.mark.parametrize(("status", "headers"), [(500, {}), (403, {}), (302, {"Location": "/login"})])
def test_an_answer_that_is_not_2xx_is_a_note_without_the_url(
    receiver: Receiver, status: int, headers: dict[str, str]
) -> None:
    """A redirect counts as not sent: what follows it would be a GET without the message."""
    receiver.status, receiver.headers = status, headers
    (note,) = sent(Notification(url=receiver.url))
    host = f"127.0.0.1:{receiver.port}"
    assert note == f"the notification to notify[0] (http) was not sent: {host} answered with status {status}"
    assert len(receiver.posts) == 1


def test_a_place_that_cannot_be_reached_does_not_keep_the_others_from_theirs(receiver: Receiver) -> None:
    """They are sent to side by side, and the note says which one failed."""
    (note,) = sent(Notification(url="http://127.0.0.1:1/s3cr3t"), Notification(url=receiver.url))
    assert note == ("the notification to notify[0] (http) was not sent: 127.0.0.1:1: connection refused")
    assert len(receiver.posts) == 1


def test_a_place_without_tls_is_named_as_one(receiver: Receiver) -> None:
    """The reason is not that it cannot be reached."""
    (note,) = sent(Notification(url=receiver.url.replace("http:", "https:")))
    host = f"127.0.0.1:{receiver.port}"
    assert note == f"the notification to notify[0] (https) was not sent: {host}: it does not speak TLS"


def test_a_place_that_does_not_answer_is_left_after_the_limit(receiver: Receiver) -> None:
    """Nor is its thread waited for at the end of the loop."""
    receiver.seconds = 2.0
    began = time.monotonic()
    (note,) = sent(Notification(url=receiver.url), seconds=0.2)
    assert time.monotonic() - began < 1.5
    assert "s3cr3t" not in note
    assert "0.2 s" in note


def test_ctrl_c_ends_the_wait_and_not_the_command(receiver: Receiver) -> None:
    """What the message is about has happened already."""
    receiver.seconds = 2.0
    notes: list[Event] = []

    async def interrupted() -> str:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.1, task.cancel)
        await send(LIVE, [Notification(url=receiver.url)], emit=notes.append)
        return "done"

    assert asyncio.run(interrupted()) == "done"
    assert [note.text for note in notes if isinstance(note, Note)] == [
        "FTL was interrupted and did not wait for the notifications"
    ]


def test_other_schemes_go_through_apprise(receiver: Receiver) -> None:
    """Title and body arrive as apprise sends them."""
    pytest.importorskip("apprise")
    assert sent(Notification(url=f"json://127.0.0.1:{receiver.port}/hook"), seconds=60) == []
    (post,) = receiver.posts
    assert post.fields["title"] == "shop: r12 is live"
    assert post.fields["message"] == "on shop.example.com, in 9 s"
    assert post.fields["type"] == "success"


def test_a_service_that_refuses_is_a_note_without_the_url(
    receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    """Apprise logs URLs; nothing of that is printed."""
    pytest.importorskip("apprise")
    receiver.status = 403
    (note,) = sent(Notification(url=f"json://127.0.0.1:{receiver.port}/s3cr3t"), seconds=60)
    assert note == "the notification to notify[0] (json) was not sent: apprise could not deliver it"
    assert capfd.readouterr() == ("", "")


def test_without_apprise_the_note_has_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deploy does not fail for it."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    events: list[Event] = []
    asyncio.run(send(LIVE, [Notification(url="slack://a/b/c")], emit=events.append))
    (note,) = events
    assert isinstance(note, Note)
    assert note.text.endswith("notifications to slack:// need apprise, which is not installed")
    assert note.hint == "install it: `uv tool install 'ftl-deploy[notify]'`"


def test_values_of_variables_are_masked_in_a_text_longer_ones_first() -> None:
    """Short ones stay: they would mask words that mean something else."""
    text = "web: hunter2hunter2! is not hunter2hunter2, and main is main"
    masked = without(text, ["hunter2hunter2", "hunter2hunter2!", "main"])
    assert masked == "web: ******** is not ********, and main is main"
