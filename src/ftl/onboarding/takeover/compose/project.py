"""A Compose file as a draft of ftl.yaml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_strs
from ftl.config.read.foreign_keys import foreign_hint
from ftl.config.values import scalars
from ftl.config.yaml.tree import MappingNode, Node, is_null
from ftl.databases import IMAGE_PORTS
from ftl.dataclass import dataclass
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.names import compose_project_name, service_name
from ftl.onboarding.takeover import images
from ftl.onboarding.takeover.compose.addresses.hosts import write_hosts
from ftl.onboarding.takeover.compose.addresses.local_urls import write_urls
from ftl.onboarding.takeover.compose.addresses.networks import report_networks
from ftl.onboarding.takeover.compose.addresses.public import choose_public, main_host
from ftl.onboarding.takeover.compose.conversion import ConversionContext
from ftl.onboarding.takeover.compose.files import ComposeFiles
from ftl.onboarding.takeover.compose.images_of import builders, image_of, with_builds
from ftl.onboarding.takeover.compose.one_off import convert_one_off, users
from ftl.onboarding.takeover.compose.port_forms import parse_ports
from ftl.onboarding.takeover.compose.proxies.caddyfile import contact_of, front_routes
from ftl.onboarding.takeover.compose.proxies.labels import routes_of
from ftl.onboarding.takeover.compose.service import convert
from ftl.onboarding.takeover.draft import Draft
from ftl.onboarding.takeover.nodes import ComposeTexts, entries, is_valid, items, text
from ftl.onboarding.takeover.report import UNKNOWN_TO_COMPOSE, Verdict, by_hint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config.yaml.locations import Location
    from ftl.onboarding.takeover.compose.proxies.labels import LabelledRoutes


@dataclass(frozen=True, slots=True)
class _Kind:
    """Kind that a service of Compose becomes: a service, a dependency, or none."""

    name: str
    reason: str = ""


def is_compose(root: MappingNode) -> bool:
    """Whether a YAML file looks like a Compose file."""
    return isinstance(root.get("services"), MappingNode) or "include" in root.entries


def is_version_1(root: MappingNode) -> bool:
    """Whether a YAML file looks like one for the first version of Compose, without `services`."""
    nodes = entries(root).values()
    return bool(nodes) and all(
        isinstance(node, MappingNode) and bool({"image", "build"} & node.entries.keys()) for node in nodes
    )


def take_over(files: Sequence[Path], base: Path, variables: Mapping[str, str]) -> Draft:
    """Convert Compose files, later ones over earlier; variables have the values of now.

    Raises:
        ConfigError: A file cannot be parsed, is no Compose file, or extends itself.
    """
    texts = ComposeTexts(variables)
    reader = ComposeFiles(files[0].parent, base, texts)
    root = reader.load(files)
    services = {
        key: node for key, node in entries(root.get("services")).items() if isinstance(node, MappingNode)
    }
    if not services:
        raise root.location.error("there are no services in this file", "a Compose file has `services:`")
    name = texts.resolve(text(root.get("name")))
    given = variables.get("COMPOSE_PROJECT_NAME") or name or files[0].resolve().parent.name
    draft = Draft(" and ".join(str(file) for file in files), compose_project_name(given))
    _top(draft, root)
    _beside(draft, files, reader)
    _dollars(draft, base)
    built_by = builders(services, texts, draft.name)
    services = with_builds(services, built_by)
    for key, node in entries(root.get("services")).items():
        if key not in services:
            draft.report.todo(f"services.{key}", "it is not a mapping of keys", node.location)
    run = {key: image_of(node, texts, base) for key, node in services.items()}
    kinds = {key: _kind(key, run[key], services, texts) for key in services}
    fronted = _fronts(draft, kinds, services, run, texts, base)
    names = {key: _unique(service_name(key), index, services) for index, key in enumerate(services)}
    context = ConversionContext(
        draft,
        texts,
        base,
        names,
        {key: kind.name for key, kind in kinds.items()},
        entries(root.get("secrets")),
        entries(root.get("configs")),
        volumes=entries(root.get("volumes")),
        services=services,
        images=run,
        fronted=fronted,
        extended=reader.extended,
        built_by=built_by,
        places={key: location for key in services if (location := _key_location(root, key)) is not None},
    )
    draft.domain = main_host(context, services)
    unread = _unread_proxies(context, kinds, services)
    context.refused += unread
    for key, node in services.items():
        kind = kinds[key]
        if kind.name in ("service", "dependency"):
            convert(context, key, node)
        elif kind.name != "one-off":
            verdict, reason = Verdict.LEFT_OUT if kind.name == "none" else Verdict.NEEDS_YOU, kind.reason
            if key in unread:
                verdict, reason = Verdict.NEEDS_YOU, _UNREAD
            draft.report.add(f"services.{key}", verdict, reason, _key_location(root, key))
    for key, kind in kinds.items():
        if kind.name == "one-off":
            convert_one_off(context, key, services)
    write_hosts(context, services)
    report_networks(context, root, services)
    choose_public(context)
    write_urls(context, services)
    _secrets(draft, root)
    _named_volumes(draft, root, texts)
    for key, location in reader.extended.items():
        if key in services:
            draft.report.changed(f"services.{key}.extends", "its keys, in this service", location)
    draft.demanded |= texts.demanded
    for variable, todo in texts.unset.items():
        draft.report.todo(f"${{{variable}}}", todo)
    if not draft.services:
        raise root.location.error(
            "none of its services is an app: there are only databases and helpers",
            _without_profile(kinds) or "write the app as one of the `services`, with `build` or `image`",
        )
    return draft


def _without_profile(kinds: Mapping[str, _Kind]) -> str:
    """Hint on services whose profiles are not active."""
    return next((f"{key}: {kind.reason}" for key, kind in kinds.items() if "profile" in kind.reason), "")


_UNREAD = "FTL has a proxy, and the rules of this one are in its own files: write `routes` of the services it served"
_FRONTS = ("traefik", "nginx-proxy", "nginx-proxy-manager", "caddy-docker-proxy")


def _unread_proxies(
    context: ConversionContext, kinds: Mapping[str, _Kind], services: Mapping[str, MappingNode]
) -> list[str]:
    """Proxies that made services public, and nothing here says which: no port of a service tells."""
    if any(context.labelled(key, node).routes for key, node in services.items()):
        return []
    return [
        key
        for key, node in services.items()
        if kinds[key].name == "none"
        and images.kind(context.images.get(key, "")) in _FRONTS
        and any(
            port.published in (80, 443) for port in parse_ports(node.get("ports"), context.texts.resolve)[0]
        )
    ]


def _fronts(
    draft: Draft,
    kinds: dict[str, _Kind],
    services: Mapping[str, MappingNode],
    run: Mapping[str, str],
    texts: ComposeTexts,
    base: Path,
) -> dict[str, LabelledRoutes]:
    """Take what proxies say of contact and routes; one that only passes requests on is no service here."""
    hosts = {
        texts.resolve(text(node)): key
        for key, service in services.items()
        for node in (service.get("container_name"), service.get("hostname"))
        if node is not None and kinds[key].name in ("service", "dependency")
    }
    hosts |= {key: key for key in services if kinds[key].name in ("service", "dependency")}
    found: dict[str, LabelledRoutes] = {}
    for key, node in services.items():
        if kinds[key].name == "none":
            draft.email = draft.email or contact_of(node, texts) or None
        if images.kind(run[key]) != "caddy" or kinds[key].name != "service":
            continue
        routes = front_routes(node, texts, base, {host: name for host, name in hosts.items() if name != key})
        if routes is not None:
            draft.email = draft.email or routes.email or None
            found |= routes.services
            kinds |= dict.fromkeys(routes.services, _Kind("service"))
            kinds[key] = _Kind("none", f"FTL has a proxy: {' and '.join(routes.services)} got its routes")
            for line in routes.lost:
                todo = (
                    f"`{line}` is not taken over: see whether the app or a redirect of the project needs it"
                )
                draft.report.todo(f"services.{key}: {line}", todo, node.location)
        elif any(port.published == 443 for port in parse_ports(node.get("ports"), texts.resolve)[0]):
            todo = (
                "behind FTL's proxy it must get no certificates: let its Caddyfile name `http://` addresses, or write "
                "`routes` of the services behind it in its place"
            )
            draft.report.todo(f"services.{key}: Caddy", todo, node.location)
            draft.note(service_name(key), todo)
    return found


def _unique(name: str, index: int, services: Mapping[str, Node]) -> str:
    others = [service_name(key) for key in list(services)[:index]]
    return f"{name}-{index}" if name in others else name


def _key_location(root: MappingNode, key: str) -> Location | None:
    services = root.get("services")
    return (
        services.entries[key].key if isinstance(services, MappingNode) and key in services.entries else None
    )


def _top(draft: Draft, root: MappingNode) -> None:
    for key, entry in root.entries.items():
        if key == "name":
            draft.report.changed(key, "project.name", entry.key)
        elif key.startswith("x-"):
            draft.report.left_out(key, "where its anchors are used, they are written out", entry.key)
        elif key not in ("services", "volumes", "secrets", "configs"):
            hint = foreign_hint(key, "") or UNKNOWN_TO_COMPOSE
            draft.report.add(key, *by_hint(hint), entry.key)


def _kind(key: str, image: str, services: Mapping[str, MappingNode], texts: ComposeTexts) -> _Kind:
    node = services[key]
    profiles = {text(item) for item in items(node.get("profiles"))}
    active = set(texts.variables.get("COMPOSE_PROFILES", "").split(",")) - {""}
    if profiles and not profiles & active and "*" not in active:
        names = ", ".join(sorted(profiles))
        return _Kind(
            "none",
            f"its profile {names} is not active (`COMPOSE_PROFILES={min(profiles)} ftl init --from ...` takes it over)",
        )
    kind, is_built = images.kind(image), node.get("build") is not None
    if kind in images.REPLACED or (key in images.REPLACED and not is_built):
        return _Kind("none", images.REPLACED.get(kind) or images.REPLACED[key])
    if not is_built and not image:
        return _Kind("lost", "it has neither image nor build: write one of them")
    if not is_built and not is_valid(scalars.image, image):
        return _Kind("lost", f"`{image}` is not an image reference")
    if scale_of(node) == 0:
        return _Kind("none", "it has 0 replicas")
    if users(key, services):
        return _Kind("one-off")
    routes = routes_of(node, texts.resolve)
    is_public = bool(routes.routes or routes.refused)  # a dependency has no routes
    return _Kind("dependency" if kind in IMAGE_PORTS and not is_public else "service")


def scale_of(node: MappingNode) -> int | None:
    """Number of replicas, by `deploy` or `scale`."""
    written = text(entries(node.get("deploy")).get("replicas")) or text(node.get("scale"))
    return int(written) if written.isdecimal() else None


def _beside(draft: Draft, files: Sequence[Path], reader: ComposeFiles) -> None:
    """Report files that `docker compose` reads by default, and those with variables of included files."""
    first = files[0]
    if len(files) == 1 and first.stem in ("compose", "docker-compose"):
        for other in (
            first.with_stem(f"{first.stem}.override").with_suffix(end) for end in (".yaml", ".yml")
        ):
            if other.is_file():
                both = f"`--from {first.name} --from {other.name}`"
                reason = f"`docker compose` merges it, most often for development: {both} takes it over, too"
                draft.report.left_out(other.name, reason)
    for location in reader.included:
        draft.report.changed("include", "its services, in this file", location)
    for location in reader.env_files:
        what = "the values that its variables have now, where the included file uses them"
        draft.report.changed("include.env_file", what, location)


_DOLLAR = re.compile(
    r"^[ \t]*(?:export\s+)?(\w+)[ \t]*=[ \t]*(?:[^'\n#]*?[^\\$'\n#]|)\$[A-Za-z_]", re.MULTILINE
)
"""A line of .env with a variable without braces, not in single quotes."""


def _dollars(draft: Draft, base: Path) -> None:
    """Report values of .env in which Compose puts a variable for `$NAME`; no row has a part of the value."""
    for match in _DOLLAR.finditer(AppFolder(base).read(".env")):
        what = "Compose takes a `$` with letters behind it for a variable, FTL only one with braces: "
        todo = "write `${NAME}` if it is one; if it is text, Compose had another value, and nothing is to be done"
        draft.report.todo(f".env: {match[1]}", what + todo)


def _secrets(draft: Draft, root: MappingNode) -> None:
    """Report secrets and configs that no service uses at the run time; the others have their rows."""
    used = {row.key for row in draft.report.rows}
    for section in ("secrets", "configs"):
        for key, node in entries(root.get(section)).items():
            name = f"{section}.{key}"
            if name not in used:
                draft.report.left_out(name, "each service that uses it has its file or text", node.location)


def _named_volumes(draft: Draft, root: MappingNode, texts: ComposeTexts) -> None:
    used = {
        item.partition(":")[0]
        for part in (*draft.services.values(), *draft.dependencies.values())
        for item in as_strs(part.get("volumes"))
    }
    for key, node in entries(root.get("volumes")).items():
        options = entries(node)
        name = f"volumes.{key}"
        if key not in used:
            draft.report.left_out(name, "no service uses it", node.location)
            continue
        named = texts.resolve(text(options.get("name")))
        external = text(options.get("external")) == "true"
        is_local = text(options.get("driver")) in ("", "local") and not entries(options.get("driver_opts"))
        usual = ("name", "external", "labels", *(("driver", "driver_opts") if is_local else ()))
        others = [option for option in options if option not in usual]
        if named or external:
            todo = f"FTL's volume is {draft.name}_{key}: copy the data of {named or key} into it"
            draft.report.todo(name, todo, node.location)
        elif others and not is_null(node):
            volume = f"{draft.name}_{key}"
            todo = (
                f"FTL has no options of volumes ({', '.join(others)}): create {volume} by hand on the server"
            )
            draft.report.todo(name, todo, node.location)
        else:
            draft.report.taken(name, f"the same data, as {draft.name}_{key}", node.location)
