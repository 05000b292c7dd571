"""Short forms: converted to the declared form of their section before it is read.

A single value in place of a section is not handled here if it only stands for one key of the section (the field type
`Nested` names that key).
"""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.common.suggestions import closest_match
from ftl.config.models.container import File
from ftl.config.models.field_types import keys_of
from ftl.config.models.project import (
    Build,
    BuildSecret,
    Dependency,
    Project,
    Redirect,
    Secret,
    Service,
    UlimitOption,
)
from ftl.config.read.file_sources import file_entry, with_content, with_folders
from ftl.config.read.interpolator import AlreadyReported
from ftl.config.read.problems import quoted
from ftl.config.read.reader import ShortForm, ShortForms
from ftl.config.read.short_dependencies import dependency
from ftl.config.values.scalars import InvalidValue, local_path
from ftl.config.variables.env_file import Variable, parse_env_file
from ftl.config.yaml.locations import SourceFile, display_path
from ftl.config.yaml.tree import MappingNode, Node, ScalarNode, SequenceNode, is_null, literal, mapping_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.read.reader import Reader
    from ftl.config.yaml.locations import KeyPath, Location
    from ftl.config.yaml.tree import MappingEntry, Node


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


def project(reader: Reader, mapping: MappingNode, _path: KeyPath) -> MappingNode:
    """Accept `volumes` as a map of names without options, as in Compose."""
    volumes = mapping.get("volumes")
    if not isinstance(volumes, MappingNode):
        return mapping
    for name, entry in volumes.entries.items():
        if not (is_null(entry.value) or (isinstance(entry.value, MappingNode) and not entry.value.entries)):
            hint = "remove them: volumes have no options here"
            reader.report(entry.value.location, f"volumes: `{name}` has options", hint)
    names = tuple(literal(name, entry.key) for name, entry in volumes.entries.items())
    return mapping.replace({"volumes": SequenceNode(names, volumes.location)})


def secret_entry(name: str, entry: MappingEntry) -> Node:
    """An entry of `secrets` as a map of names, the form in which it is meant to be written."""
    if not isinstance(entry.value, MappingNode):
        return entry.value
    return entry.value.replace({"name": literal(name, entry.key)})


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
                content = ScalarNode(f"${{{node.text}}}", node.location)
                mode = item.get("mode") or literal("0400", node.location)
                file = mapping_of({"path": target, "content": content, "mode": mode}, item.location)
                files.append(file.replace({"owner": item.get("owner")}))
            elif node.text in variables:
                found[node.text] = replace(variables.find(node.text), location=node.location)
        else:
            match = closest_match(node.text, reader.secrets)
            hint = f"did you mean `{match}`?" if match else "write it below `secrets` at the top of the file"
            if "=" in node.text:
                own = f'`build: {{context: ., secrets: ["{node.text}"]}}`'
                hint = f"this is a secret of the build, and belongs below `build`: {own}"
            reader.report(node.location, f"secrets: the project has no secret `{node.text}`", hint)
    return found, files


def moved_service(mapping: MappingNode) -> MappingNode:
    """Move `path: DIR` to `build`, and the keys of `moved_settings` to their places."""
    mapping = moved_settings(mapping)
    entry = mapping.entries.get("path")
    if entry is None or mapping.get("build") is not None:
        return mapping
    context = entry.value
    build = context if is_null(context) else mapping_of({"context": context}, context.location)
    return mapping.replace({"path": None, "build": build})


def service(reader: Reader, mapping: MappingNode, path: KeyPath) -> MappingNode:
    """Add the default build, and put variables of env_file below env."""
    mapping = container_settings(reader, mapping, path)
    context, build, files = (mapping.get(name) for name in ("path", "build", "env_file"))
    changes: dict[str, Node | None] = {"path": None, "env_file": None}
    if context is not None:
        hint = "keep `build`; `path` is its short form"
        reader.report(context.location, "path and build are both given", hint)
    if build is None and mapping.get("image") is None and not _misspells_image(mapping):
        changes["build"] = MappingNode({}, mapping.location)
    secrets, secret_files = _service_secrets(reader, mapping.get("secrets"))
    if secret_files:
        entry = mapping.get("files")
        others = entry.items if isinstance(entry, SequenceNode) else ()
        changes["files"] = SequenceNode((*others, *secret_files), (entry or mapping).location)
    named = mapping.get("secrets")
    if isinstance(named, SequenceNode):  # one with `=` is reported above, and is no name either
        kept = tuple(item for item in named.items if not isinstance(item, ScalarNode) or "=" not in item.text)
        changes["secrets"] = replace(named, items=kept)
    if files is not None or secrets:
        from_files = _env_files(reader, files) if files is not None else {}
        reader.env_files[(*path, "env")] = from_files | secrets
        if mapping.get("env") is None:
            changes["env"] = MappingNode({}, (files or mapping).location)
    return mapping.replace(changes)


def moved_settings(mapping: MappingNode) -> MappingNode:
    """Move `ulimits`, which Compose has at the top of a service, below `container`."""
    entry = mapping.entries.get("ulimits")
    if entry is None:
        return mapping
    section = mapping.get("container") or MappingNode({}, entry.value.location)
    if not isinstance(section, MappingNode) or section.get("ulimits") is not None:
        return mapping
    return mapping.replace({"ulimits": None, "container": section.replace({"ulimits": entry.value})})


