"""Databases by the clients among an app's packages, and the variables that lead to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.app import App
from ftl.onboarding.databases import CLIENTS, needs

if TYPE_CHECKING:
    from ftl.onboarding.databases import DatabaseTraces

VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
PACKAGES = sorted({package for client in CLIENTS for package in client.packages})


@pytest.mark.parametrize("stack", ["Python", "Rails", "Laravel", "Spring Boot"])
@pytest.mark.parametrize("package", PACKAGES)
def test_each_client_has_variables_that_an_app_can_read(package: str, stack: str) -> None:
    """A regular expression that finds names is no name: `MONGO?_URL` cannot be set in a shell."""
    found = needs(App(stack=stack, evidence="", port=8000, packages=frozenset({package})), {})
    assert found
    assert all(need.env for need in found) or stack == "Laravel", "what config/ of Laravel reads counts alone"
    assert [name for need in found for name in need.env if not VARIABLE.fullmatch(name)] == []


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.database.name)
def test_the_usual_variable_is_found_in_code_too(client: DatabaseTraces) -> None:
    """An app that is changed to read it is then one whose code reads it."""
    assert any(re.fullmatch(pattern, client.variable) for pattern in client.variables)


@pytest.mark.parametrize(
    ("package", "variable"),
    [
        ("pymongo", "MONGODB_URI"),
        ("motor", "MONGODB_URI"),
        ("pymemcache", "MEMCACHE_SERVERS"),
        ("elasticsearch", "ELASTICSEARCH_URL"),
        ("redis", "REDIS_URL"),
        ("pika", "RABBITMQ_URL"),
        ("psycopg", "DATABASE_URL"),
    ],
)
def test_the_usual_variable_of_a_client(package: str, variable: str) -> None:
    """Dalli and memjs read MEMCACHE_SERVERS by themselves, Elasticsearch's client for Ruby ELASTICSEARCH_URL."""
    (need,) = needs(App(stack="Python", evidence="", port=8000, packages=frozenset({package})), {})
    assert list(need.env) == [variable]
