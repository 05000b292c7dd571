"""API calls by which the engine speaks to registries: pull, push, log in, look up."""

from __future__ import annotations

import base64
import json
import re
from contextlib import aclosing
from typing import TYPE_CHECKING

from ftl.common import references
from ftl.common.json_fields import as_object, as_str
from ftl.engine.client import Client, checked
from ftl.engine.values import PushUpdate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ftl.common.json_fields import Json

_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")


class RegistryCalls:
    """Calls with which the engine itself speaks to a registry."""

    _client: Client

    async def pull(
        self, reference: str, *, platform: str | None = None, auth: Mapping[str, str] | None = None
    ) -> AsyncIterator[str]:
        """Let the engine pull an image from its registry; yields its progress by line.

        Without a tag or digest `latest` is pulled, without `platform` ("linux/arm64") the engine's. `auth` has
        `username` and `password`, or `identitytoken`: sent as X-Registry-Auth.
        """
        name = checked(reference) if auth is None else _with_registry(reference)
        async with self._client.call(f"pull {reference}") as docker:
            credentials = dict(auth) if auth is not None else None
            updates = docker.images.pull(name, auth=credentials, platform=platform, stream=True)
            async for item in updates:
                yield _progress(as_object(item))

    async def push(
        self, reference: str, *, auth: Mapping[str, str] | None = None
    ) -> AsyncIterator[PushUpdate]:
        """Let the engine push an image to the registry in its name; yields its progress.

        Engines with overlay2 report the digest in `aux`, those with the containerd store only in their last line
        (seen on 26.1).

        Without a tag `latest` is pushed; `auth` is as for `pull`.
        """
        name, label = references.split(_with_registry(reference))
        headers = {"X-Registry-Auth": _registry_auth(name, auth)}
        updates = self._client.progress(f"push {reference}", f"images/{name}/push", {"tag": label}, headers)
        async with aclosing(updates):
            async for item in updates:
                line = _progress(as_object(item))
                match = _DIGEST.search(line)
                reported = as_str(as_object(as_object(item).get("aux")).get("Digest"))
                digest = reported or (match[1] if match else "")
                if line or digest:
                    yield PushUpdate(line, digest)

    async def at_registry(self, reference: str, *, seconds: float) -> str:
        """Digest of a reference at its registry, which the engine asks without credentials.

        Without a tag or digest `latest`; EngineUnavailable after a time limit.

        Raises:
            EngineError: The registry refused, has no such image, or was not reached; its message is the cause.
        """
        action, path = f"look for {reference} at its registry", f"distribution/{checked(reference)}/json"
        answer = as_object(await self._client.send(action, "GET", path, seconds=seconds))
        return as_str(as_object(answer.get("Descriptor")).get("digest"))

    async def log_in(self, auth: Mapping[str, str]) -> str:
        """Let the engine check credentials at their registry (`serveraddress`); it stores nothing.

        Returns the identity token that the registry issued for them; empty where it issues none.
        """
        action = f"log in to {auth.get('serveraddress', 'the registry')}"
        answer = as_object(await self._client.send(action, "POST", "auth", body=auth))
        return as_str(answer.get("IdentityToken"))


def _registry_auth(name: str, auth: Mapping[str, str] | None) -> str:
    """The value of X-Registry-Auth, without which an engine does not push: anything, where there are no credentials."""
    if auth is None:
        return "placeholder"
    server = {} if "identitytoken" in auth else {"serveraddress": name.partition("/")[0]}
    return base64.urlsafe_b64encode(json.dumps({**auth, **server}).encode()).decode()


def _with_registry(reference: str) -> str:
    """Reference with its registry, which is sent as the credentials' `serveraddress`.

    Docker Hub's must be `index.docker.io`: by `docker.io` the containerd store finds no credentials (moby,
    `authorizationCredsFromAuthConfig`).
    """
    name = references.qualified(checked(reference))
    return f"index.{name}" if name.startswith(f"{references.HUB}/") else name


def _progress(item: Json) -> str:
    layer, status, progress = (as_str(item.get(key)) for key in ("id", "status", "progress"))
    return f"{layer + ': ' if layer else ''}{status} {progress}".rstrip()
