"""The settings merged into daemon.json."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.server.setup.plan import daemon

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)

NAMES = st.sampled_from(["live-restore", "log-driver", "log-opts", "debug", "dns"]) | st.text()


@given(st.dictionaries(NAMES, JSON, max_size=6))
def test_existing_settings_are_kept(settings: dict[str, object]) -> None:
    """Each keeps its value (log-opts may gain some), and merging again changes nothing."""
    made = daemon.merged(json.dumps(settings).encode(), name="shop")
    after: dict[str, Any] = settings if made is None else json.loads(made)
    for key, value in settings.items():
        if key == "log-opts" and isinstance(value, dict):
            assert value.items() <= after[key].items()
        else:
            assert after[key] == value
    assert daemon.merged(json.dumps(after).encode(), name="shop") is None


@pytest.mark.parametrize(
    ("content", "arguments", "swarm", "expected"),
    [
        (None, (), False, {"live-restore", "log-driver", "log-opts"}),
        (b"", (), False, {"live-restore", "log-driver", "log-opts"}),
        (b'{"log-driver": "journald"}', (), False, {"live-restore", "log-driver"}),
        (None, ("dockerd", "--log-driver=local"), False, {"live-restore"}),
        (None, ("dockerd", "--live-restore"), False, {"log-driver", "log-opts"}),
        (None, (), True, {"log-driver", "log-opts"}),
    ],
)
def test_settings_that_keep_docker_from_starting_are_left_out(
    content: bytes | None, arguments: tuple[str, ...], swarm: bool, expected: set[str]
) -> None:
    """Those that are on its command line, options of another log driver, and live-restore in a swarm."""
    made = daemon.merged(content, arguments, swarm=swarm, name="shop")
    assert made is not None
    assert json.loads(made).keys() == expected


def test_insecure_registries_are_added() -> None:
    """To those in the file, without duplicates; none where ftl.yaml lists none."""
    content = b'{"insecure-registries": ["10.0.0.9:5000"]}'
    made = daemon.merged(content, insecure=("10.0.0.5:5000", "10.0.0.9:5000"), name="shop")
    assert made is not None
    assert json.loads(made)["insecure-registries"] == ["10.0.0.9:5000", "10.0.0.5:5000"]
    assert daemon.merged(made, insecure=("10.0.0.5:5000",), name="shop") is None
    plain = daemon.merged(None, name="shop")
    assert plain is not None
    assert "insecure-registries" not in json.loads(plain)


@pytest.mark.parametrize(
    ("before", "insecure", "expected"),
    [
        (None, (), ("log rotation", "live-restore")),
        (b'{"live-restore": false}', (), ("log rotation",)),
        (b'{"log-driver": "local"}', ("10.0.0.5:5000",), ("live-restore", "insecure registries")),
    ],
)
def test_changed_topics_are_named(
    before: bytes | None, insecure: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """And only those: a plan lists exactly what changes."""
    after = daemon.merged(before, insecure=insecure, name="shop")
    assert after is not None
    assert daemon.changed_topics(before, after) == expected
