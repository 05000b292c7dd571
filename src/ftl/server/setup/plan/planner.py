"""The setup planner: a pure function from the request and the observed server to steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.figures import binary, size
from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.errors import FtlError, UsageError
from ftl.server.setup import scripts
from ftl.server.setup.plan import daemon, firewall, guarded, systems, ufw
from ftl.server.setup.plan import steps as s
from ftl.server.setup.plan.notes import plan_notes
from ftl.server.setup.ports import SWARM, WEB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftl.server.setup.observe.state import ObservedServer
    from ftl.server.setup.ports import ServerPort
    from ftl.server.setup.request import SetupRequest

# Disk space for Docker's packages, unpacked and as archives, and some images; for other packages.
_DOCKER_BYTES = 1_500_000_000
_PACKAGES_BYTES = 200_000_000

_CA_CERTIFICATES = "ca-certificates"


@dataclass(frozen=True, slots=True)
class SetupPlan:
    """The steps for a server.

    Attributes:
        notes: Unchanged settings and side effects.
        hardened: Whether the SSH server must accept no passwords afterwards.
    """

    server: str
    system: str
    user: str
    steps: tuple[s.SetupStep, ...]
    notes: tuple[str, ...] = ()
    hardened: bool = False


def make_plan(request: SetupRequest, observed: ObservedServer, *, server: str) -> SetupPlan:
    """Plan the steps that a server lacks.

    Raises:
        FtlError: The server cannot be set up: its system is not supported, its disk is full, or one of its files
            cannot be read.
        UsageError: An option does not fit this server.
    """
    systems.refuse_unsupported(observed.system, name=server, user=observed.user)
    _refuse_firewalld(request, observed, server)
    steps = tuple(step for planner in PLANNERS for step in planner(request, observed, server))
    _refuse_full_disk(steps, observed, server)
    if any(isinstance(step, (s.InstallPackages, s.InstallDocker)) for step in steps):
        checks_docker = observed.dockerd is None and not _lacks_ca_certificates(request, observed)
        steps = (s.RefreshPackages(_repository(request, observed) if checks_docker else ""), *steps)
    notes = tuple(plan_notes(request, observed, steps))
    return SetupPlan(server, observed.system.name, observed.user, steps, notes, hardened=request.harden)


def _packages(request: SetupRequest, observed: ObservedServer, _server: str) -> Iterator[s.SetupStep]:
    """Missing packages, unless they come with the engine: each call of apt takes a second by itself.

    Docker's repository cannot be reached over HTTPS before the server has CA certificates.
    """
    missing = _missing(request, observed)
    if missing and observed.dockerd is not None:
        yield s.InstallPackages(missing)
    elif observed.dockerd is None and _lacks_ca_certificates(request, observed):
        yield s.InstallPackages((_CA_CERTIFICATES,))


def _lacks_ca_certificates(request: SetupRequest, observed: ObservedServer) -> bool:
    return _CA_CERTIFICATES not in observed.packages and request.docker_repository.startswith("https:")


def _missing(request: SetupRequest, observed: ObservedServer) -> tuple[str, ...]:
    needed = [_CA_CERTIFICATES, "zstd", "cron", "tzdata"]
    if observed.dockerd is not None and not observed.has_docker and not _is_snap(observed):
        needed += systems.command_packages(observed.system, observed.packages)
    if request.firewall:
        needed.append("iptables")
    if request.unattended_upgrades:
        needed.append("unattended-upgrades")
    if request.harden and observed.user != "root":
        needed.append("sudo")
    return tuple(package for package in needed if package not in observed.packages)


def _engine(request: SetupRequest, observed: ObservedServer, server: str) -> Iterator[s.SetupStep]:
    """The settings come before the packages, so that a new engine starts with them."""
    if request.cluster and "--live-restore" in observed.engine_arguments:
        raise FtlError(
            f"the engine of {server} has --live-restore on its command line, and cannot be in a cluster with it",
            cause="Docker's Swarm mode does not support live-restore",
            hint=f"remove it there (`systemctl edit docker`) and restart Docker, then run {ftl('setup')} again",
        )
    if not _is_snap(observed) and not _starts_first(request, observed, server):
        content = _merged(request, observed, server)
        if content is not None:
            topics = daemon.changed_topics(observed.daemon_json, content)
            if request.cluster and observed.engine is not None and observed.engine.live_restore:
                yield s.DisableLiveRestore(content, observed.daemon_json)
            else:
                yield _daemon_settings(content, topics, observed)
        elif observed.daemon_json and _lacks_live_restore(request, observed):
            yield _daemon_settings(observed.daemon_json, (daemon.LIVE_RESTORE,), observed)
    if observed.dockerd is None:
        installed_before = (_CA_CERTIFICATES,) if _lacks_ca_certificates(request, observed) else ()
        missing = _missing(request, observed)
        yield s.InstallDocker(
            repository=_repository(request, observed),
            codename=observed.system.codename,
            architecture=observed.system.architecture,
            packages=systems.docker_packages(observed.system),
            others=tuple(package for package in missing if package not in installed_before),
        )


def _merged(request: SetupRequest, observed: ObservedServer, server: str) -> bytes | None:
    return daemon.merged(
        observed.daemon_json,
        observed.engine_arguments,
        swarm=_in_swarm(observed) or bool(request.cluster),
        cluster=bool(request.cluster),
        insecure=request.insecure,
        name=server,
    )


def _starts_first(request: SetupRequest, observed: ObservedServer, server: str) -> bool:
    """Whether an engine must run before live-restore is written into its file.

    Nobody knows of one that does not answer whether it is in a swarm, where it would never start again with it. One
    that runs rejects it instead, and gets its old file back.
    """
    if observed.dockerd is None or observed.engine is not None or request.cluster or _is_snap(observed):
        return False
    before, after = observed.daemon_json, daemon.merged(observed.daemon_json, name=server)
    return after is not None and daemon.LIVE_RESTORE in daemon.changed_topics(before, after)


def _lacks_live_restore(request: SetupRequest, observed: ObservedServer) -> bool:
    """Whether the running engine has not read that its file enables live-restore."""
    if observed.engine is None or observed.engine.live_restore or _in_swarm(observed) or request.cluster:
        return False
    return daemon.has_live_restore(observed.daemon_json or b"{}")


def _daemon_settings(
    content: bytes, topics: tuple[str, ...], observed: ObservedServer
) -> s.WriteDaemonSettings:
    """Restart a running engine only if no container stops with it; else it reads the settings at its next start."""
    engine, seen = observed.engine, observed.daemon_json
    if engine is None:
        return s.WriteDaemonSettings(content, seen, topics, restart=False)
    enables_live_restore = not engine.live_restore and daemon.has_live_restore(content)
    return s.WriteDaemonSettings(
        content,
        seen,
        topics,
        restart=enables_live_restore or engine.live_restore or not engine.containers,
        live=enables_live_restore,
        later=bool(engine.containers),
        containers=engine.containers,
    )


def _user(request: SetupRequest, observed: ObservedServer, server: str) -> Iterator[s.SetupStep]:
    user = observed.user
    if observed.account is None:
        yield s.CreateUser(user)
    if user != "root" and (observed.account is None or "docker" not in observed.account.groups):
        yield s.JoinDockerGroup(user)
    if observed.sshd.authorised or (user == observed.login and not request.keys):
        return
    if not request.keys:
        raise UsageError(
            f"there is no SSH key with which {user} could log in to {server}",
            cause="ssh on this machine has no key, neither in a file nor in an agent",
            hint="`ssh-keygen -t ed25519` creates one; or name one in `server.ssh_key`",
        )
    patterns = observed.sshd.key_files
    if not patterns or patterns == ("none",):
        raise FtlError(
            f"the SSH server of {server} reads no authorized_keys files",
            cause="its AuthorizedKeysFile is `none`",
            hint=f"authorise {user} in the way that it does use, then run {ftl(f'setup --as {user}')}",
        )
    in_home = (pattern for pattern in patterns if not pattern.startswith("/"))
    yield s.AuthoriseKey(user, next(in_home, patterns[0]), request.keys[0])


def _extras(request: SetupRequest, observed: ObservedServer, server: str) -> Iterator[s.SetupStep]:
    if request.swap and not observed.swap:
        if observed.free < request.swap + _PACKAGES_BYTES:
            raise FtlError(
                f"{server} has no room for {binary(request.swap)} of swap ({size(request.swap)})",
                cause=f"{size(observed.free)} are free",
                hint="ask for less, or free some space",
            )
        yield s.AddSwap(request.swap)
    if request.unattended_upgrades and observed.auto_upgrades is None:
        yield s.EnableUpgrades()


def _start_engine(request: SetupRequest, observed: ObservedServer, server: str) -> Iterator[s.SetupStep]:
    """Start it after the firewall is in force: containers that were published before start with it."""
    if observed.engine is None or "docker" in observed.disabled:
        yield s.StartEngine()
    if _starts_first(request, observed, server):
        content = _merged(request, observed, server)
        if content is not None:
            topics = daemon.changed_topics(observed.daemon_json, content)
            yield s.WriteDaemonSettings(content, observed.daemon_json, topics, restart=True, live=True)


def _start_cron(_request: SetupRequest, observed: ObservedServer, _server: str) -> Iterator[s.SetupStep]:
    """Start cron; where systemd runs, a new package has started it, and the step does nothing."""
    if not observed.cron or observed.disabled & {"cron", "crond"}:
        yield s.StartCron()


def _firewall(request: SetupRequest, observed: ObservedServer, server: str) -> Iterator[s.SetupStep]:
    if not request.firewall:
        return
    if not observed.sshd.ports:
        raise FtlError(
            f"the port of the SSH server on {server} is unknown",
            cause="neither `sshd -T` nor the connection names one, and a firewall must leave it open",
            hint=f"{ftl('setup --no-firewall')} does all the rest",
        )
    own_swarm = bool(request.cluster) or observed.cluster.is_ours
    open_ports, left = (*WEB, *request.allow), _left_alone(observed, own_swarm=own_swarm)
    peers = [peer for peer in firewall.peers(observed.firewall.conf) if peer[1] != request.cluster]
    peers += [(address, request.cluster) for address in request.peers]
    rules = observed.ufw_rules
    if rules is not None:
        if unknown := ufw.missing_peers(rules, request.peers):
            yield guarded.AllowPeersInUfw(unknown)
        wanted = {address for address, _ in peers}
        former = [one for one, _ in firewall.peers(observed.firewall.conf) if one not in wanted]
        if left_over := ufw.peers_with_rules(rules, dict.fromkeys(former)):
            yield guarded.CloseToPeersInUfw(left_over)
        if missing := ufw.missing(rules, open_ports):
            yield guarded.AllowInUfw(missing)
        opened = ufw.opened(rules, sorted(observed.foreign_ports))
        open_ports += tuple(port for port in opened if port not in left)
    installed = observed.firewall
    conf = firewall.firewall_conf(
        installed.conf,
        open_ports,
        left=left,
        owner="own" if rules is None else "ufw",
        peers=peers,
        own_swarm=own_swarm,
    )
    script, unit = scripts.firewall(), scripts.firewall_unit()
    is_current = (installed.conf, installed.script) == (conf, script)
    starts_at_boot = not observed.systemd or (installed.unit == unit and installed.enabled)
    if not (is_current and starts_at_boot and installed.in_force):
        stay_open = (*firewall.left_alone(conf), *firewall.allowed(conf))
        yield guarded.ApplyFirewall(
            conf, installed.conf, script, unit, stay_open, own_input=rules is None, peers=request.peers
        )


def _left_alone(observed: ObservedServer, *, own_swarm: bool) -> tuple[ServerPort, ...]:
    """The ports of SSH, VPNs and a swarm that is not FTL's.

    A restriction of them is a decision, and without one they stay open. No container publishes a swarm's own ports, and
    with ufw our rules are about containers only.
    """
    ssh = ((port, "tcp") for port in observed.sshd.ports)
    swarm = SWARM if observed.ufw_rules is None and _in_swarm(observed) and not own_swarm else ()
    return (*ssh, *swarm, *sorted(observed.vpn_ports))


def _hardening(request: SetupRequest, observed: ObservedServer, server: str) -> Iterator[s.SetupStep]:
    if not request.harden:
        return
    if observed.user == "root":
        raise UsageError(
            "`--harden` disables root login, and the deploy user is root",
            hint=f"name another user in `server.user`: {ftl('setup')} creates it",
        )
    unread = [path for path in observed.sshd.unread if path not in guarded.DROP_IN]
    if unread:
        raise FtlError(
            f"the SSH server of {server} has not read {', '.join(unread)} since the last change",
            cause="what it does is not what its files say, and a reload may lock you out",
            hint="on the server: `sudo systemctl reload ssh`, and keep that login open until another one has worked; "
            f"then run {ftl('setup --harden')} again",
        )
    if observed.sshd.root_login == "no" and not observed.sshd.password_login and not observed.sshd.unread:
        return
    if not observed.sshd.includes:
        raise FtlError(
            f"the SSH server of {server} does not read /etc/ssh/sshd_config.d",
            cause="its sshd_config has no line `Include /etc/ssh/sshd_config.d/*.conf`",
            hint=f"add that as its first line, then run {ftl('setup')} again",
        )
    if observed.account is None or not observed.account.sudoer:
        yield s.GrantSudo(observed.user)
    yield guarded.HardenSsh(observed.user)


PLANNERS: tuple[Callable[[SetupRequest, ObservedServer, str], Iterator[s.SetupStep]], ...] = (
    _packages,
    _engine,
    _user,
    _extras,
    _firewall,
    _start_engine,
    _start_cron,
    _hardening,
)
"""One per topic, in the order of their steps.

