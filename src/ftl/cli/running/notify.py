"""Send a message about how the work of a command ended (`notify` in ftl.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.errors import ConfigError, FtlError, Interrupted, LockTaken, UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ftl.config.models.notification import HereEvent, Notification
    from ftl.events import Emit
    from ftl.notifications.message import Message

T = TypeVar("T")

_NOTHING_BEGAN = (ConfigError, Interrupted, LockTaken, UsageError)
"""Errors that concern only the person at the command: they called it wrongly, stopped it, or came second."""

LOAD_SECONDS = 30.0
"""Limit for the secrets in `notify` of a command that needs no others."""


@dataclass(frozen=True, slots=True)
class Notifier:
    """Messages of one command.

    Attributes:
        command: "deploy" or "rollback".
        server: The server as ftl.yaml names it.
        load: Reads `notify`; called when there is a message, and may take as long as the secrets in it.
        secrets: Values to mask in the sentence of an error, beside those that are redacted everywhere.
    """

    command: str
    project: str
    server: str
    load: Callable[[], Sequence[Notification]]
    secrets: Sequence[str] = ()

    def message(self, event: HereEvent, title: str, body: Sequence[str], release: str = "") -> Message:
        """A message in which secrets are redacted."""
        from ftl.common.redact import redacted
        from ftl.notifications.message import Message

        text = redacted("\n".join([f"{self.project}: {title}", *body]))
        first, _, rest = text.partition("\n")
        return Message(event, first, rest, self.project, self.server, release)

    def failure(self, error: FtlError) -> Message:
        """The message about a failure: FTL's own sentence.

        Cause, hint and details stay out: they have what a build, a hook or a container printed.
        """
        from ftl.notifications.message import without

        public = f"{self.project} {self.server}"  # env often has the domain as well
        sentence = without(error.message, [value for value in self.secrets if value not in public])
        return self.message("failure", f"{self.command} failed", [sentence, f"on {self.server}"])

    async def watch(self, work: Awaitable[T], success: Callable[[T], Message | None], *, emit: Emit) -> T:
        """Do the work, and send a message about its outcome; that one fails is a note.

        There is no message where `success` returns None: the work did nothing that anybody waits for.

        Raises:
            FtlError: As the work.
        """
        try:
            result = await work
        except FtlError as error:
            if not isinstance(error, _NOTHING_BEGAN):
                await self._send(self.failure(error), emit)
            raise
        message = success(result)
        if message is not None:
            await self._send(message, emit)
        return result

    async def _send(self, message: Message, emit: Emit) -> None:
        import asyncio

        from ftl.common.redact import redact
        from ftl.events import Note
        from ftl.notifications.send import in_thread, send

        try:
            notifications = await in_thread(self.load, LOAD_SECONDS)
        except asyncio.CancelledError:
            # As in `send`: the work is done, and Ctrl-C ends the wait for the secrets alone.
            emit(
                Note(
                    "no notification was sent: FTL was interrupted while it read the secrets in `notify`",
                    "warning",
                )
            )
            return
        except TimeoutError:
            emit(Note("no notification was sent: the secrets in `notify` took too long", "warning"))
            return
        except ConfigError as error:
            first = error.problems[0].message
            emit(Note(f"no notification was sent: {first}", "warning", hint=f"{ftl('validate')} shows where"))
            return
        except FtlError as error:
            emit(Note(f"no notification was sent: {error.message}", "warning", hint=error.hint))
            return
        redact(one.url for one in notifications)
        await send(message, notifications, emit=emit)
