"""Short forms -> long forms, on the tree, before it is read: what a user may write for less.

A single value in place of a section is no matter of this module where it only stands for one key of it (the
kind `Nested` names that key).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.models.presets import PRESETS, Preset, environment
from ftl.config.models.project import BuildSecret, Container, Dependency, Project, Proxy, Section, Service
from ftl.config.read.hints import nearest
from ftl.config.read.reader import ShortForm, shortened
from ftl.config.read.scalars import InvalidValue, image
from ftl.config.variables import read_env_file, unreadable
from ftl.config.yaml.interpolated import AlreadyReported
from ftl.config.yaml.tree import MappingEntry, MappingNode, Mark, Node, ScalarNode, SequenceNode, is_null
from ftl.references import split

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from ftl.config.read.reader import KeyPath, Reader


def project(reader: Reader, mapping: MappingNode, _way: KeyPath) -> MappingNode:
    """Take `volumes` as a map of names without options, as Compose has it."""
    volumes = mapping.get("volumes")
    if not isinstance(volumes, MappingNode):
        return mapping
    for name, entry in volumes.entries.items():
        if not (is_null(entry.value) or (isinstance(entry.value, MappingNode) and not entry.value.entries)):
            reader.texts.report(
                entry.value.mark, f"volumes: `{name}` has options", "leave them out: names are enough"
            )
    names = tuple(ScalarNode(name, entry.key, literal=True) for name, entry in volumes.entries.items())
    return mapping.replace({"volumes": SequenceNode(names, volumes.mark)})


def service(reader: Reader, mapping: MappingNode, way: KeyPath) -> MappingNode:
    """Take `path: DIR` for a build, and put what env_file holds below env."""
    path, build, files = (mapping.get(name) for name in ("path", "build", "env_file"))
    changes: dict[str, Node | None] = {"path": None, "env_file": None}
    if path is not None:
        if build is not None:
            reader.texts.report(
                path.mark, "path and build are both given", "keep `build`; `path` is its short form"
            )
        else:
            changes["build"] = MappingNode({}, path.mark).replace({"context": path})
    if files is not None:
        reader.base[(*way, "env")] = _env_files(reader, files)
        if mapping.get("env") is None:
            changes["env"] = MappingNode({}, files.mark)
    return mapping.replace(changes)


def _env_files(reader: Reader, files: Node) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in files.items if isinstance(files, SequenceNode) else (files,):
        name = reader.texts.find(file, "env_file")
        if name is not None:
            found |= _env_file(reader, name, file.mark)
    return found


def _env_file(reader: Reader, name: str, mark: Mark) -> dict[str, str]:
    path = reader.folder / name
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        reader.texts.report(mark, f"env_file: there is no file {name}", "its place is relative to ftl.yaml")
    except (OSError, ValueError) as error:
        reader.texts.report(mark, f"env_file: {name} cannot be read: {unreadable(error)}")
    else:
        values, bad = read_env_file(text, reader.texts.variables)
        for line in bad:
            reader.texts.report(mark, f"env_file: line {line} of {name} is not NAME=VALUE")
        return values
    return {}


def container(_reader: Reader, mapping: MappingNode, _way: KeyPath) -> MappingNode:
    """Take `ulimits` as a map, as Compose has it: `nofile: 65535` or `nofile: {soft: 1024, hard: 65535}`."""
    limits = mapping.get("ulimits")
    if not isinstance(limits, MappingNode):
        return mapping
    items = tuple(_limit(name, entry) for name, entry in limits.entries.items())
    return mapping.replace({"ulimits": SequenceNode(items, limits.mark)})


def _limit(name: str, entry: MappingEntry) -> MappingNode:
    value = entry.value
    named = {"name": ScalarNode(name, entry.key, literal=True)}
    if isinstance(value, MappingNode):
        return MappingNode(value.entries, entry.key).replace(named)
    return MappingNode({}, entry.key).replace({**named, "soft": value, "hard": value})


def proxy(_reader: Reader, mapping: MappingNode, _way: KeyPath) -> MappingNode:
    """Take `redirects` as a map of hosts."""
    redirects = mapping.get("redirects")
    if not isinstance(redirects, MappingNode):
        return mapping
    items = tuple(_redirect(name, entry) for name, entry in redirects.entries.items())
    return mapping.replace({"redirects": SequenceNode(items, redirects.mark)})


def _redirect(host: str, entry: MappingEntry) -> MappingNode:
    return MappingNode({}, entry.key).replace(
        {"host": ScalarNode(host, entry.key, literal=True), "to": entry.value}
    )


def build_secret(reader: Reader, node: ScalarNode) -> MappingNode:
    """Read `NAME` (a variable), `ID=FILE`, or docker's own `id=ID,src=FILE` and `id=ID,env=NAME`."""
    text = reader.texts.get(node, "secrets").text
    if text.startswith("id="):
        parts = dict(part.partition("=")[::2] for part in text.split(","))
        given = {
            "id": parts.get("id"),
            "file": parts.get("src") or parts.get("source"),
            "env": parts.get("env"),
        }
    elif "=" in text:
        identity, _, file = text.partition("=")
        given = {"id": identity, "file": file}
    else:
        given = {"id": text, "env": text}
    return _literal({name: value for name, value in given.items() if value}, node.mark)


