"""Kamal's config/deploy.yml as a draft of ftl.yaml."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.project_files import PRODUCTION
from ftl.config.yaml.locations import display_path
from ftl.onboarding.names import project_name, service_name
from ftl.onboarding.takeover.compose.addresses.hosts import replace_host
from ftl.onboarding.takeover.draft import Draft, text_of
from ftl.onboarding.takeover.kamal.accessories import accessories
from ftl.onboarding.takeover.kamal.aliases import report_aliases
from ftl.onboarding.takeover.kamal.app_variables import give_variables, variables_read
from ftl.onboarding.takeover.kamal.beside import (
    files_beside,
    secret_sources,
    values_in_env,
)
from ftl.onboarding.takeover.kamal.builder import build_of
from ftl.onboarding.takeover.kamal.conversion import KamalConversion
from ftl.onboarding.takeover.kamal.declared import (
    declare_asked,
    declare_computed,
    leave_registry_secrets,
    secrets_of,
)
from ftl.onboarding.takeover.kamal.files import parse_configuration
from ftl.onboarding.takeover.kamal.hooks import convert_hooks
from ftl.onboarding.takeover.kamal.machines.addresses import write_addresses
from ftl.onboarding.takeover.kamal.machines.destinations import merged, overlay_text
from ftl.onboarding.takeover.kamal.machines.roles import convert_roles
from ftl.onboarding.takeover.kamal.machines.servers import write_servers
from ftl.onboarding.takeover.kamal.options import report_assets
from ftl.onboarding.takeover.kamal.other_files import (
    report_destination_secrets,
    report_other_files,
    report_secrets,
)
from ftl.onboarding.takeover.kamal.proxies.proxy import REMOVE_TRAEFIK
from ftl.onboarding.takeover.kamal.ruby_schedules import report_ruby_schedules
from ftl.onboarding.takeover.kamal.volumes import volumes_of
from ftl.onboarding.takeover.nodes import ComposeTexts, entries, items, text
from ftl.onboarding.takeover.patience import seconds, waiting
from ftl.onboarding.takeover.report import UNKNOWN_KEY, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config.yaml.tree import MappingNode, Node
    from ftl.onboarding.takeover.kamal.beside import KamalFiles
    from ftl.onboarding.takeover.kamal.files import ComputedValue, KamalConfiguration

_LEFT_OUT = {
    "boot": "new containers are healthy before old ones stop",
    "hooks_path": "each hook in it has a row",
    "minimum_version": "it is Kamal's",
    "primary_role": "routes say which service is public",
    "readiness_delay": "health checks decide",
    "run_directory": "FTL keeps no files there",
    "secrets_path": "each secret in it has a row",
    "error_pages_path": "the proxy has its own pages",
    "sshkit": "FTL keeps one connection to the server",
    "allow_empty_roles": "there is a service for each role",
    "output": "`ftl deploy --json` prints events",
    "image": "the built image goes to the server over SSH, without a registry",
    "registry": "images go over SSH; for base images, credentials of `docker login` are used",
}
_OF_DATA = re.compile(r"\b(?:volumes?(?:\[\d+\])?|directories)(?:$|: )")
_COMMITS = {("git", "rev-parse", *option, "HEAD") for option in ((), ("--short",))}
_PROTECTED = (
    "protected: changes of an environment need `-e NAME` ($FTL_ENV is not enough), a deploy a checkout without "
    "changes. Without -e FTL deploys ftl.yaml itself, which Kamal refuses"
)
_NEEDS_YOU = {"healthcheck": "write `health_check` of the service", "traefik": REMOVE_TRAEFIK}


def take_over(file: Path, base: Path, variables: Mapping[str, str]) -> Draft:
    """Convert Kamal's configuration, and each destination as an environment.

    Raises:
        ConfigError: It cannot be parsed, or has ERB on which its lines depend.
    """
    whole = parse_configuration(file)
    root = whole.root
    paths = {
        path.name.removeprefix("deploy.").removesuffix(".yml"): path
        for path in sorted(file.parent.glob("deploy.*.yml"))
    }
    is_overlaid = bool(paths) and text(root.get("require_destination")) == "true"
    beside = files_beside(file, root)
    beside = beside.with_destinations(paths) if is_overlaid else beside
    read = variables_read(beside.top)
    draft = _draft(root, file, base, variables, beside, whole.computed)
    give_variables(draft, read, beside.top)
    _report_erb(draft, whole, ".env", variables)
    if is_overlaid:
        _leave_to_destinations(draft)
        draft.environment = next((name for name in paths if name not in PRODUCTION), next(iter(paths)))
    report_secrets(draft, beside, variables)
    report_other_files(draft, beside, {*paths}, is_overlaid=is_overlaid)
    report_ruby_schedules(draft, beside.top)
    for name, path in paths.items():
        own_file = parse_configuration(path, is_whole=False)
        over = own_file.root
        given = {**variables, **values_in_env(base / f".env.{name}")}
        own = beside.of(name)
        computed = [*whole.computed, *own_file.computed]
        other = _draft(merged(root, over), file, base, given, own, computed)
        give_variables(other, read, beside.top)
        _report_erb(other, whole, ".env", given)
        _report_erb(other, own_file, f".env.{name}", given)
        notes = report_destination_secrets(draft, other, own, given)
        known = {(row.key, row.text) for row in draft.report.rows}
        todo = [row for row in other.report.rows if row.verdict is Verdict.NEEDS_YOU]
        todo = [row for row in todo if (row.key, row.text) not in known]
        notes += [f"{row.key}: {row.text}" for row in todo if not row.key.startswith("${")]
        draft.files[f"ftl.{name}.yaml"] = overlay_text(display_path(path), name, draft, other, notes)
        what = f"ftl.{name}.yaml, what is different there: `ftl -e {name} deploy`"
        draft.report.add(path.name, Verdict.CHANGED, what, over.location)
        for row in todo:
            draft.report.add(f"{path.name}: {row.key}", row.verdict, row.text)
    return draft


def _leave_to_destinations(draft: Draft) -> None:
    """Leave domain and data to the destinations, each of which has them in its file: no other deploy is meant."""
    draft.domain = None
    draft.report.rows = [
        row
        for row in draft.report.rows
        if row.verdict is not Verdict.NEEDS_YOU or not _OF_DATA.search(row.key)
    ]
    notes = {
        item: [text for text in texts if not _OF_DATA.match(text)] for item, texts in draft.notes.items()
    }
    draft.notes = {item: texts for item, texts in notes.items() if texts}


def _report_erb(
    draft: Draft, configuration: KamalConfiguration, env_file: str, variables: Mapping[str, str]
) -> None:
    """Tell of ERB that is not evaluated: its value is that of a command, or a variable that somebody sets."""
    text = text_of(draft)
    for value in configuration.computed:
        key, how = f"${{{value.name}}}", f"Kamal computes it by {value.where}"
        location = replace(configuration.root.location, line=value.line)
        is_variable = re.search(rf"\$\{{{value.name}\b", text) is not None
        if value.name in secrets_of(draft) and value.command:
            is_commit = value.command in _COMMITS
            masked = (
                "; as the commit of the release it is not masked" if is_commit else ", and masks it as one"
            )
            what = f"{how}: so does FTL, by `secrets`{masked}"
            draft.report.add(key, Verdict.CHANGED, what, location)
        elif is_variable and value.name not in variables:
            draft.report.add(key, Verdict.NEEDS_YOU, f"{how}: write its value into {env_file}", location)
        elif value.placeholder in text:
            draft.report.add(
                key, Verdict.NEEDS_YOU, f"{how}: write it in place of {value.placeholder}", location
            )
    for line, code in configuration.dropped.items():
        reason = f"`{code}` is not evaluated: what it computes is a variable where it is used"
        draft.report.add(f"ERB in line {line}", Verdict.LEFT_OUT, reason)


def _service(kamal: KamalConversion, node: Node) -> None:
    """Report the project's name, which has no variable: that of ERB is its value of now."""
    written = text(node)
    if "\0" in kamal.texts.with_stand_ins(written, "\0"):
        todo = (
            f"project.name is {kamal.draft.name}, as ERB has no value here: write the name that Kamal makes"
        )
        kamal.add("service", Verdict.NEEDS_YOU, todo, node)
        return
    what = f"project.name: {kamal.draft.name}" if "${" in written else "project.name"
    kamal.add("service", Verdict.CHANGED, what, node)


