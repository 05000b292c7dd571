"""Kamal's role of cron: the lines of its crontabs as jobs, and no service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.values.scalars import timezone
from ftl.onboarding.names import service_name
from ftl.onboarding.takeover.kamal.machines.addresses import hosts_of
from ftl.onboarding.takeover.nodes import entries, is_valid
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.schedules.crontab import take_over_crontab

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion
    from ftl.onboarding.takeover.schedules.crontab import CrontabFile

_WITHOUT_ROW = ("hosts", "cmd", "proxy", "env")


def convert_cron_role(kamal: KamalConversion, role: str, node: Node, crontabs: Sequence[CrontabFile]) -> None:
    """Write the jobs of a role, which the server's cron starts in another service's release."""
    options, row = entries(node), f"servers.{role}"
    own = kamal.env(options["env"], f"{row}.env") if options.get("env") is not None else {}
    services = kamal.draft.services
    names = [service_name(kamal.primary), *services]
    target = next((name for name in names if not _missing(own, services[name])), names[0])
    before = set(kamal.draft.jobs)
    zone = str({**_env(services[target]), **own}.get("TZ", ""))
    for crontab in crontabs:
        is_known = zone != "UTC" and is_valid(timezone, zone)
        take_over_crontab(kamal.draft, crontab, target, zone=zone if is_known else "")
    made = [name for name in kamal.draft.jobs if name not in before]
    kamal.cron_roles[role] = target, made
    count = len(made)
    jobs = f"{count} of the `jobs`" if count > 1 else "one of the `jobs`"
    what = f"{jobs}, which the server's cron starts in the live release of {target}: no service has to run for them"
    others = {host for value in kamal.roles.values() for host in hosts_of(value)}
    alone = [host for host in hosts_of(node) if host not in others]
    where = f". {alone[0]} ran nothing else, and is not in ftl.yaml" if alone else ""
    kamal.add(row, Verdict.CHANGED, f"{what}{where}", node)
    if missing := _missing(own, services[target]):
        todo = f"a job has the env of its service, {target}: write {', '.join(missing)} there"
        kamal.add(f"{row}.env", Verdict.NEEDS_YOU, todo, options["env"])
        kamal.draft.note(target, f"env: {todo}")
    elif own:
        kamal.add(
            f"{row}.env", Verdict.LEFT_OUT, f"{target} has the same env, and so have its jobs", options["env"]
        )
    for name, value in options.items():
        if name not in _WITHOUT_ROW:
            todo = f"a job's container has the settings of its service, {target}: write there what the commands need"
            kamal.add(f"{row}.{name}", Verdict.NEEDS_YOU, todo, value)


def _env(keys: Mapping[str, object]) -> dict[str, object]:
    env = keys.get("env")
    return dict(env) if isinstance(env, dict) else {}


def _missing(own: Mapping[str, object], keys: Mapping[str, object]) -> list[str]:
    """Variables of the role that a service has not, or with another value."""
    env = _env(keys)
    return [name for name, value in own.items() if env.get(name) != value]
