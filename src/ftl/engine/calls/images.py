"""API calls about images; load, save, pull and push are streams of bounded memory."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from contextlib import aclosing
from io import BytesIO
from typing import TYPE_CHECKING

from ftl.common import references
from ftl.common.json_fields import as_int, as_object, as_objects, as_str, parse_json
from ftl.engine import convert
from ftl.engine.calls import body
from ftl.engine.client import Client, checked, unbounded
from ftl.engine.errors import ignoring, none_if_missing
from ftl.engine.values import PushUpdate
from ftl.errors import EngineError, FtlError

_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from ftl.common.json_fields import Json
    from ftl.engine.values import DiskUsage, Image


async def listed(client: Client, labels: Mapping[str, str] | None) -> list[Image]:
    """`GET /images/json`."""
    query = {"filters": body.labelled(labels)}
    items = as_objects(await client.get_json("list its images", "images/json", query))
    return [convert.listed_image(item) for item in items]


async def inspect(client: Client, reference: str) -> Image | None:
    """`GET /images/{name}/json`."""

    async def work() -> Image:
        record = await client.get_json(f"inspect {reference}", f"images/{checked(reference)}/json")
        return convert.inspected_image(as_object(record))

    return await none_if_missing(work())


async def layer_sizes(client: Client, reference: str) -> list[int]:
    """`GET /images/{name}/history`, which lists the last step first."""
    action = f"read the history of {reference}"
    steps = as_objects(await client.get_json(action, f"images/{checked(reference)}/history"))
    return [as_int(step.get("Size")) for step in reversed(steps)]


async def usage(client: Client, seconds: float) -> DiskUsage:
    """`GET /system/df`; from API 1.42 on (Docker 23) it can be limited to some types.

    Volumes are slow to count and not needed.
    """
    kinds = [("type", "image"), ("type", "build-cache")]
    async with (
        client.call("sum up its disk usage", seconds=seconds) as docker,
        asyncio.timeout(seconds),
        client.raw(docker, "GET", "system/df", query=kinds) as response,
    ):
        return convert.usage(as_object(await response.json()))


async def prune_build_cache(client: Client, seconds: float) -> None:
    """`POST /build/prune` with `all`: also what a Dockerfile of today would use again."""
    async with (
        client.call("remove its build cache", seconds=seconds) as docker,
        asyncio.timeout(seconds),
        client.raw(docker, "POST", "build/prune", query=[("all", "1")]) as response,
    ):
        await response.read()


async def tag(client: Client, reference: str, new: str) -> None:
    """`POST /images/{name}/tag`."""
    name, label = references.split(checked(new))
    query = {"repo": name, "tag": label}
    path = f"images/{checked(reference)}/tag"
    await client.send(f"tag {reference} as {new}", "POST", path, query, is_repeatable=True)


async def untag(client: Client, reference: str) -> None:
    """`DELETE /images/{name}`."""
    with ignoring(404):
        path = f"images/{checked(reference)}"
        await client.send(f"remove {reference}", "DELETE", path, is_repeatable=True)


async def load(client: Client, archive: AsyncIterator[bytes]) -> list[str]:
    """Send an archive to `POST /images/load`; the messages it answered with."""
    source = _Source(archive)
    messages: list[str] = []
    try:
        async with client.call("load an image") as docker:
            async for item in docker.images.import_image(source, stream=True, timeout=unbounded()):
                message = as_str(as_object(item).get("stream")).strip()
                # The containerd store reports this as an ordinary line (seen on 28.5.2).
                if message.lower().startswith("error unpacking"):
                    raise EngineError(f"the engine on {client.name} could not unpack an image", cause=message)
                if message:
                    messages.append(message)
    except FtlError:
        if source.error is not None:  # what went wrong here, not what the engine made of half an archive
            raise source.error from None
        raise
    return messages


class _Source:
    """The archive on its way out; remembers its own error, which the HTTP client would bury in another."""

    def __init__(self, archive: AsyncIterator[bytes]) -> None:
        self._archive = archive
        self.error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._archive:
                yield chunk
        except Exception as error:
            self.error = error
            raise


async def save(client: Client, references: Sequence[str]) -> AsyncGenerator[bytes, None]:
    """`GET /images/get`: one archive of several images, which aiodocker's export cannot ask for."""
    query = [("names", checked(reference)) for reference in references]
    async with (
        client.call(f"save {', '.join(references)}") as docker,
        client.raw(docker, "GET", "images/get", query=query) as response,
    ):
        async for chunk in response.content.iter_any():
            yield chunk


