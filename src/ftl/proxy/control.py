"""The proxy of a server, at work: started, joined to networks, configured, switched, watched."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from ftl.engine.tarball import tar_archive
from ftl.errors import FtlError, UsageError
from ftl.proxy import networks, scripts
from ftl.proxy.caddy import render
from ftl.proxy.lifecycle import start, upgrade
from ftl.proxy.names import Installation, ca_root_file, certificate_files, live_file, project_network
from ftl.proxy.site import Site, UserCertificate, conflicts
from ftl.proxy.state import ProxyState, digest, observe, site_file
from ftl.proxy.tls import issuance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.engine.api import Engine
    from ftl.proxy.tls.issuance import Issuance
    from ftl.ssh.machine import Machine

_ATTEMPTS = 5
"""So often a change is made again because another deploy changed the configuration meanwhile."""


class ProxyControl:
    """The one proxy of a server, through the server's engine; Caddy's admin API is used from inside alone.

    Raises from every method: EngineError as the engine does; FtlError when the proxy itself refuses.
    """

    def __init__(self, engine: Engine, machine: Machine, installation: Installation | None = None) -> None:
        self._engine = engine
        self._machine = machine
        self._names = installation or Installation()

    # --- its life ---------------------------------------------------------------------------------

    async def observe(self) -> ProxyState | None:
        """What it is and knows; None where there is none."""
        return await observe(self._engine, installation=self._names)

    async def ensure(self, image: str) -> None:
        """Have it running and ready; what runs already is left as it is, whatever its image.

        Raises:
            FtlError: A port is taken (by what, if that can be found out), or Caddy does not come up.
        """
        await start.ensure(self._engine, self._machine, self._names, image)

    async def upgrade(self, image: str) -> bool:
        """Replace it where it is not what `image`, which the server has, and this FTL make; whether it was.

        New connections wait for a second or two, or are refused where the server does not let us make them wait
        (docs/decisions/0012-replacing-the-proxy.md). Certificates, routes and addresses stay.

        Raises:
            FtlError: The new one does not take the configuration or does not come up: the old one serves on.
        """
        return await upgrade.upgrade(self._engine, self._machine, self._names, image)

    async def remove(self, *, volumes: bool = False) -> None:
        """Remove it; its configuration and certificates only with `volumes`."""
        await self._engine.remove(self._names.container, force=True)
        await self._engine.remove_network(self._names.network)
        if volumes:
            await self._engine.remove_volume(self._names.config_volume)
            await self._engine.remove_volume(self._names.data_volume)

    # --- where it is reached ----------------------------------------------------------------------

    async def connect(self, network: str, aliases: Iterable[str]) -> None:
        """Join it to a project's network under these names; it keeps those that it has.

        A new name for a network that it is in already needs a new endpoint. It gets the same address, so that
        connections survive (docs/explanation/switch.md). Once begun it comes to its end, whatever happens to us.
        """
        await networks.ensure_connected(
            self._engine, self._machine, self._names.container, network, frozenset(aliases)
        )

    async def disconnect(self, network: str) -> None:
        """Take it out of a project's network; not being in it is no error."""
        await self._engine.disconnect(network, self._names.container)

    # --- what it serves ---------------------------------------------------------------------------

    async def apply(self, site: Site, certificate: UserCertificate | None = None) -> bool:
        """Make the proxy serve a site as it is now; whether anything had to change.

        An unchanged configuration is not loaded again; a new one takes over within two seconds (see
        `handover`), and no answer is by the old one afterwards. When Caddy refuses it the old one stays, in
        memory and on disk.

        Args:
            site: Without subnets it gets those of the project's network.
            certificate: The one that `site.certificate` names, if the proxy may not have it yet.

        Raises:
            UsageError: Another project has one of the routes.
            FtlError: Caddy refuses the configuration; the cause is what it says.
        """
        if not site.subnets:
            site = await networks.with_subnets(self._engine, site)
        if certificate is not None:
            await self._upload_certificate(certificate)
        if site.acme_root is not None:
            await self._upload({ca_root_file(site.acme_root): site.acme_root.encode()})
        return await self._change(site.project, site)

    async def switch(self, project: str, live: Mapping[str, str]) -> None:
        """Send new requests for these services to other releases, all in one command inside the proxy.

        Args:
            project: Whose services.
            live: Service -> alias of the release (see `release_alias`). A service that was never switched
                before answers 503 until it is.
        """
        if not live:
            return
        files = {_file_name(project, service): alias for service, alias in live.items()}
        done = await self._run("switch to the new release", scripts.switch(files))
        missing = files.keys() - {line.partition("=")[0] for line in done.decode().splitlines()}
        if missing:
            raise FtlError("the proxy did not switch everything", cause=", ".join(sorted(missing)))

    async def remove_routes(self, project: str, services: Iterable[str] | None = None) -> None:
        """Forget services that no site names any more, or (without `services`) the whole project."""
        state = await self.observe()
        if state is None:
            return
        known = {service for owner, service in state.live if owner == project}
        if services is None:
            await self._change(project, None)
            if project_network(project) in state.networks:
                await self.disconnect(project_network(project))
        gone = sorted(known if services is None else known.intersection(services))
        if gone:
            files = [live_file(project, service) for service in gone]
            await self._run("forget services", ["rm", "-f", *files])

    async def in_flight(self) -> dict[str, int]:
        """Requests in flight, WebSockets and event streams too, by upstream address ("10.83.0.3:8000").

        As Caddy 2.11 answers `GET /reverse_proxy/upstreams`.
        """
        answer = await self._run("count its requests", scripts.upstreams())
        try:
            return {str(one["address"]): int(one["num_requests"]) for one in json.loads(answer)}
        except (ValueError, TypeError, KeyError) as error:
            raise FtlError("the proxy counts its requests in an unknown form", cause=str(error)) from error

    async def wait_for_certificates(self, files: Mapping[str, str], *, seconds: float) -> Issuance:
        """Whether the authority gave certificates for hosts: waits until that is clear, at most so long.

        Args:
            files: By host, as `newly_certified` has it.
            seconds: How long.
        """
        return await issuance.wait_for_certificates(
            self._engine, self._names.container, files, seconds=seconds
        )

    # --- how it is changed ------------------------------------------------------------------------

    async def _change(self, project: str, after: Site | None) -> bool:
        """Replace one project's site (by None: remove it), whatever other deploys do at the same time."""
        for _ in range(_ATTEMPTS):
            state = await self._state()
            sites = dict(state.sites)
            before = sites.pop(project, None)
            if after is not None:
                sites[project] = after
            self._check(state, sites.values())
            config = render(tuple(sites.values()))
            if digest(config) == state.config and after == before:
                return False
            if await self._load(config, state.config, project, after):
                return True
        raise FtlError(
            "the proxy's configuration kept changing while it was being changed",
            hint="other deploys to this server are under way: try again when they are done",
        )

    async def _state(self) -> ProxyState:
        state = await self.observe()
        if state is None or not state.running:
            raise FtlError(f"the proxy of {self._engine.name} does not run", hint="`ftl deploy` starts it")
        return state

    def _check(self, state: ProxyState, sites: Iterable[Site]) -> None:
        if state.unreadable:
            files = ", ".join(map(site_file, state.unreadable))
            raise FtlError(
                f"the proxy of {self._engine.name} serves {', '.join(state.unreadable)} in a form that this "
                "version of FTL does not know",
                cause=f"{files} in {self._names.container} was written by a newer FTL, or is broken",
                hint="update this FTL; if it is the newest, remove the file and deploy that project again",
            )
        claimed = conflicts(tuple(sites))
        if claimed:
            raise UsageError(
                claimed[0], hint="give one of them another path or host, or remove one of the projects"
            )

    async def _load(self, config: bytes, seen: str, project: str, site: Site | None) -> bool:
        """Upload and load; False if the configuration is no longer the one that was seen."""
        change = secrets.token_hex(8)
        files = {f"ftl/next/{change}/caddy.json": config}
        if site is not None:
            files[f"ftl/next/{change}/site.json"] = site.to_json().encode()
        await self._engine.put_archive(self._names.container, "/config", tar_archive(files))
        argv = scripts.reload(change, seen, project)
        done = await self._engine.execute(self._names.container, argv, seconds=90.0)
        if done.exit_code == scripts.STALE:
            return False
        if done.exit_code != 0:
            raise FtlError(
                "the proxy refuses its new configuration; it keeps the old one",
                cause=_caddy_words(done.stderr),
            )
        return True

    async def _upload_certificate(self, certificate: UserCertificate) -> None:
        chain, key = certificate_files(certificate.id)
        await self._upload({chain: certificate.chain, key: certificate.key})

    async def _upload(self, files: Mapping[str, bytes]) -> None:
        """Put files into /data, for the proxy alone to read."""
        content = tar_archive({name.removeprefix("/data/"): data for name, data in files.items()}, mode=0o600)
        await self._engine.put_archive(self._names.container, "/data", content)

    async def _run(self, what: str, argv: list[str]) -> bytes:
        done = await self._engine.execute(self._names.container, argv)
        if done.exit_code != 0:
            words = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise FtlError(f"the proxy could not {what}", cause=words or f"status {done.exit_code}")
        return done.stdout


def _file_name(project: str, service: str) -> str:
    return live_file(project, service).rpartition("/")[2]


def _caddy_words(stderr: bytes) -> str:
    """What Caddy says is wrong, without its log lines around it."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    last = next((line for line in reversed(lines) if line.startswith("Error:")), lines[-1] if lines else "")
    _, brace, answer = last.partition("{")
    try:
        return str(json.loads(brace + answer)["error"])
    except (ValueError, KeyError, TypeError):
        return last.removeprefix("Error:").strip()