A new engine starts up while the firewall is applied; what could lock us out for good comes last."""


def _repository(request: SetupRequest, observed: ObservedServer) -> str:
    return f"{request.docker_repository.rstrip('/')}/{observed.system.id}"


def _is_snap(observed: ObservedServer) -> bool:
    return observed.dockerd is not None and observed.dockerd.startswith("/snap/")


def _in_swarm(observed: ObservedServer) -> bool:
    return observed.engine is not None and observed.engine.swarm


def _refuse_firewalld(request: SetupRequest, observed: ObservedServer, server: str) -> None:
    if request.firewall and observed.firewalld:
        raise FtlError(
            f"firewalld is running on {server}, and `ftl setup` does not support it",
            cause="two firewalls that do not know each other close each other's ports",
            hint="`--no-firewall` leaves it alone: open 80 and 443 in it yourself",
        )


def _refuse_full_disk(steps: tuple[s.SetupStep, ...], observed: ObservedServer, server: str) -> None:
    installs = any(isinstance(step, s.InstallPackages) for step in steps)
    docker = any(isinstance(step, s.InstallDocker) for step in steps)
    needed = _DOCKER_BYTES if docker else _PACKAGES_BYTES if installs else 0
    if observed.free < needed:
        raise FtlError(
            f"{server} has not enough disk space for the packages to install",
            cause=f"{size(observed.free)} are free below /var; {size(needed)} are needed",
            hint="`apt-get clean`, `journalctl --vacuum-size=100M` and removing old kernels free space",
        )