async def pull(
    client: Client, reference: str, *, platform: str | None, auth: Mapping[str, str] | None
) -> AsyncIterator[str]:
    """`POST /images/create`: the engine's own progress, a line each."""
    name = checked(reference) if auth is None else _with_registry(reference)
    async with client.call(f"pull {reference}") as docker:
        credentials = dict(auth) if auth is not None else None
        updates = docker.images.pull(name, auth=credentials, platform=platform, stream=True)
        async for item in updates:
            yield _progress(as_object(item))


async def build(
    client: Client,
    tag: str,
    context: bytes,
    *,
    arguments: Mapping[str, str],
    labels: Mapping[str, str],
) -> AsyncGenerator[str]:
    """`POST /build` by the engine's own builder: its output, line by line.

    BuildKit reports its progress in protobuf, and wants a session besides (`docker build` opens one); the builder
    before it is in every engine from 20.10 to 28 and answers with text.
    """
    async with client.call(f"build {tag}") as docker:
        updates = docker.images.build(
            fileobj=BytesIO(context),
            encoding="identity",
            tag=tag,
            buildargs=dict(arguments),
            labels=dict(labels),
            forcerm=True,
            stream=True,
        )
        async for item in updates:
            for line in as_str(as_object(item).get("stream")).splitlines():
                yield line


async def import_archive(client: Client, reference: str, archive: AsyncIterator[bytes]) -> None:
    """`POST /images/create?fromSrc=-`: the file system as one layer. aiodocker lacks it."""
    name, label = references.split(checked(reference))
    query = [("fromSrc", "-"), ("repo", name), ("tag", label)]
    async with (
        client.call(f"import {reference}") as docker,
        client.raw(docker, "POST", "images/create", query=query, data=archive) as response,
    ):
        async for line in response.content:
            message = as_str(as_object(parse_json(line)).get("error"))
            if message:
                raise EngineError(f"the engine on {client.name} could not import {reference}", cause=message)


async def at_registry(client: Client, reference: str, seconds: float) -> str:
    """`GET /distribution/{name}/json`: the digest at the registry."""
    path = f"distribution/{checked(reference)}/json"
    async with (
        client.call(f"look for {reference} at its registry", seconds=seconds) as docker,
        asyncio.timeout(seconds),
        client.raw(docker, "GET", path) as response,
    ):
        return as_str(as_object(as_object(await response.json()).get("Descriptor")).get("digest"))


async def push(
    client: Client, reference: str, *, auth: Mapping[str, str] | None
) -> AsyncIterator[PushUpdate]:
    """`POST /images/{name}/push`: the engine's progress, and at last the digest.

    Engines with overlay2 report it in `aux`, those with the containerd store only in their last line (seen on 26.1).
    """
    name, label = references.split(_with_registry(reference))
    headers = {"X-Registry-Auth": _registry_auth(name, auth)}
    updates = client.progress(f"push {reference}", f"images/{name}/push", {"tag": label}, headers)
    async with aclosing(updates):
        async for item in updates:
            line = _progress(as_object(item))
            match = _DIGEST.search(line)
            digest = as_str(as_object(as_object(item).get("aux")).get("Digest")) or (
                match[1] if match else ""
            )
            if line or digest:
                yield PushUpdate(line, digest)


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


async def log_in(client: Client, auth: Mapping[str, str]) -> str:
    """`POST /auth`: the engine asks the registry. Returns its identity token, if any."""
    async with client.call(f"log in to {auth.get('serveraddress', 'the registry')}") as docker:
        answer = as_object(await docker.auth(**auth))
    return as_str(answer.get("IdentityToken"))


def _progress(item: Json) -> str:
    layer, status, progress = (as_str(item.get(key)) for key in ("id", "status", "progress"))
    return f"{layer + ': ' if layer else ''}{status} {progress}".rstrip()
