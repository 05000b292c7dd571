"""Short forms that are single values: build secrets and addresses of hosts."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.read.interpolator import AlreadyReported
from ftl.config.read.problems import quoted
from ftl.config.yaml.tree import MappingNode, Node, ScalarNode, SequenceNode, literal, mapping_of

if TYPE_CHECKING:
    from ftl.config.read.reader import Reader


_SECRET_FIELDS = {"id", "src", "source", "env", "type"}


def build_secret(reader: Reader, node: ScalarNode) -> MappingNode:
    """Parse `NAME` (a variable), `ID=FILE`, or docker's CSV: `id=ID,src=FILE`, `id=ID,env=NAME`."""
    secret = reader.interpolator.read(node, "secrets")
    text = secret.text
    if text.startswith(("id=", '"id=')):
        parts = dict(part.partition("=")[::2] for part in next(csv.reader([text]), []))
        for name in parts.keys() - _SECRET_FIELDS:
            hint = (
                'quote a comma as in CSV: `id=ca,"src=a,b.pem"`, or write a map: `{id: ca, file: "a,b.pem"}`'
            )
            reader.report(secret.location, f"secrets: {quoted(name)} is not id, src or env", hint)
            raise AlreadyReported
        values = {
            "id": parts.get("id"),
            "file": parts.get("src") or parts.get("source"),
            "env": parts.get("env"),
        }
    elif "=" in text:
        identity, _, file = text.partition("=")
        values = {"id": identity, "file": file}
    else:
        values = {"id": text, "env": text}
    literals = {name: literal(value, secret.location) for name, value in values.items() if value}
    return mapping_of(literals, secret.location)


def host_lines(name: str, addresses: Node) -> tuple[Node, ...]:
    """`NAME:ADDRESS` for each address of a host; Compose has one or a list of them."""
    items = addresses.items if isinstance(addresses, SequenceNode) else (addresses,)
    return tuple(
        replace(item, text=f"{name}:{item.text}") if isinstance(item, ScalarNode) else item for item in items
    )
