"""What has to be done on a server: a pure function of what was asked for and what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.errors import FtlError, UsageError
from ftl.figures import binary, size
from ftl.server.setup import scripts
from ftl.server.setup.plan import daemon, firewall, notes, systems, ufw
from ftl.server.setup.plan import steps as s
from ftl.server.setup.ports import SWARM, WEB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftl.server.setup.observe.state import ObservedServer, RunningEngine
    from ftl.server.setup.ports import Port
    from ftl.server.setup.request import SetupRequest

# What Docker's packages take when unpacked, their archives, and some room for images; for other packages.
_ROOM_DOCKER = 1_500_000_000
_ROOM = 200_000_000

_AUTHORITIES = "ca-certificates"

HARDENED = b"""\
# Written by `ftl setup --harden`, after it came in by key as the user who deploys.
PermitRootLogin no
PasswordAuthentication no
ChallengeResponseAuthentication no
"""


@dataclass(frozen=True, slots=True)
class SetupPlan:
    """What will be done on a server; `notes` are sentences about what will not, and what follows from it."""

    server: str
    system: str
    user: str
    steps: tuple[s.SetupStep, ...]
    notes: tuple[str, ...] = ()


def make_plan(wanted: SetupRequest, observed: ObservedServer, *, server: str) -> SetupPlan:
    """Compare.

    Args:
        wanted: What was asked for.
        observed: What is there.
        server: What messages call it.

    Raises:
        FtlError: The server cannot be set up: its system, its disk, or a file there that we would have to guess at.
        UsageError: What was asked for cannot be had there.
    """
    systems.refuse_unknown(observed.system, name=server, user=observed.user)
    _refuse_firewalld(wanted, observed, server)
    found = tuple(step for planner in PLANNERS for step in planner(wanted, observed, server))
    _refuse_full(found, observed, server)
    if any(isinstance(step, (s.InstallPackages, s.InstallDocker)) for step in found):
        asks = observed.dockerd is None and not _lacks_authorities(wanted, observed)
        found = (s.RefreshPackages(_repository(wanted, observed) if asks else ""), *found)
    said = tuple(notes.about(wanted, observed, found))
    return SetupPlan(server, observed.system.name, observed.user, found, said)


def _packages(wanted: SetupRequest, observed: ObservedServer, _server: str) -> Iterator[s.SetupStep]:
    """What is missing, unless it comes with the engine: each call of apt takes a second by itself.

    Docker's repository cannot be asked over HTTPS before the server knows any authority.
    """
    missing = _missing(wanted, observed)
    if missing and observed.dockerd is not None:
        yield s.InstallPackages(missing)
    elif observed.dockerd is None and _lacks_authorities(wanted, observed):
        yield s.InstallPackages((_AUTHORITIES,))


def _lacks_authorities(wanted: SetupRequest, observed: ObservedServer) -> bool:
    return _AUTHORITIES not in observed.packages and wanted.docker_repository.startswith("https:")


def _missing(wanted: SetupRequest, observed: ObservedServer) -> tuple[str, ...]:
    needed = [_AUTHORITIES, "zstd"]
    if observed.dockerd is not None and not observed.has_docker and not _is_snap(observed):
        needed += systems.command_packages(observed.system, observed.packages)
    if wanted.firewall:
        needed.append("iptables")
    if wanted.unattended_upgrades:
        needed.append("unattended-upgrades")
    if wanted.harden and observed.user != "root":
        needed.append("sudo")
    return tuple(one for one in needed if one not in observed.packages)


def _engine(wanted: SetupRequest, observed: ObservedServer, server: str) -> Iterator[s.SetupStep]:
    """The settings come before the packages, so that a new engine starts with them."""
    if not _is_snap(observed):
        swarm = observed.engine is not None and observed.engine.swarm
        content = daemon.merged(
            observed.daemon, observed.engine_arguments, swarm=swarm, insecure=wanted.insecure, name=server
        )
        if content is not None:
            yield _settings(content, daemon.changed(observed.daemon, content), observed.engine)
    if observed.dockerd is None:
        first = (_AUTHORITIES,) if _lacks_authorities(wanted, observed) else ()
        yield s.InstallDocker(
            repository=_repository(wanted, observed),
            codename=observed.system.codename,
            architecture=observed.system.architecture,
            packages=systems.docker_packages(observed.system),
            others=tuple(one for one in _missing(wanted, observed) if one not in first),
        )


def _settings(
    content: bytes, changed: tuple[str, ...], engine: RunningEngine | None
) -> s.WriteDaemonSettings:
    """An engine that runs is restarted only if no container stops with it; else it reads them when it starts."""
    if engine is None:
        return s.WriteDaemonSettings(content, changed, restart=False)
    turns_on = not engine.live_restore and daemon.has_live_restore(content)
    return s.WriteDaemonSettings(
        content,
        changed,
        restart=turns_on or engine.live_restore or not engine.containers,
        live=turns_on,
        later=bool(engine.containers),
        containers=engine.containers,
    )


def _user(wanted: SetupRequest, observed: ObservedServer, server: str) -> Iterator[s.SetupStep]:
    user = observed.user
    if observed.account is None:
        yield s.CreateUser(user)
    if user != "root" and (observed.account is None or "docker" not in observed.account.groups):
        yield s.JoinDockerGroup(user)
    if observed.sshd.authorised or (user == observed.login and not wanted.keys):
        return
    if not wanted.keys:
        raise UsageError(
            f"there is no key that could let {user} in on {server}",
            cause="ssh has no key here, neither in a file nor in an agent",
            hint="`ssh-keygen -t ed25519` makes one; or name one in `server.ssh_key`",
        )
    if not observed.sshd.key_files or observed.sshd.key_files == ("none",):
        raise FtlError(
            f"the SSH server of {server} reads no keys of its users",
            cause="its AuthorizedKeysFile is `none`",
            hint=f"let {user} in by the means it has, then run `ftl setup --as {user}`",
        )
    own = next(
        (one for one in observed.sshd.key_files if not one.startswith("/")), observed.sshd.key_files[0]
    )
    yield s.AuthoriseKey(user, own, wanted.keys[0])


def _comforts(wanted: SetupRequest, observed: ObservedServer, server: str) -> Iterator[s.SetupStep]:
    if wanted.swap and not observed.swap:
        if observed.free < wanted.swap + _ROOM:
            raise FtlError(
                f"{server} has no room for {binary(wanted.swap)} of swap ({size(wanted.swap)})",
                cause=f"{size(observed.free)} are free",
                hint="ask for less, or make room",
            )
        yield s.AddSwap(wanted.swap)
    if wanted.unattended_upgrades and observed.auto_upgrades is None:
        yield s.EnableUpgrades()


def _engine_runs(_wanted: SetupRequest, observed: ObservedServer, _server: str) -> Iterator[s.SetupStep]:
    if observed.engine is None:
        yield s.StartEngine()


def _firewall(wanted: SetupRequest, observed: ObservedServer, server: str) -> Iterator[s.SetupStep]:
    if not wanted.firewall:
        return
    if not observed.sshd.ports:
        raise FtlError(
            f"{server} does not say on which port its SSH server listens",
            cause="neither `sshd -T` nor the connection names one, and a firewall must leave it open",
            hint="`ftl setup --no-firewall` does all the rest",
        )
    ports, left = (*WEB, *wanted.allow), _left(observed)
    uses_ufw = observed.ufw is not None
    if observed.ufw is not None:
        if missing := ufw.missing(observed.ufw, ports):
            yield s.AllowInUfw(missing)
        ports += tuple(one for one in ufw.opened(observed.ufw, sorted(observed.published)) if one not in left)
    there = observed.firewall
    rules = firewall.firewall_conf(there.rules, ports, left=left, owner="ufw" if uses_ufw else "own")
    script, unit = scripts.firewall(), scripts.firewall_unit()
    files = (there.rules, there.script) == (rules, script)
    starts = not observed.systemd or (there.unit == unit and there.enabled)
    if not (files and starts and there.holds):
        stay = (*firewall.untouched(rules), *firewall.allowed(rules))
        yield s.ApplyFirewall(rules, script, unit, stay, own_input=not uses_ufw)


def _left(observed: ObservedServer) -> tuple[Port, ...]:
    """The ways in: who restricted them meant it, and where nothing restricts them, they stay open.

    No container publishes a swarm's own ports, and where ufw decides, our rules are about containers alone.
    """
    ssh = ((port, "tcp") for port in observed.sshd.ports)
    is_asked = observed.ufw is None and observed.engine is not None and observed.engine.swarm
    swarm = SWARM if is_asked else ()
    return (*ssh, *swarm, *sorted(observed.tunnels))


def _hardening(wanted: SetupRequest, observed: ObservedServer, server: str) -> Iterator[s.SetupStep]:
    if not wanted.harden:
        return
    if observed.user == "root":
        raise UsageError(
            "`--harden` ends root's login, and root is the user who deploys",
            hint="name another in `server.user`: `ftl setup` creates it",
        )
    if observed.sshd.root_login == "no" and not observed.sshd.password_login:
        return
    if not observed.sshd.includes:
        raise FtlError(
            f"the SSH server of {server} reads no files of /etc/ssh/sshd_config.d",
            cause="its sshd_config has no line `Include /etc/ssh/sshd_config.d/*.conf`",
            hint="add that as its first line, then run this again",
        )
    if observed.account is None or not observed.account.sudoer:
        yield s.GrantSudo(observed.user)
    yield s.HardenSsh(HARDENED)


PLANNERS: tuple[Callable[[SetupRequest, ObservedServer, str], Iterator[s.SetupStep]], ...] = (
    _packages,
    _engine,
    _user,
    _comforts,
    _firewall,
    _engine_runs,
    _hardening,
)
"""Each says what is missing of one thing, in the order in which it is done. The new
engine starts while the firewall is seen to; what could lock us out for good comes last."""


def _repository(wanted: SetupRequest, observed: ObservedServer) -> str:
    return f"{wanted.docker_repository.rstrip('/')}/{observed.system.id}"


def _is_snap(observed: ObservedServer) -> bool:
    return observed.dockerd is not None and observed.dockerd.startswith("/snap/")


def _refuse_firewalld(wanted: SetupRequest, observed: ObservedServer, server: str) -> None:
    if wanted.firewall and observed.firewalld:
        raise FtlError(
            f"firewalld runs on {server}, and `ftl setup` does not know it",
            cause="two firewalls that do not know each other close what the other opens",
            hint="`--no-firewall` leaves it alone: open 80 and 443 in it yourself",
        )


def _refuse_full(steps: tuple[s.SetupStep, ...], observed: ObservedServer, server: str) -> None:
    installs = any(isinstance(step, s.InstallPackages) for step in steps)
    docker = any(isinstance(step, s.InstallDocker) for step in steps)
    needed = _ROOM_DOCKER if docker else _ROOM if installs else 0
    if observed.free < needed:
        raise FtlError(
            f"{server} has no room for what is to be installed",
            cause=f"{size(observed.free)} are free below /var; {size(needed)} are needed",
            hint="`apt-get clean`, `journalctl --vacuum-size=100M` and old kernels are where to look",
        )
