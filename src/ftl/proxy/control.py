"""Operations on a server's proxy: start, connect, configure, switch, observe."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.json_fields import parse_json
from ftl.common.next_step import ftl
from ftl.engine.tarball import tar_archive
from ftl.errors import FtlError, UsageError
from ftl.proxy import commands, networks, stopped
from ftl.proxy.configuration.caddy import render
from ftl.proxy.configuration.prepared import PreparedRoutes, prepare_routes
from ftl.proxy.lifecycle import start, upgrade
from ftl.proxy.names import (
    LIVE_FOLDER,
    ProxyNames,
    ca_root_file,
    certificate_files,
    live_file,
    networks_of,
    shared_certificates_folder,
)
from ftl.proxy.reach import MOST, Reach, read_reach
from ftl.proxy.site import Site, conflicts
from ftl.proxy.state import ProxyState, digest, observe, site_file
from ftl.proxy.tls import issuance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import ExecResult
    from ftl.proxy.project_site import UserCertificate
    from ftl.proxy.tls.issuance import Issuance
    from ftl.ssh.machine import Machine

_ATTEMPTS = 5
"""Number of retries of a change because another deploy changed the configuration meanwhile."""


class ProxyControl:
    """The proxy of a server, controlled through the server's engine.

    Caddy's admin API is used only from inside the container. Every method raises EngineError as the engine does, and
    FtlError when the proxy itself refuses.
    """

    def __init__(self, engine: Engine, machine: Machine, installation: ProxyNames | None = None) -> None:
        self._engine = engine
        self._machine = machine
        self._names = installation or ProxyNames()

    async def observe(self) -> ProxyState | None:
        """Its current state; None where there is no proxy."""
        return await observe(self._engine, installation=self._names)

    async def ensure(self, image: str) -> None:
        """Ensure that it is running and ready; see `start.ensure`. A running one keeps its image."""
        await start.ensure(self._engine, self._machine, self._names, image)

    async def upgrade(self, image: str) -> bool:
        """Replace it if its image or settings are others: whether it was. See `upgrade.upgrade`.

        New connections wait for a second or two, or are refused where the server does not allow FTL to pause them
        (docs/decisions/0012-replacing-the-proxy.md). Certificates, routes and addresses stay.
        """
        return await upgrade.upgrade(self._engine, self._machine, self._names, image)

    async def remove(self, *, volumes: bool = False) -> None:
        """Remove it and its network; its configuration and certificates only with `volumes`."""
        await self._engine.remove(self._names.container, force=True)
        await self._engine.remove_network(self._names.network)
        if volumes:
            await self._engine.remove_volume(self._names.config_volume)
            await self._engine.remove_volume(self._names.data_volume)

    async def connect(self, network: str, aliases: Iterable[str], without: Iterable[str] = ()) -> None:
        """Connect it to a project's network under these aliases.

        It keeps those that it has, other than `without`: names that lead to containers.

        A new alias in a network that it is in already needs a new endpoint. It gets the same address, so that
        connections survive (docs/explanation/switch.md). Once begun it is completed, even if FTL is interrupted.
        """
        await networks.ensure_connected(
            self._engine,
            self._machine,
            self._names.container,
            network,
            frozenset(aliases),
            frozenset(without),
        )

    async def disconnect(self, network: str) -> None:
        """Disconnect it from a project's network; not being in it is no error."""
        await self._engine.disconnect(network, self._names.container)

    async def apply(
        self, site: Site, certificate: UserCertificate | None = None, *, keeps: Sequence[str] = ()
    ) -> bool:
        """Make the proxy serve a site.

        An unchanged configuration is not loaded again; a new one takes over within two seconds (see `handover`), and
        the old one answers nothing afterwards. When Caddy rejects it the old one stays, in memory and on disk.

        Args:
            site: Without subnets it gets those of the project's network.
            certificate: The one that `site.certificate` names, if the proxy may not have it yet.
            keeps: More subnets from which internal names are answered: those of a network that the project leaves.

        Returns:
            Whether anything had to change.

        Raises:
            UsageError: Another project has one of the routes.
            FtlError: Caddy rejects the configuration; the cause is its message.
        """
        if not site.subnets:
            site = await networks.with_subnets(self._engine, site)
        if keeps:
            site = replace(site, subnets=tuple(dict.fromkeys((*site.subnets, *keeps))))
        if certificate is not None:
            chain, key = certificate_files(certificate.id)
            await self._upload({chain: certificate.chain, key: certificate.key})
        if site.acme_root is not None:
            await self._upload({ca_root_file(site.acme_root): site.acme_root.encode()})
        return await self._replace_site(site.project, site)

    async def prepare_routes(self, back: Site, on: Site) -> PreparedRoutes:
        """Prepare configurations with a project's site `back`, and with `on`, for the server."""
        state = await self._state()
        self._check(state, state.sites.values())
        return prepare_routes(state.config, state.sites, back, on)

    async def switch(self, project: str, live: Mapping[str, str]) -> None:
        """Send new requests for these services to other releases, in one command inside the proxy.

        `live` is service -> alias of the release (see `release_alias`), in the order of the switch. A service that was
        never switched before answers 503 until it is.
        """
        if not live:
            return
        files = {live_file(project, service).rpartition("/")[2]: alias for service, alias in live.items()}
        done = await self._run("switch to the new release", commands.switch(files))
        missing = files.keys() - {line.partition("=")[0] for line in done.decode().splitlines()}
        if missing:
            raise FtlError("the proxy switched only some services", cause=", ".join(sorted(missing)))

    async def remove_routes(self, project: str, services: Iterable[str] | None = None) -> None:
        """Remove the live files of services without routes, or a whole project.

        A proxy that is stopped stays so.

        `services` None: all of them, and the project's site.
        """
        state = await self.observe()
        if state is None:
            return
        known = {service for owner, service in state.live if owner == project}
        if services is None:
            await self._replace_site(project, None)
            for network in networks_of(project):
                if network in state.networks:
                    await self.disconnect(network)
        removed = sorted(known if services is None else known.intersection(services))
        if removed:
            files = [live_file(project, service) for service in removed]
            done = await self._execute(state, project, ["rm", "-f", *files])
            _refuse_failed("remove services", done)

    async def remove_shared_certificates(self, project: str) -> None:
        """Remove certificates of a project, with keys, that share.sh brought and nobody has taken.

        Also where the proxy is stopped.
        """
        state = await self.observe()
        if state is None:
            return
        folder = shared_certificates_folder(project)
        done = await self._execute(state, project, ["rm", "-rf", folder])
        if done.exit_code != 0:
            raise FtlError(f"{folder} stays in the proxy of {self._engine.name}", cause=done.message)

    async def sync(self) -> None:
        """Sync the proxy's volumes to the disk, so that a power cut loses nothing of them.

        Only the file system of the volumes, which has the release records as well; the proxy does not read them.

        Raises:
            EngineError: The proxy does not run.
        """
        await self._engine.execute(self._names.container, ["sync", "-f", LIVE_FOLDER])

    async def in_flight(self) -> dict[str, int]:
        """Requests in flight by upstream address ("10.83.0.3:8000").

        They include WebSockets and event streams, as Caddy 2.11 answers `GET /reverse_proxy/upstreams`.
        """
        answer = await self._run("count its requests", commands.upstreams())
        try:
            return {str(item["address"]): int(item["num_requests"]) for item in parse_json(answer)}
        except (ValueError, TypeError, KeyError) as error:
            raise FtlError("the proxy's list of upstreams cannot be read", cause=str(error)) from error

    async def reach(self, alias: str, port: int, replicas: int, *, seconds: float) -> Reach | None:
        """Try its way to the replicas behind an alias, until it reaches all; None: it does.

        After that time, what it does not reach. A proxy without the programs for it reaches all.
        """
        expected = min(replicas, MOST)
        argv = commands.reach(alias, port, expected, seconds)
        done = await self._engine.execute(self._names.container, argv, seconds=seconds + 60.0)
        return read_reach(done, expected)

    async def request_counts(self, project: str, seconds: int) -> str:
        """Counts of the requests to a project's services in the last seconds.

        They are for `ftl.proxy.access.parse_figures`. A proxy that an earlier FTL configured logs none until the
        next deploy.
        """
        text = await self._run("count requests", commands.request_figures(project, seconds))
        return text.decode(errors="replace")

    async def wait_for_certificates(self, files: Mapping[str, str], *, seconds: float) -> Issuance:
        """Wait until an authority has issued or refused each host's certificate.

        `files` are by host, from `hosts_to_certify`.
        """
        return await issuance.wait_for_certificates(
            self._engine, self._names.container, files, seconds=seconds
        )

    async def _replace_site(self, project: str, after: Site | None) -> bool:
        """Replace one project's site (None removes it), also while other deploys change theirs."""
        for _ in range(_ATTEMPTS):
            state = await self._state(stopped=after is None)
            sites = dict(state.sites)
            before = sites.pop(project, None)
            if after is not None:
                sites[project] = after
            self._check(state, sites.values())
            config = render(tuple(sites.values()))
            if digest(config) == state.config and after == before and project not in state.damaged:
                return False
            if await self._load(config, state, project, after):
                return True
        raise FtlError(
            "the proxy's configuration could not be changed: other deploys kept changing it at the same time",
            hint="try again when they have finished",
        )

    async def _state(self, *, stopped: bool = False) -> ProxyState:
        """Its state; with `stopped` also where it does not run."""
        state = await self.observe()
        if state is None or not (state.running or stopped):
            raise FtlError(
                f"the proxy on {self._engine.name} is not running", hint=f"{ftl('deploy')} starts it"
            )
        return state

    def _check(self, state: ProxyState, sites: Iterable[Site]) -> None:
        if state.unreadable:
            files = ", ".join(map(site_file, state.unreadable))
            raise FtlError(
                f"this version of FTL cannot read the proxy's configuration of {', '.join(state.unreadable)} "
                f"on {self._engine.name}",
                cause=f"{files} in {self._names.container} was written by a newer FTL",
                hint="update FTL on this machine",
            )
        claims = conflicts(tuple(sites))
        if claims:
            raise UsageError(
                claims[0], hint="give one of them another path or host, or remove one of the projects"
            )

    async def _load(self, config: bytes, state: ProxyState, project: str, site: Site | None) -> bool:
        """Upload and load a configuration; False if the current one is no longer that of `state`."""
        folder = secrets.token_hex(8)
        files = {f"ftl/next/{folder}/caddy.json": config}
        if site is not None:
            files[f"ftl/next/{folder}/site.json"] = site.to_json().encode()
        await self._engine.put_archive(self._names.container, "/config", tar_archive(files))
        argv = commands.reload(folder, state.config, project, running=state.running)
        done = await self._execute(state, project, argv, seconds=90.0)
        if done.exit_code == commands.STALE:
            return False
        if done.exit_code != 0:
            raise FtlError(
                "the proxy rejected the new configuration and keeps the old one",
                cause=_caddy_message(done.stderr),
            )
        return True

    async def _upload(self, files: Mapping[str, bytes]) -> None:
        """Put files into /data, readable by the proxy only."""
        content = tar_archive({name.removeprefix("/data/"): data for name, data in files.items()}, mode=0o600)
        await self._engine.put_archive(self._names.container, "/data", content)

    async def _run(self, action: str, argv: list[str]) -> bytes:
        done = await self._engine.execute(self._names.container, argv)
        _refuse_failed(action, done)
        return done.stdout

    async def _execute(
        self, state: ProxyState, project: str, argv: list[str], seconds: float = 60.0
    ) -> ExecResult:
        """Run a command in the proxy, or on the files of one that is stopped."""
        if state.running:
            return await self._engine.execute(self._names.container, argv, seconds=seconds)
        return await stopped.execute(self._engine, self._names, state.image, project, argv)


def _refuse_failed(action: str, done: ExecResult) -> None:
    if done.exit_code != 0:
        message = done.message
        raise FtlError(f"the proxy could not {action}", cause=message or f"status {done.exit_code}")


def _caddy_message(stderr: bytes) -> str:
    """Caddy's error message, without the log lines around it."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    last = next((line for line in reversed(lines) if line.startswith("Error:")), lines[-1] if lines else "")
    _, brace, answer = last.partition("{")
    try:
        return str(parse_json(brace + answer)["error"])
    except (ValueError, KeyError, TypeError):
        return last.removeprefix("Error:").strip()
