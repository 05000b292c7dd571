"""Send a message to all places that get it; one that cannot be reached is a note."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, TypeVar, cast

from ftl.aio import gather
from ftl.errors import FtlError
from ftl.events import Note
from ftl.notifications import services, webhook
from ftl.notifications.webhook import NotSent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl.config.models.notification import Notification
    from ftl.events import Emit
    from ftl.notifications.message import Message

T = TypeVar("T")

SECONDS = 10.0
"""Limit for all places together: they are sent to side by side."""


async def send(
    message: Message, notifications: Sequence[Notification], *, emit: Emit, seconds: float = SECONDS
) -> None:
    """Send a message to the places that get its event; a note names each that did not get it.

    Raises nothing, also if it is cancelled.
    """
    wanted = [(index, one) for index, one in enumerate(notifications) if one.gets(message.event)]
    try:
        await gather(_send(message, index, one, emit, seconds) for index, one in wanted)
    except asyncio.CancelledError:
        # What the message is about has happened: Ctrl-C ends the wait for the message alone.
        emit(Note("the notifications were not waited for", "warning"))


async def _send(message: Message, index: int, notification: Notification, emit: Emit, seconds: float) -> None:
    try:
        await in_thread(lambda: deliver(message, notification, seconds), seconds)
    except TimeoutError:
        _report(index, notification, f"it took longer than {seconds:g} s", None, emit)
    except FtlError as error:
        _report(index, notification, error.message, error.hint, emit)


def deliver(message: Message, notification: Notification, seconds: float) -> None:
    """Send a message to one place; blocks.

    Raises:
        NotSent: It did not take it.
        UsageError: Its kind of URL needs apprise, which is not installed.
    """
    if notification.is_webhook:
        webhook.post(notification.url, message.fields(), seconds=seconds)
    else:
        services.notify(notification.url, message)


def _report(index: int, notification: Notification, reason: str, hint: str | None, emit: Emit) -> None:
    text = f"the notification to notify[{index}] ({notification.scheme}) was not sent: {reason}"
    emit(Note(text, "warning", hint))


async def in_thread(work: Callable[[], T], seconds: float) -> T:
    """Run blocking work in a thread that is not waited for after its limit.

    `asyncio.to_thread` would keep FTL from its end: its threads are joined when the loop closes.

    Raises:
        TimeoutError: It takes too long.
        FtlError: As `work`; NotSent for any other exception of a library.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: FtlError | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(cast("T", result))

    def call() -> None:
        result: T | None = None
        error: FtlError | None = None
        try:
            result = work()
        except FtlError as raised:
            error = raised
        except Exception as raised:  # noqa: BLE001 - a library's; its message may have the URL
            error = NotSent(f"{type(raised).__name__} in a library")
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    Thread(target=call, name="ftl-notify", daemon=True).start()
    async with asyncio.timeout(seconds):
        return await outcome
