"""The types of single values, each by a table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.config.models import field_types
from ftl.config.values import addresses, scalars
from ftl.config.values.bindings import Forward, VolumeMount, parse_forward, parse_volume
from ftl.config.values.scalars import InvalidValue

Parse = Callable[[str], object]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (scalars.boolean, "true", True),
        (scalars.boolean, "Yes", True),
        (scalars.boolean, "ON", True),
        (scalars.boolean, "off", False),
        (scalars.port, "80", 80),
        (scalars.port, "0080", 80),
        (scalars.port, "65535", 65535),
        (scalars.count, "1", 1),
        (scalars.limit, "-1", -1),
        (scalars.duration, "0", 0),
        (scalars.duration, "10", 10),
        (scalars.duration, "1.5", 1.5),
        (scalars.duration, "500ms", 0.5),
        (scalars.duration, "10s", 10),
        (scalars.duration, "1m30s", 90),
        (scalars.duration, "1h", 3600),
        (scalars.duration, "1h2m3s4ms", 3723.004),
        (scalars.duration, "1.5h", 5400),
        (scalars.duration, "250us", 0.00025),
        (scalars.name, "shop", "shop"),
        (scalars.name, "my_shop-2", "my_shop-2"),
        (scalars.name, "0x", "0x"),
        (scalars.name, "a" * 63, "a" * 63),
        (addresses.domain, "shop.example.com", "shop.example.com"),
        (addresses.domain, "localhost", "localhost"),
        (addresses.domain, "SHOP.Example.com", "shop.example.com"),
        (addresses.domain, "xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        (addresses.domain, "203.0.113.7", "203.0.113.7"),
        (addresses.route_host, "*.example.com", "*.example.com"),
        (addresses.email, "ops@example.com", "ops@example.com"),
        (addresses.email, "first.last+tag@mail.example.co.uk", "first.last+tag@mail.example.co.uk"),
        (addresses.ssh_host, "local", "local"),
        (addresses.ssh_host, "203.0.113.7", "203.0.113.7"),
        (addresses.ssh_host, "2001:db8::7", "2001:db8::7"),
        (addresses.ssh_host, "my_host-1", "my_host-1"),
        (addresses.ssh_user, "deploy", "deploy"),
        (scalars.image, "redis", "redis"),
        (scalars.image, "redis:7-alpine", "redis:7-alpine"),
        (scalars.image, "localhost:5000/a/b__c:1", "localhost:5000/a/b__c:1"),
        (scalars.image, "Registry.Example.com/shop:V1", "Registry.Example.com/shop:V1"),
        (scalars.image, "redis@sha256:" + "0a" * 32, "redis@sha256:" + "0a" * 32),
        (scalars.platform, "linux/amd64", "linux/amd64"),
        (scalars.platform, "linux/arm/v7", "linux/arm/v7"),
        (addresses.url_path, "/", "/"),
        (addresses.url_path, "/api/v1", "/api/v1"),
        (addresses.probe_path, "/up?deep=1", "/up?deep=1"),
        (addresses.acme_url, "https://localhost:14000/dir", "https://localhost:14000/dir"),
        (scalars.shell_words, "sh -c 'a b'", "sh -c 'a b'"),
        (scalars.volume_name, "postgres_data", "postgres_data"),
    ],
)
def test_a_fitting_text_becomes_its_value(parse: Parse, text: str, value: object) -> None:
    """Each type takes the forms that it promises."""
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "texts"),
    [
        (scalars.text, ["", "  "]),
        (scalars.boolean, ["", "y", "1", "maybe"]),
        (scalars.port, ["", "0", "65536", "-1", "80.0", "8_0", "0x50", "http", "٨٠", "9" * 5000, "80 "]),
        (scalars.count, ["0", "-1", "1.5", "no"]),
        (scalars.limit, ["-2", "unlimited"]),
        (
            scalars.duration,
            ["", "-1", "-5s", "10 s", "10 parsecs", "5x", "s", "1d", "1m 30s", ".", "inf", "9" * 400],
        ),
        (scalars.interval, ["0", "0s", "0.0"]),
        (
            scalars.name,
            ["", "Shop", "shop app", "-shop", "shop-", "a_-b", "a___b", "shöp", "a.b", "a" * 64, "a\n"],
        ),
        (
            addresses.domain,
            ["", "a b", "-a.b", "a..b", ".a", "a.", "a_b.c", "münchen.de", "a" * 64 + ".b", "*.a.b"],
        ),
        (addresses.domain, ["https://a.b", "a.b:80", "a.b/c", "a.b\n", "a." * 130 + "b"]),
        (addresses.route_host, ["*", "*.*.a", "a.*.b", "*a.b"]),
        (addresses.email, ["", "x", "@a.b", "a@", "a@b", "a b@c.de", "a@b@c.de x", "<a@b.de>", "a@b..de"]),
        (
            addresses.ssh_host,
            ["", "-oProxyCommand=x", "a b", "user@host", "host:22", "ssh://host", "a;b", "$(x)"],
        ),
        (addresses.ssh_user, ["", "-l", "a b", "a@b", "a:b"]),
        (
            scalars.image,
            ["", "Redis", "a b", "redis:", ":7", "redis:7:8", "-a", "a/", "redis@sha256:xyz", "a" * 600],
        ),
        (scalars.platform, ["", "arm64", "amd64", "windows/amd64", "linux/", "linux/arm64/8"]),
        (addresses.url_path, ["", "api", "./api", "/a b", "/a?b", "/a#b", "/api/*"]),
        (addresses.probe_path, ["up", "/a b", "/a#b"]),
        (addresses.acme_url, ["", "localhost/dir", "ftp://a/b", "https://", "https://a b"]),
        (field_types.TLS.parse, ["", "on", "AUTO", "letsencrypt"]),
        (field_types.LIMIT_NAME.parse, ["files", "NOFILE"]),
        (scalars.volume_name, ["", ".hidden", "a/b", "a b"]),
        (scalars.shell_words, ["", "'open", 'a "b', "a\\"]),
    ],
)
def test_an_unfitting_text_is_refused(parse: Parse, texts: list[str]) -> None:
    """Each type refuses what it does not promise, and never repeats the text, which may be a secret."""
    for text in texts:
        with pytest.raises(InvalidValue) as caught:
            parse(text)
        assert caught.value.message
        assert len(text) < 6 or text not in caught.value.message


@pytest.mark.parametrize(
    ("parse", "text", "hint"),
    [
        (scalars.name, "Shop App", "`shop-app` would be one"),
        (scalars.name, "web.api", "`web-api` would be one"),
        (addresses.domain, "https://shop.example.com/", "write the host name alone: shop.example.com"),
        (addresses.domain, "shop.example.com:8080", "write the host name alone: shop.example.com"),
        (addresses.domain, "münchen.de", "write it in its ASCII form: xn--mnchen-3ya.de"),
        (addresses.ssh_host, "203.0.113.7:2222", "write host: 203.0.113.7 and port: 2222"),
        (addresses.ssh_host, "ssh://deploy@shop", "write host: shop and user: deploy"),
        (scalars.image, "Redis:7", "image names are in lower case: redis:7"),
        (scalars.platform, "arm64", "write linux/arm64"),
        (addresses.url_path, "api", "write /api"),
        (parse_forward, "25", "write 25:25"),
    ],
)
def test_a_refusal_says_what_to_write(parse: Parse, text: str, hint: str) -> None:
    """Where it can be known what was meant, the hint says it."""
    with pytest.raises(InvalidValue) as caught:
        parse(text)
    assert caught.value.hint == hint


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_durations_add_up(hours: int, minutes: int, seconds: int, millis: int) -> None:
    """A duration is the sum of its parts."""
    text = f"{hours}h{minutes}m{seconds}s{millis}ms"
    assert scalars.duration(text) == pytest.approx(hours * 3600 + minutes * 60 + seconds + millis / 1000)


@given(st.text())
def test_no_text_breaks_a_type(text: str) -> None:
    """Any text at all is taken or refused, never an accident."""
    kinds = (
        scalars.duration,
        scalars.name,
        addresses.domain,
        addresses.email,
        scalars.image,
        addresses.ssh_host,
    )
    for parse in (*kinds, scalars.port, scalars.shell_words, parse_volume, parse_forward):
        with suppress(InvalidValue):
            parse(text)


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("media:/srv/media", VolumeMount("media", "/srv/media")),
        ("media:/srv/media:ro", VolumeMount("media", "/srv/media", read_only=True)),
        ("media:/srv/media:rw", VolumeMount("media", "/srv/media")),
        ("/etc/shop:/etc/shop:ro", VolumeMount("/etc/shop", "/etc/shop", read_only=True)),
    ],
)
def test_a_volume_has_a_source_a_target_and_a_mode(text: str, mount: VolumeMount) -> None:
    """Named volumes and paths of the server are told apart."""
    assert parse_volume(text) == mount
    assert parse_volume(text).is_named is text.startswith("media")


NO_VOLUMES = ["", "media", "/data", ":/data", "media:", "media:data", "media:/", "a/b:/c", "a b:/c"]
NO_VOLUMES += ["./a:/b", "~/a:/b", "media:/a:z", "media:/a:ro:x", "C:\\data:/data"]


@pytest.mark.parametrize("text", NO_VOLUMES)
def test_other_volumes_are_refused(text: str) -> None:
    """A relative path means nothing on a server, and options beside ro and rw are not known."""
    with pytest.raises(InvalidValue):
        parse_volume(text)


@pytest.mark.parametrize(
    ("text", "forward"),
    [
        ("25:2525", Forward(25, 2525)),
        ("53:53/udp", Forward(53, 53, protocol="udp")),
        ("53:53/tcp", Forward(53, 53)),
        ("127.0.0.1:8080:80", Forward(8080, 80, "127.0.0.1")),
        ("[::1]:8080:80", Forward(8080, 80, "[::1]")),
    ],
)
def test_a_forward_has_an_address_two_ports_and_a_protocol(text: str, forward: Forward) -> None:
    """Forwards are written as in Compose."""
    assert parse_forward(text) == forward


@pytest.mark.parametrize(
    "text", ["", "25", "25:", ":25", "a:b", "0:25", "25:70000", "25-30:25-30", "1:2:3", "53:53/sctp"]
)
def test_other_forwards_are_refused(text: str) -> None:
    """Ranges, single ports and other protocols are refused."""
    with pytest.raises(InvalidValue):
        parse_forward(text)


@pytest.mark.parametrize(
    ("one", "other", "collides"),
    [
        ("25:25", "25:2525", True),
        ("25:25", "26:25", False),
        ("25:25", "25:25/udp", False),
        ("25:25", "127.0.0.1:25:25", True),
        ("0.0.0.0:25:25", "127.0.0.1:25:25", True),
        ("127.0.0.1:25:25", "127.0.0.2:25:25", False),
    ],
)
def test_two_forwards_collide_on_one_port_of_one_address(one: str, other: str, *, collides: bool) -> None:
    """All addresses include each address."""
    assert parse_forward(one).collides(parse_forward(other)) is collides
    assert parse_forward(other).collides(parse_forward(one)) is collides
