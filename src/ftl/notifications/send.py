"""Send a message to all places that get it; one that cannot be reached is a note."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from ftl import aio
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
        emit(Note("FTL was interrupted and did not wait for the notifications", "warning"))


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
    """Run blocking work of libraries as `ftl.aio.in_thread` does.

    Raises:
        TimeoutError: It takes too long.
        FtlError: As `work`; NotSent for any other exception of a library.
    """

    def call() -> T:
        try:
            return work()
        except FtlError:
            raise
        except Exception as error:  # noqa: BLE001 - a library's; its message may have the URL
            raise NotSent(f"{type(error).__name__} in a library") from None

    return await aio.in_thread(call, seconds)
