"""Addresses of chats as apprise writes them, and the webhooks behind them. Pure.

What a server posts has the message as `text` and as `content`, so that an address alone is enough: incoming webhooks of
Slack and Mattermost read the one, those of Discord the other; Telegram's Bot API takes arguments of the query beside
those of the body, and ntfy (2.11) makes its message of the body by a template.

An option of apprise may say who posts, or where to, so a URL has webhooks only if each of its options is known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

if TYPE_CHECKING:
    from collections.abc import Callable

_QUERY = r"/?(?:\?(?P<query>.*))?"
_NAME = r"(?:[^/@]+@)?"
_CHAT = r"(?:-?\d+|@?[A-Za-z_]\w+)"
_HOST = r"[\w.-]+(?::\d+)?"

_SLACK = re.compile(rf"slack://{_NAME}(T[A-Z0-9]+)/(B[A-Z0-9]+)/([A-Za-z0-9]+){_QUERY}")
_DISCORD = re.compile(rf"discord://{_NAME}(\d+)/([\w-]+){_QUERY}")
_TELEGRAM = re.compile(rf"tgram://(?:bot)?(\d+:[\w-]+)/({_CHAT}(?:/{_CHAT})*){_QUERY}")
_NTFY = re.compile(rf"ntfy(s?)://(?:({_HOST})/)?(?!localhost\b)([\w-]{{1,64}}){_QUERY}")
_MATTERMOST = re.compile(rf"mmost(s?)://{_NAME}({_HOST})((?:/[\w.-]+)*)/(\w+){_QUERY}")

_NTFY_QUERY = urlencode({"tpl": "yes", "message": "{{.text}}"})


def webhooks_of(url: str) -> tuple[str, ...]:
    """The webhooks for a URL of apprise; none for other kinds of URLs."""
    for pattern, convert, used in _FORMS:
        if match := pattern.fullmatch(url):
            options = parse_qs(match["query"] or "", keep_blank_values=True)
            return convert(match) if options.keys() <= _LOOKS | {*used.split()} else ()
    return ()


def _slack(match: re.Match[str]) -> tuple[str, ...]:
    return (f"https://hooks.slack.com/services/{match[1]}/{match[2]}/{match[3]}",)


def _discord(match: re.Match[str]) -> tuple[str, ...]:
    thread = _option(match, "thread")
    return (
        f"https://discord.com/api/webhooks/{match[1]}/{match[2]}{f'?thread_id={thread}' if thread else ''}",
    )


def _telegram(match: re.Match[str]) -> tuple[str, ...]:
    topic = _option(match, "topic") or _option(match, "thread")
    more = {"message_thread_id": topic} if topic else {}
    chats = [chat if re.match(r"[-@\d]", chat) else f"@{chat}" for chat in match[2].split("/")]
    top = f"https://api.telegram.org/bot{match[1]}/sendMessage"
    return tuple(f"{top}?{urlencode({'chat_id': chat, **more})}" for chat in chats)


def _ntfy(match: re.Match[str]) -> tuple[str, ...]:
    host = match[2] or "ntfy.sh"
    scheme = "https" if match[1] or host == "ntfy.sh" else "http"
    return (f"{scheme}://{host}/{match[3]}?{_NTFY_QUERY}",)


def _mattermost(match: re.Match[str]) -> tuple[str, ...]:
    return (f"http{match[1]}://{match[2]}{match[3]}/hooks/{match[4]}",)


def _option(match: re.Match[str], name: str) -> str:
    """An option in the query of apprise, which is a word; empty without one."""
    value = parse_qs(match["query"] or "").get(name, [""])[0]
    return value if re.fullmatch(r"\w+", value) else ""


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, ...]], str], ...] = (
    (_SLACK, _slack, ""),
    (_DISCORD, _discord, "thread"),
    (_TELEGRAM, _telegram, "topic thread"),
    (_NTFY, _ntfy, ""),
    (_MATTERMOST, _mattermost, ""),
)
"""Pattern of a URL, its webhooks, and the options that these have, too."""

_OF_LOOKS = """
    format overflow emojis tz image footer footer_logo timestamp blocks fields avatar avatar_url icon_url tts silent
    preview album mdv content priority tags xtags click verify rto cto retry wait optional
"""
_LOOKS = frozenset(_OF_LOOKS.split())
"""Options that change how a message looks or how apprise sends it, and neither who posts nor where."""
