"""Addresses of chats as apprise writes them, and the webhooks behind them."""

from __future__ import annotations

import pytest

from ftl.config.values.webhooks import webhooks_of

SENDS = "https://api.telegram.org/bot12:aB-_/sendMessage?chat_id="
NTFY = "?tpl=yes&message=%7B%7B.text%7D%7D"


@pytest.mark.parametrize(
    ("url", "webhooks"),
    [
        ("slack://T0AB/B0CD/xYz9", ("https://hooks.slack.com/services/T0AB/B0CD/xYz9",)),
        ("slack://ftl@T0AB/B0CD/xYz9/?footer=no", ("https://hooks.slack.com/services/T0AB/B0CD/xYz9",)),
        ("slack://T0AB/B0CD/xYz9/#ops", ()),
        ("slack://T0AB/B0CD/xYz9?to=#ops", ()),
        ("slack://T0AB/B0CD/xYz9?token=", ()),
        ("slack://xoxb-1-2/#ops", ()),
        ("discord://123/a-B_c", ("https://discord.com/api/webhooks/123/a-B_c",)),
        ("discord://ftl@123/a?tts=no&thread=9", ("https://discord.com/api/webhooks/123/a?thread_id=9",)),
        ("discord://123/a?thread=a%0Ab", ("https://discord.com/api/webhooks/123/a",)),
        ("tgram://12:aB-_/-100200", (f"{SENDS}-100200",)),
        (
            "tgram://bot12:aB-_/7/ops/?topic=3",
            (f"{SENDS}7&message_thread_id=3", f"{SENDS}%40ops&message_thread_id=3"),
        ),
        ("tgram://12:aB-_", ()),
        ("ntfy://my-topic", (f"https://ntfy.sh/my-topic{NTFY}",)),
        ("ntfys://ntfy.example.com:8443/t", (f"https://ntfy.example.com:8443/t{NTFY}",)),
        ("ntfy://ntfy.example.com/t?priority=high", (f"http://ntfy.example.com/t{NTFY}",)),
        ("ntfys://user:s3cr3t@ntfy.example.com/t", ()),
        ("ntfys://ntfy.example.com/private?token=tk_abc", ()),
        ("ntfys://ntfy.example.com/private?priority=high&auth=token", ()),
        ("ntfy://localhost", ()),
        ("ntfy://localhost/t", (f"http://localhost/t{NTFY}",)),
        ("ntfy://ntfy.example.com/one/two", ()),
        ("mmosts://chat.example.com/abc", ("https://chat.example.com/hooks/abc",)),
        ("mmost://ftl@chat.example.com:8065/team/abc", ("http://chat.example.com:8065/team/hooks/abc",)),
        ("mmosts://chat.example.com/abc?mode=bot", ()),
        ("msteams://a/b/c/d", ()),
        ("mailto://user:pass@example.com", ()),
        ("********", ()),
    ],
)
def test_webhooks_of_a_url(url: str, webhooks: tuple[str, ...]) -> None:
    """Only of those whose service takes the JSON of a server as it is, and whose form leaves no doubt."""
    assert webhooks_of(url) == webhooks