def dependency(reader: Reader, node: ScalarNode) -> MappingNode:
    """Read `postgres:16`: a preset, or any other image under the last part of its name."""
    reference = reader.texts.get(node, "dependencies").text
    _check_image(reader, node, reference if "/" in reference else reference.lower())
    repository, tag = split(reference)
    preset = PRESETS.get(repository.lower())
    if preset is not None:
        return _from_preset(reader, preset, reference[len(repository) :], tag, node.mark)
    meant = nearest(repository, tuple(PRESETS), 0.85)
    if meant is not None:
        hint = f"did you mean `{meant}`? If it is another image, write `name` and `image`"
        reader.texts.report(node.mark, f"dependencies: `{repository}` is not known", hint)
        raise AlreadyReported
    _check_image(reader, node, reference)
    return _literal({"name": repository.rpartition("/")[2], "image": reference}, node.mark)


def _check_image(reader: Reader, node: ScalarNode, reference: str) -> None:
    """Say what is wrong with an image's name here: further on, what was made of it cannot be told from a variable."""
    try:
        image(reference)
    except InvalidValue as error:
        reader.texts.report(node.mark, f"dependencies: `{shortened(node.text)}` {error.message}", error.hint)
        raise AlreadyReported from None


def _from_preset(reader: Reader, preset: Preset, version: str, tag: str, mark: Mark) -> MappingNode:
    env, missing = environment(preset, tag, reader.texts.variables)
    for name in missing:
        message = f"{preset.name} needs a password: the variable {name} is not set"
        reader.texts.report(mark, message, f"set {name} in the environment or in .env beside ftl.yaml")
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


def _literal(texts: MappingType[str, str], mark: Mark) -> MappingNode:
    return MappingNode({name: MappingEntry(mark, _scalar(text, mark)) for name, text in texts.items()}, mark)


def _scalar(text: str, mark: Mark) -> ScalarNode:
    return ScalarNode(text, mark, literal=True)


SHORT_FORMS: dict[type[Section], ShortForm] = {
    Project: ShortForm(project),
    Service: ShortForm(
        service,
        beside={
            "path": "The original FTL's short form of `build: {context: DIR}`.",
            "env_file": "A file of NAME=VALUE lines, or a list of them; relative to ftl.yaml. `env` wins.",
        },
    ),
    Container: ShortForm(container),
    Proxy: ShortForm(proxy),
    Dependency: ShortForm(from_text=dependency),
    BuildSecret: ShortForm(from_text=build_secret),
}
