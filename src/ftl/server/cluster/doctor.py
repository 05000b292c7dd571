"""`ftl doctor` for several servers: each by itself, and the cluster that they are."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common.next_step import ftl
from ftl.engine import labels
from ftl.engine.errors import NO_MAJORITY, RECOVER
from ftl.errors import FtlError
from ftl.host.session import open_session
from ftl.server.cluster.join import SwarmView, view_by
from ftl.server.cluster.members import is_private, times_begun
from ftl.server.doctor.checks.running import check_running
from ftl.server.doctor.finding import Finding, Level
from ftl.server.doctor.report import DoctorRequest, Report, run_checks
from ftl.ssh.machine import machine_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set
    from pathlib import Path

    from ftl.config.models.project import Project, Server
    from ftl.engine.calls.swarm import SwarmNode, SwarmState
    from ftl.host.session import Session


_SETUP = f"{ftl('setup')} makes the servers one cluster"

_SHARE = (
    "another server presents a good one: cron copies it within a minute or two, "
    f"{ftl('deploy')} with the next change"
)


async def check_cluster(project: Project, root: Path) -> Report:
    """Check all servers side by side, then the cluster; nothing is changed.

    What is about this machine, the domains and the registries is reported once.
    """
    reports = await gather(
        run_checks(DoctorRequest(replace(project, server=server), server, root)) for server in project.servers
    )
    findings = merged(
        {server.host: report.findings for server, report in zip(project.servers, reports, strict=True)}
    )
    cluster = await _cluster(project)
    last = [finding for finding in findings if finding.area not in ("here", "there")]
    first = [finding for finding in findings if finding.area in ("here", "there")]
    first.sort(key=lambda finding: finding.area)  # "here" before "there"; otherwise in their order
    unreachable = next((report.unreachable for report in reports if report.unreachable is not None), None)
    return Report((*first, *cluster, *last), unreachable)


def merged(reports: Mapping[str, Sequence[Finding]]) -> list[Finding]:
    """Findings of all servers, by server; each once, and with its server where they differ."""
    every = [(server, finding) for server, findings in reports.items() for finding in findings]
    reported: dict[tuple[str, str], set[Finding]] = {}
    for _, finding in every:
        reported.setdefault((finding.area, finding.name), set()).add(finding)
    result: dict[Finding, None] = {}
    for server, finding in every:
        same = reported[finding.area, finding.name]
        differs = finding.area == "certificates" and len(same) > 1
        named = replace(finding, name=f"{server}: {finding.name}")
        if differs and finding.level != "ok" and any(one.level == "ok" for one in same):
            named = replace(named, fix=_SHARE)
        result[named if differs or finding.area == "there" else finding] = None
    return list(result)


async def _cluster(project: Project) -> list[Finding]:
    async with AsyncExitStack() as stack:
        opened = await gather(_open(stack, server) for server in project.servers)
        sessions = {session.name: session for session in opened if session is not None}
        states = dict(
            zip(sessions, await gather(each.engine.swarm.state() for each in sessions.values()), strict=True)
        )
        leading = [server for server, state in states.items() if state.has_leader]
        found = SwarmView()
        if leading:
            lead = max(leading, key=lambda server: times_begun(states[server]))
            found = await view_by(project.name, lead, sessions[lead])
        lost = {node.id for node in found.nodes if node.is_lost}
        cut_off = {server for server, state in states.items() if state.node in lost}
        running = await check_running(project, sessions, cut_off)
    return [*judge(project.name, states, found), *running]


async def _open(stack: AsyncExitStack, server: Server) -> Session | None:
    """A session; None where there is none, which the checks of that server report."""
    try:
        return await stack.enter_async_context(open_session(machine_of(server, keep=False)))
    except FtlError:
        return None


def judge(project: str, states: Mapping[str, SwarmState], found: SwarmView) -> Iterator[Finding]:
    """The findings about the cluster; what the managers see has no nodes without a leader.

    `states` is what the engines of the servers that can be reached say about their membership.
    """
    nodes = found.nodes
    members = [server for server, state in states.items() if state.is_member]
    if not members:
        if states:
            yield _finding("problem", "the servers are not one cluster yet", _SETUP)
        return
    if not nodes:
        yield _leaderless(states)
        return
    yield from _strangers(states, {node.id for node in nodes})
    for node in nodes:
        if name := node.labels.get(labels.node_host(project)):
            yield from _node(project, name, node)
    yield _managers(nodes)
    if not found.has_network:
        yield _finding("problem", f"{project} has no network across the servers", _SETUP)
    elif found.in_clear and (public := _public(states)):
        yield _finding(
            "problem",
            f"the packets between the servers are not encrypted, and {public} is reached at a public address",
            "connect the servers by a private network, and write their addresses in it as `private_address`",
        )


def _leaderless(states: Mapping[str, SwarmState]) -> Finding:
    """No manager that answers has a leader."""
    if any(state.is_manager for state in states.values()):
        words = next((state.error for state in states.values() if state.error), "")
        return _finding("problem", f"{NO_MAJORITY} ({words})" if words else NO_MAJORITY, RECOVER)
    where = ", ".join(dict.fromkeys(address for state in states.values() for address in state.managers))
    lost = f"if they are lost for good: {ftl('setup --recover')}"
    return _finding(
        "problem",
        f"no manager of the cluster can be reached{f' ({where})' if where else ''}",
        f"start the managers again, or write them into ftl.yaml; {lost}",
    )


def _strangers(states: Mapping[str, SwarmState], nodes: Set[str]) -> Iterator[Finding]:
    """Servers that the managers do not know."""
    newest = max(map(times_begun, states.values()))
    for server, state in states.items():
        if state.node in nodes:
            continue
        if state.has_leader and times_begun(state) < newest:
            text = f"{server} is in the cluster of before a recovery, and serves the release of then"
            fix = f"take it out of your DNS or load balancer; {ftl('setup')} lets it join the new cluster"
            yield _finding("problem", text, fix)
        else:
            yield _finding("problem", f"{server} is not in the cluster", _SETUP)


def _node(project: str, name: str, node: SwarmNode) -> Iterator[Finding]:
    """A server of the project, as the managers see it."""
    if node.state != "ready":
        fix = f"see `systemctl status docker` on {name}, and its network to the others"
        yield _finding("problem", f"{name} is {node.state}, as the managers see it", fix)
    elif node.availability != "active":
        yield _finding(
            "problem",
            f"{name} has the availability `{node.availability}`: a container that starts there, such as the proxy "
            "after a reboot, cannot join the network",
            f"{ftl(f'servers resume {name}')}; to take it out of service, use "
            f"{ftl(f'servers drain {name}')} instead",
        )
    elif node.is_drained(project):
        text = f"{name} is drained: nothing is placed on it"
        yield _finding("warning", text, f"{ftl(f'servers resume {name}')} ends that")
    elif labels.node_role(project, labels.ANY_ROLE) not in node.labels:
        text = f"{name} joined the cluster, and gets replicas with the next deploy"
        yield _finding("warning", text, f"{ftl('deploy')} brings the images there first")


def _managers(nodes: Sequence[SwarmNode]) -> Finding:
    """Managers that can be reached, and how many more may fail."""
    managers = [node for node in nodes if node.role == "manager"]
    reachable = sum(node.is_reachable for node in managers)
    text = f"{reachable} of {len(managers)} managers can be reached"
    if len(managers) < 2 or reachable > len(managers) // 2 + 1:
        return _finding("ok", text, None)
    whole = f"three servers as managers bear the loss of one: add one to ftl.yaml, then {ftl('setup')}"
    fix = whole if reachable == len(managers) else "start the missing manager again"
    return _finding("warning", f"{text}: if one more fails, nothing can be changed", fix)


def _public(states: Mapping[str, SwarmState]) -> str | None:
    """A server that the others reach over the internet."""
    return next(
        (server for server, state in states.items() if state.address and not is_private(state.address)), None
    )


def _finding(level: Level, what: str, fix: str | None) -> Finding:
    return Finding("there", "cluster", level, what, fix)
