"""Hints for unknown keys: misspellings, and keys of Compose, Kamal and the original FTL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.suggestions import closest_match
from ftl.config.read.compose_keys import BUILD_HINTS, DEPENDENCY_HINTS, SERVICE_HINTS

if TYPE_CHECKING:
    from collections.abc import Collection

_HINTS: dict[str, dict[str, str]] = {
    "": {
        "version": "leave it out: ftl.yaml has no version",
        "name": "write it as `name` below `project`",
        "domain": "write it as `domain` below `project`",
        "hosts": "write `servers`, a list; or `server` for one",
        "nodes": "write `servers`, a list",
        "service": "write `services`, a list; the project's name is `name` below `project`",
        "networks": "leave it out: each project has one private network",
        "models": "FTL has none: run the model as one of the `dependencies`",
        "accessories": "write `dependencies`",
        "databases": "write `dependencies`",
        "env": "write `env` below each service; put what they share under an `x-...` key with an anchor",
        "registry": "write `registries`, a list; credentials of `docker login` are used without it",
        "builder": "write `build` below the service",
        "configs": "write `files` below the service: `{/etc/app.conf: conf/app.conf}`",
        "ssh": "write `server`, with `host`, `user`, `port` and `ssh_key`",
        "hooks": "write `hooks` below a service",
    },
    "services": {
        **SERVICE_HINTS,
        "app_port": "write `port`",
        "env_vars": "write `env`, a list of NAME=VALUE or a map",
        "envs": "write `env`",
        "dependencies": "write `dependencies` at the top of the file",
        "dockerfile": "write it below `build`",
        "context": "write it below `build`",
        "args": "write it below `build`",
        "target": "write it below `build`",
        "host": "write it in `routes`, as `host`",
        "hosts": "write it in `routes`, as `host`",
        "domain": "write it in `routes`, as `host`",
        "domains": "write it in `routes`, as `host`",
        "proxy": "write `routes` and `port`",
        "cmd": "write `command`",
        "pre": "write it below `hooks`",
        "post": "write it below `hooks`",
        "local_ports": "write `forwards`, with 127.0.0.1: before the port",
        "servers": "write `on`, with roles or hosts of `servers`",
    },
    "dependencies": {
        **DEPENDENCY_HINTS,
        "port": "write `ports`, a list",
        "env_vars": "write `env`, a list of NAME=VALUE or a map",
        "health_check": "write it below `container`",
        "routes": "write it as one of the `services`",
        "type": "write `image`, or the short form: `- postgres:16`",
        "version": "write it in `image`, or the short form: `- postgres:16`",
    },
    "server": {
        "key": "write `ssh_key`",
        "identity_file": "write `ssh_key`",
        "hosts": "write `host`; several servers are a list under `servers`",
        "address": "write `host`",
        "ip": "write `host`",
        "username": "write `user`",
    },
    "servers": {
        "key": "write `ssh_key`",
        "identity_file": "write `ssh_key`",
        "address": "write `host`",
        "ip": "write `host`",
        "private_ip": "write `private_address`",
        "role": "write `roles`, a list",
        "username": "write `user`",
    },
    "build": {
        **BUILD_HINTS,
        "path": "write `context`",
        "file": "write `dockerfile`",
    },
    "health_check": {
        "cmd": "write it below `container.health_check`",
        "test": "write `cmd` below `container.health_check`",
        "port": "leave it out: the service's `port` is probed",
        "url": "write `path`",
    },
    "container": {"healthcheck": "write `health_check`", "run_once": "write a hook"},
    "container.health_check": {
        "test": "write `cmd`",
        "command": "write `cmd`",
        "path": "write it below the service's own `health_check`",
    },
    "routes": {
        "prefix": "write `path`",
        "path_prefix": "write `path`",
        "domain": "write `host`",
        "port": "write it as the service's `port`",
        "redirect": "write `redirects` below `proxy`: `{www.example.com: example.com}`",
    },
    "registries": {
        "host": "write `server`",
        "url": "write `server`",
        "registry": "write `server`",
        "user": "write `username`",
        "login": "write `username`",
        "pass": "write `password`",
        "secret": "write `password` or `token`",
        "password_command": "write `command`",
        "identity_token": "write `token`, without a `username`",
    },
    "proxy": {
        "email": "write it below `project`",
        "ssl": "write `tls`",
        "https": "write `tls`",
        "cert": "write `certificate`",
        "www": "write `redirects`: `{www.example.com: example.com}`",
        "redirect": "write `redirects`: `{www.example.com: example.com}`",
        "forward_headers": "write `trusted_proxies`, the address ranges of the load balancer or CDN in front",
        "acme": "write `acme_ca`",
        "host": "write it in the service's `routes`",
    },
}


def foreign_hint(key: str, section: str) -> str | None:
    """The hint for a key of another tool; None for a key that no tool has.

    A section is "services", "container.health_check", or "" for the top.
    """
    return _HINTS.get(section, {}).get(_normalized(key))


def advice(key: str, known: Collection[str], section: str) -> tuple[str, str | None]:
    """The hint for an unknown key (see `foreign_hint`), and the known key that it misspells."""
    hint = foreign_hint(key, section)
    if hint is not None:
        return hint, None
    match = closest_match(_normalized(key), known)
    if match is not None:
        return f"did you mean `{match}`?", match
    hints = _HINTS.get(section, {})
    similar = closest_match(_normalized(key), hints, 0.8)
    return (hints[similar] if similar else f"the keys here are {', '.join(known)}"), None


def _normalized(key: str) -> str:
    return key.lower().replace("-", "_")