def _draft(
    root: MappingNode,
    file: Path,
    base: Path,
    variables: Mapping[str, str],
    beside: KamalFiles,
    computed: Sequence[ComputedValue],
) -> Draft:
    texts = ComposeTexts(variables, braces_only=True)
    name = texts.resolve(text(root.get("service"))).strip("-_ ")
    draft = Draft(str(file), service_name(name or project_name(base.resolve().name)))
    sources = secret_sources(beside)
    secrets = sources.declared
    if secrets:
        draft.top["secrets"] = dict(secrets)
    given = {**dict.fromkeys((*secrets, *(value.name for value in computed)), ""), **variables}
    kamal = KamalConversion(draft, root, base, given, beside.destination)
    kamal.sourced = frozenset(name for _, name, _ in beside.lines()) | beside.elsewhere
    kamal.sources = sources
    _convert(kamal)
    leave_registry_secrets(kamal)
    convert_hooks(kamal, beside)
    declare_asked(kamal, beside.elsewhere)
    declare_computed(draft, computed, variables)
    return draft


def _write_hosts(kamal: KamalConversion) -> None:
    """Write the names of accessories' containers, SERVICE-ACCESSORY, as the names of dependencies."""
    for key, node in entries(kamal.root.get("accessories")).items():
        container = kamal.texts.resolve(text(entries(node).get("service"))) or f"{kamal.draft.name}-{key}"
        name = service_name(key)
        changed = [
            user for user, keys in (*kamal.draft.services.items(), *kamal.draft.dependencies.items())
            if replace_host(keys, container, name)
        ]  # fmt: skip
        kind = "dependency" if name in kamal.draft.dependencies else "service"
        todo = f"; where else the app names {container}, write {name}" if not changed else ""
        in_env = f", which has that host name in {', '.join(changed)}" if changed else ""
        kamal.add(f"accessories.{key}", Verdict.CHANGED, f"the {kind} {name}{in_env}{todo}", node)


