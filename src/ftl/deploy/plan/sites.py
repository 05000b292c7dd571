"""Sites: the project's proxy configuration during a deploy, and after it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.errors import ConfigError
from ftl.files import read_small_file
from ftl.proxy.names import project_network
from ftl.proxy.site import TlsFiles, UserCertificate, site_of
from ftl.proxy.tls.user_certificate import InvalidCertificate, check_certificate

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ftl.config import Project
    from ftl.deploy.observe.state import Observed
    from ftl.proxy.site import Site


def target_site(project: Project, observed: Observed, serving: Collection[str], files: TlsFiles) -> Site:
    """Site once the deploy is done, for the services that are live then."""
    network = project_network(project.name)
    subnets = next((one.subnets for one in observed.networks if one.name == network), ())
    return site_of(project, subnets=subnets, services=tuple(serving), files=files)


def transitional_site(target: Site, observed: Observed) -> Site:
    """Site while new containers become healthy: new names answer, old routes stay."""
    known = observed.site
    if known is None:
        return replace(target, routes=())
    names = {*known.internal, *target.internal}
    internal = tuple(sorted(names, key=lambda name: (name.service, name.port)))
    return replace(target, routes=known.routes, internal=internal)


def moves_port(target: Site, observed: Observed) -> bool:
    """Whether a service that is served now listens on another port from this release on."""
    known = {name.service: name.port for name in observed.site.internal} if observed.site else {}
    return any(known.get(name.service, name.port) != name.port for name in target.internal)


def read_files(project: Project, root: Path) -> TlsFiles:
    """Read the TLS files that the project names, relative to ftl.yaml.

    Raises:
        ConfigError: One of them cannot be read, or the certificate cannot serve the hosts of the routes.
    """
    proxy = project.proxy
    certificate = acme_root = None
    if proxy.certificate and proxy.key:
        chain, key = _read(project, root, "certificate"), _read(project, root, "key")
        certificate = UserCertificate(chain, key)
        try:
            check_certificate(certificate, site_of(project).hosts)
        except InvalidCertificate as error:
            problem = project.marks.problem(error.message, "proxy", error.field, hint=error.hint)
            raise ConfigError([problem]) from None
    if proxy.acme_ca_root:
        acme_root = _read(project, root, "acme_ca_root").decode("ascii", "replace")
    return TlsFiles(certificate, acme_root)


def _read(project: Project, root: Path, key: str) -> bytes:
    name = str(getattr(project.proxy, key))
    try:
        return read_small_file(root / name)
    except OSError as error:
        message = f"{key}: `{name}` cannot be read: {error.strerror}"
        hint = "its path is relative to ftl.yaml"
        raise ConfigError([project.marks.problem(message, "proxy", key, hint=hint)]) from error
