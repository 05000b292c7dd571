"""Report of Kamal's secrets and its server: what became of each line, and what must stop."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.onboarding.takeover.draft import text_of
from ftl.onboarding.takeover.kamal.beside import secret_sources
from ftl.onboarding.takeover.kamal.declared import secrets_of
from ftl.onboarding.takeover.kamal.secrets.shell import REFERENCE
from ftl.onboarding.takeover.kamal.secrets.vaults import SIGN_IN
from ftl.onboarding.takeover.report import KeyReport, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl.onboarding.takeover.draft import Draft
    from ftl.onboarding.takeover.kamal.beside import KamalFiles
    from ftl.onboarding.takeover.kamal.secrets.sources import SecretSources

_UNBRACED = re.compile(r"(?<!\\)\$([A-Za-z_][A-Za-z0-9_]*)")


def secret_rows(draft: Draft, beside: KamalFiles, variables: Mapping[str, str]) -> Iterator[KeyReport]:
    """The rows of the secrets of a destination, or of none.

    No row has a value: some become comments of a file that is committed.
    """
    lines = [*beside.lines()]
    values = {name: value for _, name, value in lines}
    sources = secret_sources(beside)
    written, declared = text_of(draft), secrets_of(draft)
    direct = {name for name in values if name in draft.written_out or _is_used(name, written)}
    used = _used(direct, values, sources)
    env_file = f".env.{beside.destination}" if beside.destination else ".env"
    ftl_file = f" of ftl.{beside.destination}.yaml" if beside.destination else ""
    for place, name, value in lines:
        source = sources.declared.get(name)
        passed_on = re.fullmatch(r"[\"']?\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?[\"']?", value)
        other = sources.aliases.get(name)
        if value.strip('"').startswith("$(kamal secrets fetch ") and name in used - direct:
            takers = (own for key, own in sources.declared.items() if name in _names_in(values.get(key, "")))
            signed_in = next(filter(None, map(_signed_in, takers)), "")
            row = Verdict.CHANGED, f"commands of the vault's CLI, one for each secret{signed_in}"
        elif name in declared and name in sources.printed:
            row = Verdict.CHANGED, f"secrets.{name}{ftl_file}: a command that prints it, for the build"
        elif name in draft.written_out:
            own = " and ".join(sources.parts.get(name, ()))
            own = f"; {own} is in place of what may be secret in it" if own else ""
            row = Verdict.CHANGED, f"its text, with the other variables in it, where {name} is used{own}"
        elif name not in used and (source is None or name not in declared):
            row = Verdict.LEFT_OUT, "nothing in ftl.yaml uses it"
        elif source == {"env": other} and other not in variables and name in used:
            todo = f"secrets.{name}{ftl_file} is the variable {other}, which is not set now: set it before a deploy"
            row = Verdict.NEEDS_YOU, f"{todo}, in the environment or {env_file}"
        elif source is not None and source != {"env": name}:
            row = Verdict.CHANGED, f"secrets.{name}{ftl_file}{_of(other)}"
        elif "$(" in value:
            how = f"set it before a deploy: `export {name}=...`, as {place} has it"
            row = Verdict.NEEDS_YOU, f"{how}, or write a command in `secrets`{ftl_file}"
        elif name in variables:
            row = Verdict.CHANGED, f"`${{NAME}}` takes it from the environment or {env_file}"
        elif passed_on and passed_on[1] == name:
            what = f"`${{NAME}}` takes it from the environment or {env_file}, as here; it is not set now"
            row = Verdict.NEEDS_YOU, f"{what}: set it before a deploy"
        else:
            copied = f"copy the line to {env_file}{_other_words(value, draft)}"
            row = Verdict.NEEDS_YOU, f"{copied}; `${{{name}}}` takes it from there"
        yield KeyReport(f"{place}: {name}", *row)


def _used(direct: set[str], values: Mapping[str, str], sources: SecretSources) -> set[str]:
    """The lines that ftl.yaml has, or that one of those has in it."""
    found: set[str] = set()
    new = direct
    # A fetch of a vault that is not taken over stays unused, with a line that has to be set by hand
    while new:
        found |= new
        taken = [name for name in new if "$(kamal " not in values[name] or name in sources.declared]
        named = {other for name in taken for other in _names_in(values[name])}
        new = (named & values.keys()) - found
    return found


def _names_in(value: str) -> set[str]:
    return {match[1] or match[2] for match in REFERENCE.finditer(value)}


def _of(other: str | None) -> str:
    return f", from where {other} is" if other is not None else ""


def _signed_in(source: Mapping[str, object]) -> str:
    """Hint at the sign-in that the tool of a vault needs; Kamal's adapters asked for it."""
    command = source.get("command")
    words = command.split() if isinstance(command, str) else command if isinstance(command, list) else []
    first = str(words[2]).split()[0] if words[:2] == ["sh", "-c"] else str(words[0]) if words else ""
    needed = SIGN_IN.get(first)
    return f"; {first} asks for nothing in a deploy: first {needed}" if needed else ""


