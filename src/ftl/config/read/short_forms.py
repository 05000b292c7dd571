"""Short forms: converted to the declared form of their section before it is read.

A single value in place of a section is not handled here if it only stands for one key of the section (the field type
`Nested` names that key).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.common.suggestions import closest_match
from ftl.config.models.container import File
from ftl.config.models.field_types import keys_of
from ftl.config.models.project import (
    Build,
    BuildSecret,
    ContainerOptions,
    Dependency,
    Project,
    Proxy,
    Section,
    Service,
)
from ftl.config.read.interpolator import AlreadyReported
from ftl.config.read.problems import quoted
from ftl.config.read.reader import ShortForm
from ftl.config.read.single_values import build_secret, dependency, host_addresses
from ftl.config.values.scalars import InvalidValue, local_path
from ftl.config.variables.env_file import Variable, parse_env_file
from ftl.config.yaml.marks import SourceFile, display_path
from ftl.config.yaml.tree import MappingEntry, MappingNode, Node, ScalarNode, SequenceNode, is_null

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.read.reader import Reader
    from ftl.config.yaml.marks import KeyPath, Mark


def project(reader: Reader, mapping: MappingNode, _path: KeyPath) -> MappingNode:
    """Accept `secrets` as a map of names, and `volumes` as one without options, as in Compose."""
    mapping = secrets_of_project(mapping)
    volumes = mapping.get("volumes")
    if not isinstance(volumes, MappingNode):
        return mapping
    for name, entry in volumes.entries.items():
        if not (is_null(entry.value) or (isinstance(entry.value, MappingNode) and not entry.value.entries)):
            hint = "remove them: volumes have no options here"
            reader.report(entry.value.mark, f"volumes: `{name}` has options", hint)
    names = tuple(ScalarNode(name, entry.key, literal=True) for name, entry in volumes.entries.items())
    return mapping.replace({"volumes": SequenceNode(names, volumes.mark)})


def secrets_of_project(mapping: MappingNode) -> MappingNode:
    """Accept `secrets` as a map of names, the form in which it is meant to be written."""
    secrets = mapping.get("secrets")
    if not isinstance(secrets, MappingNode):
        return mapping
    items = tuple(
        entry.value.replace({"name": ScalarNode(name, entry.key, literal=True)})
        if isinstance(entry.value, MappingNode)
        else entry.value
        for name, entry in secrets.entries.items()
    )
    return mapping.replace({"secrets": SequenceNode(items, secrets.mark)})


def _service_secrets(reader: Reader, names: Node | None) -> tuple[dict[str, Variable], list[MappingNode]]:
    """Secrets of a service: as variables, and as files; a name that the project does not declare is reported."""
    variables = reader.interpolator.variables
    found: dict[str, Variable] = {}
    files: list[MappingNode] = []
    for item in names.items if isinstance(names, SequenceNode) else ():
        node = item.get("name") if isinstance(item, MappingNode) else item
        if not isinstance(node, ScalarNode):
            continue
        target = item.get("file") if isinstance(item, MappingNode) else None
        if node.text in reader.secrets:
            if node.text in variables and isinstance(item, MappingNode) and target is not None:
                content = ScalarNode(variables[node.text], node.mark, literal=True)
                mode = item.get("mode") or ScalarNode("0400", node.mark, literal=True)
                file = MappingNode({}, item.mark).replace({"path": target, "content": content, "mode": mode})
                files.append(file.replace({"owner": item.get("owner")}))
            elif node.text in variables:
                found[node.text] = replace(variables.find(node.text), mark=node.mark)
        else:
            match = closest_match(node.text, reader.secrets)
            hint = f"did you mean `{match}`?" if match else "write it below `secrets` at the top of the file"
            reader.report(node.mark, f"secrets: the project has no secret `{node.text}`", hint)
    return found, files


def service(reader: Reader, mapping: MappingNode, path: KeyPath) -> MappingNode:
    """Accept `path: DIR`, add the default build, and put variables of env_file below env."""
    mapping = container_settings(reader, mapping, path)
    context, build, files = (mapping.get(name) for name in ("path", "build", "env_file"))
    changes: dict[str, Node | None] = {"path": None, "env_file": None}
    if context is not None:
        if build is not None:
            hint = "keep `build`; `path` is its short form"
            reader.report(context.mark, "path and build are both given", hint)
        else:
            changes["build"] = MappingNode({}, context.mark).replace({"context": context})
    elif build is None and mapping.get("image") is None and not _misspells_image(mapping):
        changes["build"] = MappingNode({}, mapping.mark)
    secrets, secret_files = _service_secrets(reader, mapping.get("secrets"))
    if secret_files:
        entry = mapping.get("files")
        others = entry.items if isinstance(entry, SequenceNode) else ()
        changes["files"] = SequenceNode((*others, *secret_files), (entry or mapping).mark)
    if files is not None or secrets:
        from_files = _env_files(reader, files) if files is not None else {}
        reader.env_files[(*path, "env")] = from_files | secrets
        if mapping.get("env") is None:
            changes["env"] = MappingNode({}, (files or mapping).mark)
    return mapping.replace(changes)


def file(reader: Reader, mapping: MappingNode, _path: KeyPath) -> MappingNode:
    """Read the content of `source`, so that it is part of the project and of its releases."""
    source = mapping.get("source")
    if source is None or mapping.get("content") is not None:
        if source is not None:
            reader.report(source.mark, "files: both source and content are given", "keep one of the two")
        return mapping
    try:
        name = reader.interpolator.read(source, "source")
        content = read_small_text(reader.folder / local_path(name.text))
    except AlreadyReported:
        return mapping
    except InvalidValue as error:
        reader.report(source.mark, f"source {error.message}")
        return mapping
    except FileNotFoundError:
        reader.report(name.mark, f"files: there is no file {name.text}", "its path is relative to ftl.yaml")
        return mapping
    except OSError as error:
        hint = "build files other than text into the image"
        reader.report(name.mark, f"files: {quoted(name.text)} cannot be read: {error.strerror}", hint)
        return mapping
    return mapping.replace({"content": ScalarNode(content, source.mark, literal=True)})


def container_settings(reader: Reader, mapping: MappingNode, path: KeyPath) -> MappingNode:
    """Accept Compose's other forms of settings.

    `ulimits` beside the other keys, one `tmpfs` as a single value, `extra_hosts` and `files` as maps.
    """
    changes: dict[str, Node | None] = {}
    files = mapping.get("files")
    if isinstance(files, MappingNode):
        entries = (
            MappingNode({}, entry.key).replace(
                {"path": ScalarNode(target, entry.key, literal=True), "source": entry.value}
            )
            for target, entry in files.entries.items()
        )
        changes["files"] = SequenceNode(tuple(entries), files.mark)
    limits, section = mapping.get("ulimits"), mapping.get("container")
    if limits is not None and (section is None or isinstance(section, MappingNode)):
        below = section or MappingNode({}, limits.mark)
        if below.get("ulimits") is None:
            changes |= {"ulimits": None, "container": below.replace({"ulimits": limits})}
    for key in ("tmpfs", "on") if path[0] == "services" else ("tmpfs",):
        single = mapping.get(key)
        if isinstance(single, ScalarNode):
            changes[key] = SequenceNode((single,), single.mark)
    hosts = mapping.get("extra_hosts")
    if isinstance(hosts, MappingNode):
        items = tuple(host_addresses(reader, hosts))
        changes["extra_hosts"] = SequenceNode(items, hosts.mark)
    return mapping.replace(changes)


def _misspells_image(mapping: MappingNode) -> bool:
    """Whether an unknown key is meant for the image or its build, so that the default would be a second problem."""
    unknown = [key for key in mapping.entries if key not in keys_of(Service)]
    return any(closest_match(key, ("image", "build")) for key in unknown)


def _env_files(reader: Reader, files: Node) -> dict[str, Variable]:
    variables: dict[str, Variable] = {}
    for file in files.items if isinstance(files, SequenceNode) else (files,):
        try:
            name = reader.interpolator.read(file, "env_file")
        except AlreadyReported:
            continue
        variables |= _env_file(reader, name.text, name.mark, variables)
    return variables


def _env_file(reader: Reader, name: str, mark: Mark, before: Mapping[str, Variable]) -> dict[str, Variable]:
    try:
        path = reader.folder / local_path(name)
        source = SourceFile(display_path(path), read_small_text(path), confidential=True)
    except InvalidValue as error:
        reader.report(mark, f"env_file {error.message}")
    except FileNotFoundError:
        reader.report(mark, f"env_file: there is no file {name}", "its path is relative to ftl.yaml")
    except OSError as error:
        reader.report(mark, f"env_file: {quoted(name)} cannot be read: {error.strerror}")
    else:
        variables, problems = parse_env_file(source, reader.interpolator.variables, before=before)
        reader.interpolator.problems.extend(problems)
        return variables
    return {}


def container(_reader: Reader, mapping: MappingNode, _path: KeyPath) -> MappingNode:
    """Accept `ulimits` as a map, as in Compose.

    `nofile: 65535` or `nofile: {soft: 1024, hard: 65535}`.
    """
    limits = mapping.get("ulimits")
    if not isinstance(limits, MappingNode):
        return mapping
    items = tuple(_limit(name, entry) for name, entry in limits.entries.items())
    return mapping.replace({"ulimits": SequenceNode(items, limits.mark)})


def _limit(name: str, entry: MappingEntry) -> MappingNode:
    value = entry.value
    name_node = {"name": ScalarNode(name, entry.key, literal=True)}
    if isinstance(value, MappingNode):
        return MappingNode(value.entries, entry.key).replace(name_node)
    return MappingNode({}, entry.key).replace({**name_node, "soft": value, "hard": value})


def proxy(_reader: Reader, mapping: MappingNode, _path: KeyPath) -> MappingNode:
    """Accept `redirects` as a map of hosts."""
    redirects = mapping.get("redirects")
    if not isinstance(redirects, MappingNode):
        return mapping
    items = tuple(_redirect(name, entry) for name, entry in redirects.entries.items())
    return mapping.replace({"redirects": SequenceNode(items, redirects.mark)})


def build(_reader: Reader, mapping: MappingNode, _path: KeyPath) -> MappingNode:
    """Accept one `cache` as a single value."""
    cache = mapping.get("cache")
    if not isinstance(cache, ScalarNode):
        return mapping
    return mapping.replace({"cache": SequenceNode((cache,), cache.mark)})


def _redirect(host: str, entry: MappingEntry) -> MappingNode:
    host_node = ScalarNode(host, entry.key, literal=True)
    return MappingNode({}, entry.key).replace({"host": host_node, "to": entry.value})


def dependency_section(reader: Reader, mapping: MappingNode, path: KeyPath) -> MappingNode:
    """Give a dependency with `build` an image: `load` and each build replace the name."""
    mapping = container_settings(reader, mapping, path)
    place = mapping.get("on")
    if isinstance(place, SequenceNode):
        if len(place.items) > 1:
            message = "on: a dependency is on one server, with its data, and this is a list"
            reader.report(place.mark, message, "write the host of one server")
        mapping = mapping.replace({"on": place.items[0] if len(place.items) == 1 else None})
    build, image, name = (mapping.get(key) for key in ("build", "image", "name"))
    if build is None:
        return mapping
    own = f"-{name.text}:latest" if isinstance(name, ScalarNode) else ":latest"
    if image is not None and not (isinstance(image, ScalarNode) and image.text.endswith(own)):
        reader.report(image.mark, "build and image are both given", "keep one of the two")
    if image is not None:
        return mapping
    return mapping.replace({"image": ScalarNode("built", mapping.mark, literal=True)})


_ULIMITS = "Short form of `container: {ulimits: ...}`, as in Compose."

SHORT_FORMS: dict[type[Section], ShortForm] = {
    Project: ShortForm(project),
    Service: ShortForm(
        service,
        extra_keys={
            "path": "Short form of `build: {context: DIR}`, from the original FTL.",
            "ulimits": _ULIMITS,
            "env_file": "A file of NAME=VALUE lines, or a list of files; relative to ftl.yaml. `env` overrides it.",
        },
    ),
    ContainerOptions: ShortForm(container),
    File: ShortForm(file),
    Proxy: ShortForm(proxy),
    Dependency: ShortForm(dependency_section, dependency, {"ulimits": _ULIMITS}),
    Build: ShortForm(build),
    BuildSecret: ShortForm(from_text=build_secret),
}
