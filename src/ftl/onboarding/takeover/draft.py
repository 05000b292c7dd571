"""Draft of an ftl.yaml, filled key by key, and its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.onboarding.names import domain_label
from ftl.onboarding.takeover.report import TakeoverReport, Verdict
from ftl.onboarding.yaml_text import CommentLine, lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

ORDER = (
    "name", "service", "image", "build", "command", "entrypoint", "port", "protocol", "routes", "depends_on",
    "health_check", "env_file", "env", "secrets", "files", "volumes", "ports", "forwards", "replicas", "recreate",
    "hooks", "resources", "schedule", "timezone",
)  # fmt: skip


@dataclass(slots=True)
class Draft:
    """Content of an ftl.yaml.

    Attributes:
        source: The file that is taken over, as the user named it.
        servers: Several, in place of `server`.
        services: By name, the keys of each.
        dependencies: Likewise.
        jobs: Likewise.
        notes: Comments inside a service or dependency, by its name; a job of that name has none.
        demanded: Variables without which ftl.yaml is refused; each has a row of its own.
        written_out: Variables of the other tool that are made of others, and written where they are used.
        made_up: Variables that get a made-up value where nothing has one.
        copied: Variables of other env files for a new .env, with the values as they are written there.
        unset_lines: Lines of ftl.yaml that are comments, with what has to be there before they count.
        written: The text of ftl.yaml, in place of all keys.
        environment: The first one, where nothing is deployed without one.
        is_domain_asked: The domain is a comment: whether the site is public is not known.
        is_of_commits: The other tool built what is committed: nothing that git ignores was in an image.
    """

    source: str
    name: str
    domain: str | None = None
    email: str | None = None
    server: dict[str, object] = field(default_factory=dict)
    servers: list[dict[str, object]] = field(default_factory=list)
    services: dict[str, dict[str, object]] = field(default_factory=dict)
    dependencies: dict[str, dict[str, object]] = field(default_factory=dict)
    jobs: dict[str, dict[str, object]] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    top: dict[str, object] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    report: TakeoverReport = field(default_factory=TakeoverReport)
    written: str = ""
    environment: str = ""
    is_of_commits: bool = False
    is_domain_asked: bool = False
    demanded: set[str] = field(default_factory=set)
    written_out: set[str] = field(default_factory=set)
    unset_lines: dict[str, str] = field(default_factory=dict)
    made_up: set[str] = field(default_factory=set)
    copied: dict[str, str] = field(default_factory=dict)

    def note(self, item: str, text: str) -> None:
        """Add a comment inside a service or dependency; lines after the first one are YAML."""
        self.notes.setdefault(item, []).append(text)

    def copy_values(self, values: Mapping[str, str], folder: Path, given: Mapping[str, str]) -> bool:
        """Put values of another env file into a new .env.

        False if an .env exists, or a name has another value already.
        """
        known = {**self.copied, **given}
        is_whole = all(value[:1] not in ("'", '"') or value[:1] in value[1:] for value in values.values())
        if (folder / ".env").exists() or not is_whole or any(known.get(n, v) != v for n, v in values.items()):
            return False
        self.copied |= {name: value for name, value in values.items() if name not in given}
        return True


def add_items(keys: dict[str, object], key: str, *items: object) -> None:
    """Add items to a list of a service or dependency."""
    given = keys.get(key)
    keys[key] = [*(given if isinstance(given, list) else ()), *items]


def keep_routes_apart(draft: Draft) -> None:
    """Take routes away that an earlier service has: FTL asks one service for a path."""
    owners: dict[tuple[object, str], str] = {}
    for name, keys in draft.services.items():
        routes = keys.get("routes")
        kept: list[object] = []
        for route in routes if isinstance(routes, list) else ():
            path, host = str(route.get("path", "/")), route.get("host") or draft.domain
            owner = owners.setdefault((host, path.rstrip("/")), name)
            if owner == name:
                kept.append(route)
                continue
            what = f"{host or ''}{path} is a route of {owner} already, and one service gets its requests"
            todo = f"{what}: write another `host` or `path`, or `replicas` of {owner}"
            draft.note(name, f"routes: {todo}")
            draft.report.add(f"{name}: routes", Verdict.NEEDS_YOU, todo)
        if kept != routes:
            keys["routes"] = kept
        if not kept:
            keys.pop("routes", None)


def text_of(draft: Draft) -> str:
    """The text of the draft's ftl.yaml."""
    if draft.written:
        return draft.written
    project: dict[str, object] = {"name": draft.name}
    has_routes = any("routes" in service for service in draft.services.values())
    if draft.domain or has_routes:
        project["domain"] = draft.domain or f"{domain_label(draft.name)}.example.com"
    elif draft.is_domain_asked:
        asked = f"TO DO domain: {domain_label(draft.name)}.example.com"
        project["#domain"] = CommentLine(f"{asked}   # your own, if the site is public; then `routes`, too")
    if draft.email:
        project["email"] = draft.email
    out = [f"# Taken over from {draft.source} by `ftl init --from`. `ftl validate` checks this file."]
    out += ["# Lines with TO DO need you."] if draft.notes else []
    out += lines({"project": project})
    server = dict(draft.server)
    if draft.servers:
        out += ["", *lines({"servers": draft.servers})]
    elif not server and "domain" not in project:
        server = {"host": f"{domain_label(draft.name)}.example.com"}
    if server:
        out += ["", *lines({"server": server})]
    sections = (("services", draft.services), ("dependencies", draft.dependencies), ("jobs", draft.jobs))
    for key, items in sections:
        if items:
            out += ["", f"{key}:", *_items(items, draft.notes if key != "jobs" else {})]
    if draft.volumes:
        out += ["", *lines({"volumes": draft.volumes})]
    if draft.top:
        out += ["", *lines(draft.top)]
    if draft.unset_lines:
        out += ["", *(f"# {line}   # {when}" for line, when in draft.unset_lines.items())]
    return "\n".join(out) + "\n"


def _items(items: dict[str, dict[str, object]], comments: Mapping[str, Sequence[str]]) -> Iterable[str]:
    for number, (name, keys) in enumerate(items.items()):
        if number:
            yield ""
        ordered: dict[str, object] = {"name": name}
        ordered |= {key: keys[key] for key in sorted(keys, key=_rank)}
        notes = dict.fromkeys(comments.get(name, ()))
        written = [line for text in notes for line in f"TO DO {text}".split("\n")]
        ordered |= {f"#{index}": CommentLine(line) for index, line in enumerate(written)}
        yield from lines({"_": [ordered]})[1:]


def _rank(key: str) -> tuple[int, str]:
    return (ORDER.index(key), "") if key in ORDER else (len(ORDER), key)
