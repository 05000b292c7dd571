"""Placeholders in a project: domains, servers and addresses that only examples have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.config.values.addresses import is_example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.config.models.project import Project
    from ftl.config.yaml.locations import KeyPath

_SANDBOX = ftl("deploy --server sandbox")
_UNKNOWN = f"no visitor and no certificate authority finds it: write your own ({_SANDBOX} needs none)"
_SERVER = f"no server has it: write your own ({_SANDBOX} needs none)"
_CONTACT = "certificate authorities refuse it: write your own, or leave it out"


def placeholder_notes(project: Project) -> tuple[str, ...]:
    """A note on each placeholder, with its place; a value in several places is named once.

    None where no public authority is asked for certificates: such a network may have names of its own.
    """
    proxy = project.proxy
    if proxy.tls != "auto" or proxy.certificate is not None or proxy.acme_ca is not None:
        return ()
    notes: dict[tuple[str, str], str] = {}
    for path, value, consequence in _placeholders(project):
        place = project.locations.nearest(*path).shown
        key = next(str(step) for step in reversed(path) if isinstance(step, str))
        notes.setdefault((value, consequence), f"{place}: {key}: {value} is a placeholder, and {consequence}")
    return tuple(notes.values())


def _placeholders(project: Project) -> Iterator[tuple[KeyPath, str, str]]:
    """Values that are reserved for examples, and the consequence of each."""
    values = [(path, host, _UNKNOWN) for path, host in _public_hosts(project)]
    servers: list[tuple[KeyPath, str]] = [(("server", "host"), project.server.host)]
    servers += [(("servers", number, "host"), server.host) for number, server in enumerate(project.servers)]
    for path, host in servers:
        # The domain is in place of an empty one; a name without a dot may be a Host of ~/.ssh/config.
        if path in project.locations.by_path and host != project.project.domain and "." in host:
            values.append((path, host, _SERVER))
    values.append((("project", "email"), project.project.email or "", _CONTACT))
    return ((path, value, consequence) for path, value, consequence in values if is_example(value))


def _public_hosts(project: Project) -> Iterator[tuple[KeyPath, str]]:
    yield ("project", "domain"), project.project.domain or ""
    for index, service in enumerate(project.services):
        for number, route in enumerate(service.routes):
            yield ("services", index, "routes", number, "host"), route.host or ""
    for number, redirect in enumerate(project.proxy.redirects):
        yield ("proxy", "redirects", number, "host"), redirect.host
