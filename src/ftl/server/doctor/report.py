"""All checks at once: gather side by side, then judge. Nothing is changed, here or there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

from ftl.aio import gather, gather2, task_group
from ftl.config import Proxy
from ftl.proxy.site import site_of
from ftl.server.doctor.checks import certificates, dns, local, ports, registries, server, ssh
from ftl.server.doctor.finding import Area, Finding, downgraded
from ftl.server.doctor.gather import ServerInspection, inspect_server
from ftl.ssh.target import target_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl.config import Project, Server
    from ftl.errors import ServerError
    from ftl.ssh.target import Target


@dataclass(frozen=True, slots=True)
class DoctorRequest:
    """What is examined; any part may be missing.

    Attributes:
        root: The folder of ftl.yaml.
    """

    project: Project | None
    server: Server | None
    root: Path

    @property
    def target(self) -> Target | None:
        """The server as ssh is told of it; None for this machine, or none at all."""
        return None if self.server is None or self.server.is_local else target_of(self.server)

    @property
    def proxy(self) -> Proxy:
        """The project's settings of the proxy."""
        return self.project.proxy if self.project else Proxy()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The domains that visitors use."""
        return site_of(self.project).hosts if self.project else ()

    @property
    def secured(self) -> dict[str, bool]:
        """Those of them that are served by HTTPS, and whether an authority certifies each."""
        secured = self.hosts if self.proxy.tls != "off" else ()
        return {host: certificates.is_by_acme(self.proxy, host) for host in secured}

    @property
    def forwards(self) -> frozenset[int]:
        """The ports that the project opens past the proxy."""
        services = self.project.services if self.project else ()
        return frozenset(one.host_port for service in services for one in service.published)


@dataclass(frozen=True, slots=True)
class Report:
    """The findings in the order of their areas; and why the server could not be looked at, if so."""

    findings: tuple[Finding, ...]
    unreachable: ServerError | None = None


async def run_checks(patient: DoctorRequest) -> Report:
    """Look at everything there is to look at, all of it side by side."""
    logins = registries.Logins(patient.project, root=patient.root, environ=os.environ)
    (building, tried), ((way, seen), domains) = await gather2(
        gather2(local.gather(), logins.try_here()),
        gather2(_server(patient, logins), gather(dns.gather(host) for host in patient.hosts)),
    )
    findings = [
        *local.judge(building, local.BuildNeeds.of(patient.project)),
        *_judged_login(patient, way, seen),
        *_judged_server(patient, way, seen),
        *_judged_visitors(patient, seen, domains, datetime.now(UTC)),
        *registries.judge([*tried, *seen.tried]),
    ]
    areas = get_args(Area)
    ordered = sorted(findings, key=lambda one: areas.index(one.area))
    return Report(tuple(ordered), seen.refusal)


async def _server(
    patient: DoctorRequest, logins: registries.Logins
) -> tuple[ssh.SshInspection | None, ServerInspection]:
    """The way to the server (None: it is this machine), and what is seen there."""
    if patient.server is None:
        return await ssh.inspect_ssh(None, os.environ), ServerInspection()
    if patient.server.is_local:
        return None, await inspect_server(None, None, hosts=patient.secured, logins=logins)
    async with task_group() as group:
        way = group.create_task(ssh.inspect_ssh(patient.target, os.environ))
        seen = group.create_task(inspect_server(patient.target, way, hosts=patient.secured, logins=logins))
    return way.result(), seen.result()


# --- judging --------------------------------------------------------------------------------------------


def _judged_login(
    patient: DoctorRequest, way: ssh.SshInspection | None, seen: ServerInspection
) -> list[Finding]:
    """The way in: what is odd about a key is no problem where the login works all the same."""
    if way is None:
        return []
    named = patient.server is not None and patient.server.ssh_key is not None
    findings = ssh.judge(way, named=named, refusal=seen.refusal)
    return findings if seen.refusal else downgraded(findings)


def _judged_server(
    patient: DoctorRequest, way: ssh.SshInspection | None, seen: ServerInspection
) -> list[Finding]:
    """The server itself."""
    if seen.refusal is not None:
        key = patient.target.key if patient.target else None
        login_there = way.route.login if way and way.route else ""
        return [server.judge_unreachable(seen.refusal, login_there, str(key) if key else None)]
    if seen.survey is None:
        return []
    findings = [server.judge_system(seen.survey), *server.judge_docker(seen.docker, seen.survey)]
    findings += server.judge_machine(seen.survey)
    findings += [server.judge_port(port, seen.survey, seen.docker.containers) for port in ports.WEB]
    if way is None or way.route is None:
        return findings
    if seen.knocks is None:
        return [*findings, ports.UNSEEN]
    meant = patient.forwards.union(seen.survey.allowed)
    return findings + ports.judge(seen.knocks, seen.docker.containers, ssh=way.route.port, meant=meant)


def _place(patient: DoctorRequest, seen: ServerInspection) -> dns.Place:
    server = patient.server
    if seen.is_rehearsal or (server is not None and server.is_sandbox):
        return "rehearsal"
    return "here" if server is not None and server.is_local else "elsewhere"


def _judged_visitors(
    patient: DoctorRequest, seen: ServerInspection, domains: Sequence[dns.Domain], now: datetime
) -> list[Finding]:
    """What visitors will meet: where the domains lead, and the certificates; one's own files first."""
    files = certificates.judge_own(patient.proxy, patient.root, patient.hosts, now)
    met = [
        dns.judge(
            one,
            seen.addresses,
            certified=certificates.is_by_acme(patient.proxy, one.name),
            place=_place(patient, seen),
        )
        for one in domains
    ]
    met += [certificates.judge_served(one, patient.proxy, now) for one in seen.served]
    return [*files, *(downgraded(met) if seen.is_rehearsal else met)]