def container_settings(reader: Reader, mapping: MappingNode, path: KeyPath) -> MappingNode:
    """Accept one `tmpfs` or `on` as a single value, `extra_hosts` and `files` as maps, folders."""
    changes: dict[str, Node | None] = {}
    files, hosts, limits = (mapping.get(name) for name in ("files", "extra_hosts", "ulimits"))
    if limits is not None and isinstance(mapping.get("container"), MappingNode):
        reader.report(limits.location, "ulimits are given here and below container", "keep one of the two")
    if files is not None:
        changes["files"] = with_folders(reader, SHORT_FORMS[File].listed(files))
    for key in ("tmpfs", "on") if path[0] == "services" else ("tmpfs",):
        single = mapping.get(key)
        if isinstance(single, ScalarNode):
            changes[key] = SequenceNode((single,), single.location)
    if isinstance(hosts, MappingNode):
        lines = (line for name, entry in hosts.entries.items() for line in host_lines(name, entry.value))
        changes["extra_hosts"] = SequenceNode(tuple(lines), hosts.location)
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
        variables |= _env_file(reader, name.text, name.location, variables)
    return variables


def _env_file(
    reader: Reader, name: str, location: Location, before: Mapping[str, Variable]
) -> dict[str, Variable]:
    try:
        path = reader.folder / local_path(name)
        source = SourceFile(display_path(path), read_small_text(path), confidential=True)
    except InvalidValue as error:
        reader.report(location, f"env_file {error.message}")
    except FileNotFoundError:
        reader.report(location, f"env_file: there is no file {name}", "its path is relative to ftl.yaml")
    except OSError as error:
        reader.report(location, f"env_file: {quoted(name)} cannot be read: {error.strerror}")
    else:
        given = reader.interpolator.variables
        variables, problems = parse_env_file(source, given, before=before, unresolved=given.unresolved)
        reader.interpolator.problems.extend(problems)
        return variables
    return {}


def limit_entry(name: str, entry: MappingEntry) -> Node:
    """An entry of `ulimits` as a map, as in Compose.

    `nofile: 65535` or `nofile: {soft: 1024, hard: 65535}`.
    """
    value = entry.value
    name_node = {"name": literal(name, entry.key)}
    if isinstance(value, MappingNode):
        return MappingNode(value.entries, entry.key).replace(name_node)
    return mapping_of({**name_node, "soft": value, "hard": value}, entry.key)


def redirect_entry(host: str, entry: MappingEntry) -> Node:
    """An entry of `redirects` as a map of hosts."""
    return mapping_of({"host": literal(host, entry.key), "to": entry.value}, entry.key)


def build(_reader: Reader, mapping: MappingNode, _path: KeyPath) -> MappingNode:
    """Accept one `cache` as a single value."""
    cache = mapping.get("cache")
    if not isinstance(cache, ScalarNode):
        return mapping
    return mapping.replace({"cache": SequenceNode((cache,), cache.location)})


def moved_dependency(mapping: MappingNode) -> MappingNode:
    """Leave out the name that a build gives the image, as `ftl config` prints it."""
    mapping = moved_settings(mapping)
    image, name = mapping.get("image"), mapping.get("name")
    own = f"-{name.text}:latest" if isinstance(name, ScalarNode) else ":latest"
    is_own = isinstance(image, ScalarNode) and image.text.endswith(own)
    return mapping.replace({"image": None}) if is_own and mapping.get("build") is not None else mapping


def dependency_section(reader: Reader, mapping: MappingNode, path: KeyPath) -> MappingNode:
    """Give a dependency with `build` an image: `load` and each build replace the name."""
    mapping = container_settings(reader, mapping, path)
    place = mapping.get("on")
    if isinstance(place, SequenceNode):
        if len(place.items) > 1:
            message = "on: a dependency is on one server, with its data, and this is a list"
            reader.report(place.location, message, "write the host of one server")
        mapping = mapping.replace({"on": place.items[0] if len(place.items) == 1 else None})
    if mapping.get("build") is None or mapping.get("image") is not None:
        return mapping
    return mapping.replace({"image": literal("built", mapping.location)})


_ULIMITS = "Short form of `container: {ulimits: ...}`, as in Compose."

SHORT_FORMS: ShortForms = {
    Project: ShortForm(expand=project),
    Secret: ShortForm(from_entry=secret_entry),
    Service: ShortForm(
        moved_service,
        service,
        extra_keys={
            "path": "Short form of `build: {context: DIR}`, from the original FTL.",
            "ulimits": _ULIMITS,
            "env_file": "A file of NAME=VALUE lines, or a list of files; relative to ftl.yaml. `env` overrides it.",
        },
    ),
    UlimitOption: ShortForm(from_entry=limit_entry),
    File: ShortForm(expand=with_content, item_key="path", from_entry=file_entry),
    Redirect: ShortForm(item_key="host", from_entry=redirect_entry),
    Dependency: ShortForm(moved_dependency, dependency_section, dependency, {"ulimits": _ULIMITS}),
    Build: ShortForm(expand=build),
    BuildSecret: ShortForm(from_text=build_secret),
}
