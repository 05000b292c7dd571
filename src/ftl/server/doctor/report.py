"""Run all checks: gather in parallel, then evaluate. Nothing is changed, on either machine."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, get_args

from ftl.aio import gather, gather2, task_group
from ftl.config.models.project import Proxy
from ftl.dataclass import dataclass
from ftl.proxy.project_site import site_of
from ftl.server.doctor.checks import builders, certificates, dns, local, ports, registries, server, ssh
from ftl.server.doctor.finding import Area, Finding, downgraded
from ftl.server.doctor.gather import ServerInspection, inspect_server
from ftl.ssh.target import target_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl.config.models.project import Project, Server
    from ftl.errors import ServerError
    from ftl.ssh.target import Target


@dataclass(frozen=True, slots=True)
class DoctorRequest:
    """The project and server to check; either may be missing. `root` is the folder of ftl.yaml."""

    project: Project | None
    server: Server | None
    root: Path

    @property
    def project_name(self) -> str | None:
        """The project's name."""
        return self.project.name if self.project else None

    @property
    def target(self) -> Target | None:
        """The server as ssh's arguments; None for this machine, or none at all."""
        return None if self.server is None or self.server.is_local else target_of(self.server)

    @property
    def proxy(self) -> Proxy:
        """The project's proxy settings."""
        return self.project.proxy if self.project else Proxy()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The project's public domains."""
        return site_of(self.project).hosts if self.project else ()

    @property
    def https_hosts(self) -> dict[str, bool]:
        """The domains served by HTTPS -> whether a CA issues the certificate by ACME."""
        hosts = self.hosts if self.proxy.tls != "off" else ()
        return {host: certificates.host_uses_acme(self.proxy, host) for host in hosts}

    @property
    def forwards(self) -> frozenset[int]:
        """The ports that the project publishes past the proxy."""
        services = self.project.services if self.project else ()
        return frozenset(port.host_port for service in services for port in service.published)


@dataclass(frozen=True, slots=True)
class Report:
    """The findings in the order of their areas, and the error if the server cannot be reached."""

    findings: tuple[Finding, ...]
    unreachable: ServerError | None = None


async def run_checks(request: DoctorRequest) -> Report:
    """Gather everything in parallel, then evaluate it."""
    logins = registries.Logins(request.project, root=request.root, environ=os.environ)
    ((tools, attempts), places), ((ssh_inspection, inspection), domains) = await gather2(
        gather2(gather2(local.gather(), logins.try_locally()), builders.gather_builders(request.project)),
        gather2(_server(request, logins), gather(dns.inspect_domain(host) for host in request.hosts)),
    )
    findings = [
        *local.judge(tools, local.BuildNeeds.of(request.project)),
        *_judge_ssh(request, ssh_inspection, inspection),
        *_judge_server(request, ssh_inspection, inspection),
        *map(builders.judge, places),
        *_judge_domains(request, inspection, domains, _now(inspection)),
        *registries.judge([*attempts, *inspection.logins]),
    ]
    areas = get_args(Area)
    ordered = sorted(findings, key=lambda finding: areas.index(finding.area))
    return Report(tuple(ordered), inspection.error)


async def _server(
    request: DoctorRequest, logins: registries.Logins
) -> tuple[ssh.SshInspection | None, ServerInspection]:
    """The inspections of ssh on this machine (None: ssh is not used) and of the server."""
    if request.server is None:
        return await ssh.inspect_ssh(None, os.environ), ServerInspection()
    inspect = partial(inspect_server, hosts=request.https_hosts, logins=logins, project=request.project_name)
    if request.server.is_local:
        return None, await inspect(None, None)
    async with task_group() as group:
        ssh_task = group.create_task(ssh.inspect_ssh(request.target, os.environ))
        server_task = group.create_task(inspect(request.target, ssh_task))
    return ssh_task.result(), server_task.result()


def _judge_ssh(
    request: DoctorRequest, ssh_inspection: ssh.SshInspection | None, inspection: ServerInspection
) -> list[Finding]:
    """The findings about ssh on this machine: flaws of a key are no problem where the login works."""
    if ssh_inspection is None:
        return []
    configured = request.server is not None and request.server.ssh_key is not None
    findings = ssh.judge(ssh_inspection, configured=configured, error=inspection.error)
    return findings if inspection.error else downgraded(findings)


def _judge_server(
    request: DoctorRequest, ssh_inspection: ssh.SshInspection | None, inspection: ServerInspection
) -> list[Finding]:
    """The findings about the server itself."""
    route = ssh_inspection.route if ssh_inspection else None
    if inspection.error is not None:
        key = request.target.key if request.target else None
        login = route.login if route else ""
        return [server.judge_unreachable(inspection.error, login, str(key) if key else None)]
    facts, engine = inspection.facts, inspection.engine
    if facts is None:
        return []
    findings = [
        server.judge_login(facts),
        *server.judge_login_output(inspection.login_output),
        *server.judge_docker(engine, facts),
    ]
    findings += server.judge_machine(facts)
    findings += server.judge_growth(inspection.growth, facts.disk)
    findings += [server.judge_job(job) for job in inspection.jobs]
    findings += [server.LOST_RECORDS] if inspection.records_lost else []
    findings += [server.judge_port(port, facts, engine.containers) for port in ports.WEB]
    if route is None:
        return findings
    if inspection.port_results is None:
        return [*findings, ports.NOT_TRIED]
    expected = request.forwards.union(facts.allowed)
    return findings + ports.judge(
        inspection.port_results, engine.containers, ssh=route.port, expected=expected
    )


def _server_reach(request: DoctorRequest, inspection: ServerInspection) -> dns.ServerReach:
    server = request.server
    if server is not None and server.is_local:
        return "local"
    has_visitors = server is None or server.has_visitors
    return "remote" if has_visitors and not inspection.is_loopback else "loopback"


def _now(inspection: ServerInspection) -> datetime:
    """The time that certificates are valid at: by the server's clock, where that is known."""
    skew = inspection.facts.skew if inspection.facts is not None else 0.0
    return datetime.now(UTC) + timedelta(seconds=skew)


def _judge_domains(
    request: DoctorRequest, inspection: ServerInspection, domains: Sequence[dns.Domain], now: datetime
) -> list[Finding]:
    """The findings about domains and certificates; the user's certificate files first."""
    files = certificates.judge_files(request.proxy, request.root, request.hosts, now)
    reach = _server_reach(request, inspection)
    findings = [
        dns.judge(
            domain,
            inspection.addresses,
            by_acme=certificates.host_uses_acme(request.proxy, domain.name),
            reach=reach,
        )
        for domain in domains
    ]
    findings += [certificates.judge_served(item, request.proxy, now) for item in inspection.certificates]
    return [*files, *(downgraded(findings) if reach == "loopback" else findings)]