def _convert(kamal: KamalConversion) -> None:
    root = kamal.root
    build = build_of(kamal)
    env = kamal.env(root.get("env"), "env")
    convert_roles(kamal, build, env, volumes_of(kamal, "volumes", root.get("volumes")))
    for key, entry in root.entries.items():
        match key:
            case "service":
                _service(kamal, entry.value)
            case "ssh":
                _ssh(kamal, entry.value)
            case "drain_timeout":
                for service in kamal.draft.services.values():
                    if "routes" in service:
                        service["drain_timeout"] = kamal.text(entry.value)
                kamal.add(key, Verdict.CHANGED, "drain_timeout of the services with routes", entry.value)
            case "aliases":
                report_aliases(kamal, entry.value)
            case "asset_path":
                report_assets(kamal, kamal.primary, key, entry.value)
            case "deploy_timeout":
                _deploy_timeout(kamal, entry.value)
            case "retain_containers":
                kamal.draft.top["keep_releases"] = kamal.text(entry.value)
                kamal.add(key, Verdict.CHANGED, "keep_releases", entry.value)
            case "require_destination":
                required = kamal.text(entry.value) == "true"
                kamal.draft.top["protected"] = required
                how = _PROTECTED if required else "protected: false, as without it"
                kamal.add(key, Verdict.CHANGED, how, entry.value)
            case "stop_wait_time" | "stop_timeout":
                for service in kamal.draft.services.values():
                    service.setdefault("stop_timeout", kamal.text(entry.value))
                kamal.add(key, Verdict.CHANGED, "stop_timeout of each service", entry.value)
            case "labels" | "logging":
                for service in kamal.draft.services.values():
                    service[key] = _over(kamal.plain(entry.value), service.get(key))
                kamal.add(key, Verdict.CHANGED, f"{key} of each service", entry.value)
            case _ if key in _LEFT_OUT:
                kamal.add(key, Verdict.LEFT_OUT, _LEFT_OUT[key], entry.value)
            case "healthcheck" if "healthcheck" in {row.key for row in kamal.draft.report.rows}:
                continue
            case _ if key.startswith("x-"):
                kamal.add(
                    key, Verdict.LEFT_OUT, "where its anchors are used, they are written out", entry.value
                )
            case _ if key not in ("servers", "proxy", "env", "builder", "accessories", "volumes"):
                kamal.add(key, Verdict.NEEDS_YOU, _NEEDS_YOU.get(key, UNKNOWN_KEY), entry.value)
    if "host" in kamal.draft.server and "user" not in kamal.draft.server:
        kamal.draft.server["user"] = "root"
        kamal.add("ssh.user", Verdict.CHANGED, "server.user: root, which is Kamal's default", root.get("ssh"))
    accessories(kamal)
    write_servers(kamal)
    _write_hosts(kamal)
    write_addresses(kamal)
    kamal.draft.demanded |= kamal.texts.demanded
    for variable in kamal.texts.unset:
        kamal.add(
            f"${{{variable}}}",
            Verdict.NEEDS_YOU,
            "it is not set here, and so empty: set it in .env or the environment",
        )


