"""Short forms that are single values: build secrets, dependencies and addresses of hosts."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.references import split
from ftl.common.suggestions import closest_match
from ftl.config.read.interpolator import AlreadyReported
from ftl.config.read.problems import quoted
from ftl.config.values.scalars import InvalidValue, image
from ftl.config.yaml.tree import MappingEntry, MappingNode, Node, ScalarNode, SequenceNode, describe_kind
from ftl.databases import PRESETS, Database, preset_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl.config.read.reader import Reader
    from ftl.config.yaml.marks import Mark


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
            reader.report(secret.mark, f"secrets: {quoted(name)} is not id, src or env", hint)
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
    return _literal({name: value for name, value in values.items() if value}, secret.mark)


def dependency(reader: Reader, node: ScalarNode) -> MappingNode:
    """Parse `postgres:16`: a preset, or any image, named by the last part of its repository."""
    text = reader.interpolator.read(node, "dependencies")
    reference = text.text
    _check_image(reader, node, text.mark, reference if "/" in reference else reference.lower())
    repository, tag = split(reference)
    preset = PRESETS.get(repository.lower())
    if preset is not None:
        return _from_preset(reader, preset, reference[len(repository) :], tag, text.mark)
    match = closest_match(repository, tuple(PRESETS), 0.85)
    if match is not None:
        hint = f"did you mean `{match}`? If it is another image, write `name` and `image`"
        reader.report(text.mark, f"dependencies: `{repository}` is not known", hint)
        raise AlreadyReported
    _check_image(reader, node, text.mark, reference)
    return _literal({"name": repository.rpartition("/")[2], "image": reference}, text.mark)


def _check_image(reader: Reader, node: ScalarNode, mark: Mark, reference: str) -> None:
    """Report an invalid image here: later, the literal made of it hides that it came from a variable."""
    try:
        image(reference)
    except InvalidValue as error:
        reader.report(mark, f"dependencies: {quoted(node.text)} {error.message}", error.hint)
        raise AlreadyReported from None


def _from_preset(reader: Reader, preset: Database, version: str, tag: str, mark: Mark) -> MappingNode:
    variables = reader.interpolator.variables
    env, missing = preset_environment(preset, tag, variables)
    for name in missing:
        message = f"{preset.name} needs a password: the variable {name} is not set"
        reader.interpolator.problems.add_unset(name, mark, message, variables.advice(name))
    fields: dict[str, Node | None] = {
        "env": _literal(env, mark),
        "ports": SequenceNode(tuple(_scalar(str(port), mark) for port in preset.ports), mark),
    }
    if preset.volume is not None:
        fields["volumes"] = SequenceNode((_scalar(preset.volume, mark),), mark)
    if preset.nofile is not None:
        limits = _literal({"nofile": str(preset.nofile)}, mark)
        fields["container"] = MappingNode({}, mark).replace({"ulimits": limits})
    image_name = f"{preset.image}{version or ':latest'}"
    return _literal({"name": preset.name, "image": image_name}, mark).replace(fields)


def _literal(texts: Mapping[str, str], mark: Mark) -> MappingNode:
    return MappingNode({name: MappingEntry(mark, _scalar(text, mark)) for name, text in texts.items()}, mark)


def _scalar(text: str, mark: Mark) -> ScalarNode:
    return ScalarNode(text, mark, literal=True)


def host_addresses(reader: Reader, hosts: MappingNode) -> Iterator[ScalarNode]:
    """`NAME:ADDRESS` for each address; Compose has one or a list of them."""
    for name, entry in hosts.entries.items():
        for value in entry.value.items if isinstance(entry.value, SequenceNode) else (entry.value,):
            if isinstance(value, ScalarNode):
                yield replace(value, text=f"{name}:{value.text}")
            else:
                reader.report(
                    value.mark, f"an address of {quoted(name)} must be a text, not {describe_kind(value)}"
                )