def _other_words(value: str, draft: Draft) -> str:
    """The words that have to be others in .env, where `$NAME` is ordinary text."""
    changes = {}
    if not value.startswith("'"):
        changes = {f"${name}": f"${{{name}}}" for name in _UNBRACED.findall(value)}
    for name in (*draft.dependencies, *draft.services):
        host = f"{draft.name}-{name}"
        if re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w.-])", value):
            changes[host] = name
    words = " and ".join(f"`{new}` in place of `{old}`" for old, new in changes.items())
    return f", with {words}" if words else ""


def _is_used(name: str, written: str) -> bool:
    return re.search(rf"\$\{{{name}\b", written) is not None


def report_secrets(draft: Draft, beside: KamalFiles, variables: Mapping[str, str]) -> None:
    """Report the secrets of no destination."""
    for row in secret_rows(draft, beside, variables):
        draft.report.add(row.key, row.verdict, row.text)


def report_destination_secrets(
    draft: Draft, other: Draft, beside: KamalFiles, variables: Mapping[str, str]
) -> list[str]:
    """Report the secrets of a destination.

    Args:
        draft: The draft of deploy.yml, which has the report.
        other: The draft of the destination.
        beside: The files of the destination.
        variables: The values of variables there.

    Returns:
        What is to be done, for comments in its file.
    """
    rows = [row for row in secret_rows(other, beside, variables) if row.key.startswith(beside.own_secrets)]
    rows = [_inherited(row, draft, other) for row in rows]
    rows += _missing_rows(other, beside)
    for row in rows:
        draft.report.add(row.key, row.verdict, row.text)
    return [f"{row.key}: {row.text}" for row in rows if row.verdict is Verdict.NEEDS_YOU]


def _inherited(row: KeyReport, draft: Draft, other: Draft) -> KeyReport:
    """The row of a secret, which says so where its source is that of ftl.yaml: the destination's file lacks it then."""
    name = row.key.rpartition(": ")[2]
    source = secrets_of(other).get(name)
    is_same = source is not None and source == secrets_of(draft).get(name)
    if row.verdict is not Verdict.CHANGED or not is_same or not row.text.startswith("secrets."):
        return row
    return replace(row, verdict=Verdict.TAKEN, text=f"the same as secrets.{name} of ftl.yaml: inherited")


def _missing_rows(other: Draft, beside: KamalFiles) -> Iterator[KeyReport]:
    """Secrets that only deploys without a destination have: the value of those is never a destination's."""
    own = {name for _, name, _ in beside.lines()}
    names = dict.fromkeys(name for _, name, _ in beside.of("").lines() if name not in own)
    used = text_of(other)
    for name in names:
        if _is_used(name, used):
            env_file = f".env.{beside.destination}"
            todo = f"Kamal has no value of it there, and refuses: write its own into {env_file}, never that of .env"
            yield KeyReport(f"{beside.own_secrets}: {name}", Verdict.NEEDS_YOU, todo)


def report_other_files(
    draft: Draft, beside: KamalFiles, destinations: set[str], *, is_overlaid: bool
) -> None:
    """Report secrets that belong to no destination, and parts of Kamal on the server."""
    secrets = beside.top / beside.secrets
    for path in sorted(secrets.parent.glob(f"{secrets.name}.*")):
        name = path.name.removeprefix(f"{secrets.name}.")
        if name not in destinations:
            todo = f"there is no deploy.{name}.yml: write its commands as `secrets` into an ftl.{name}.yaml"
            draft.report.add(f"{beside.secrets}.{name}", Verdict.NEEDS_YOU, todo)
    _report_server(draft, " of each destination (`-d NAME`)" if is_overlaid else "")


def _report_server(draft: Draft, whose: str) -> None:
    """Tell what of Kamal must stop before the first deploy; its proxy only goes by force while an app is installed."""
    keys = {row.key for row in draft.report.rows}
    commands = ["kamal app stop"]
    in_use = []
    if any(key.startswith("accessories.") for key in keys):
        commands.append("kamal accessory stop all")
        in_use.append("the ports and data of its accessories")
    is_kamal_1 = bool(keys & {"traefik", "healthcheck"})
    commands.append("kamal traefik remove" if is_kamal_1 else "kamal proxy remove --force")
    in_use.append(f"the ports 80 and 443 of {'Traefik' if is_kamal_1 else 'kamal-proxy'}")
    run = ", ".join(f"`{command}`" for command in commands)
    until = f"until then, {' and '.join(in_use)} are in use"
    todo = f"on the server of Kamal, run {run}{whose} before the first deploy: {until}"
    draft.report.add("the server", Verdict.NEEDS_YOU, todo)
