"""Chat services, mail and push messages through apprise, an optional dependency.

The only module that imports apprise, and it does so on first use: with what it needs it has 26 MB on the disk (2.3.0),
and loading it with its services takes a second. Blocks; runs in a thread.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ftl.common.next_step import ftl
from ftl.errors import UsageError
from ftl.notifications.webhook import NotSent

if TYPE_CHECKING:
    from ftl.notifications.message import Message

INSTALL = "uv tool install 'ftl-deploy[notify]'"

_TYPES = {"deploy": "success", "rollback": "warning", "failure": "failure"}


def require(url: str) -> None:
    """Make sure that apprise, which a URL needs, is installed.

    Raises:
        UsageError: It is not.
    """
    if find_spec("apprise") is None:
        raise UsageError(
            f"notifications to {url.partition('://')[0]}:// need apprise, which is not installed",
            hint=f"install it: `{INSTALL}`",
        )


def knows(url: str) -> bool:
    """Whether apprise can send to a URL, without sending.

    Raises:
        UsageError: apprise is not installed.
    """
    return _service(url) is not None


def notify(url: str, message: Message) -> None:
    """Send a message.

    Raises:
        NotSent: The service did not take it.
        UsageError: apprise is not installed.
    """
    service = _service(url)
    if service is None:
        raise NotSent(
            "apprise does not know this kind of URL", hint=f"{ftl('validate')} says which one it is"
        )
    if not service.notify(
        title=message.title, body=message.body or message.title, notify_type=_TYPES[message.event]
    ):
        # apprise's log has the reason, and at times the token with it.
        raise NotSent("apprise could not deliver it", hint="`apprise -vv -b test URL` says why")


def _service(url: str) -> Any:
    """The service of a URL, which keeps nothing on this machine's disk; None for a URL that apprise cannot read."""
    require(url)
    import logging

    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it writes URLs
    return apprise.Apprise.instantiate(url, suppress_exceptions=True)