def _deploy_timeout(kamal: KamalConversion, node: Node) -> None:
    """The time that a container has to become healthy: as many checks as fit into it."""
    patience = seconds(kamal.texts.resolve(text(node)))
    for service in kamal.draft.services.values():
        check = service.get("health_check")
        if isinstance(check, dict) and patience is not None:
            pause = seconds(kamal.texts.resolve(str(check.get("interval", "1s")))) or 1
            service["health_check"] = {**waiting(patience, pause), **check}
    how = "retries of each health_check, where that is longer than FTL's 30 seconds"
    kamal.add("deploy_timeout", Verdict.CHANGED, how, node)


def _over(base: dict[str, object], own: object) -> dict[str, object]:
    """A mapping of the whole file, with that of a role over it."""
    over = own if isinstance(own, dict) else {}
    return base | {
        key: _over(before, value) if isinstance(before := base.get(key), dict) else value
        for key, value in over.items()
    }


def _ssh(kamal: KamalConversion, node: Node) -> None:
    for key, value in entries(node).items():
        written = kamal.text(value)
        match key:
            case "user" | "port":
                kamal.draft.server[key] = written
                kamal.add(f"ssh.{key}", Verdict.CHANGED, f"server.{key}", value)
            case "keys":
                kamal.draft.server["ssh_key"] = kamal.text(items(value)[0]) if items(value) else ""
                kamal.add("ssh.keys", Verdict.CHANGED, "server.ssh_key", value)
            case "proxy" | "proxy_command":
                option = "ProxyJump" if key == "proxy" else "ProxyCommand"
                todo = (
                    f"write `{option} {written}` for the server into ~/.ssh/config: FTL connects as ssh does"
                )
                kamal.add(f"ssh.{key}", Verdict.NEEDS_YOU, todo, value)
            case _:
                reason = "ssh's own configuration (~/.ssh/config) decides"
                kamal.add(f"ssh.{key}", Verdict.LEFT_OUT, reason, value)
    if "host" not in kamal.draft.server:
        kamal.draft.server = {}
