"""The sections about what is around a project's containers: the proxy before them, the registries behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ftl.config.models import field_types
from ftl.config.models.field_types import CommandLine, ListOf, Nested, key
from ftl.config.models.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect(Section):
    """`proxy.redirects:` requests for one host are sent on to another, path and all. Written as `HOST: TO`."""

    host: str = field(
        metadata=key(field_types.DOMAIN, "The name that leads to this server, but is not the right one.")
    )
    to: str = field(metadata=key(field_types.DOMAIN, "The host of one of the routes."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy(Section):
    """`proxy:` the one proxy of the server."""

    image: str = field(default="caddy:2", metadata=key(field_types.IMAGE, "A Caddy 2 image."))
    tls: Literal["auto", "internal", "off"] = field(
        default="auto",
        metadata=key(
            field_types.TLS,
            "Certificates from an ACME authority, from the proxy's own authority, or no HTTPS.",
        ),
    )
    certificate: str | None = field(
        default=None, metadata=key(field_types.PATH, "A certificate of your own (PEM); needs `key`.")
    )
    key: str | None = field(
        default=None, metadata=key(field_types.PATH, "The certificate's private key (PEM).")
    )
    acme_ca: str | None = field(
        default=None,
        metadata=field_types.key(
            field_types.ACME_URL, "The directory of another ACME authority.", default="Let's Encrypt"
        ),
    )
    acme_ca_root: str | None = field(
        default=None,
        metadata=field_types.key(
            field_types.PATH,
            "The root certificate (PEM) by which to trust the directory of a private authority.",
        ),
    )
    redirects: tuple[Redirect, ...] = field(
        default=(),
        metadata=field_types.key(
            ListOf(Nested(Redirect)),
            "Hosts whose requests are sent on to another: `www.example.com: example.com`.",
        ),
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata=field_types.key(
            ListOf(field_types.NETWORK),
            "Address ranges of the load balancer or CDN in front: of these alone are `X-Forwarded-*` believed.",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry(Section):
    """`registries[]:` how to log in to a registry. Nothing of it is stored on the server.

    One of `password`, `token` and `command` is the secret.
    """

    server: str = field(
        metadata=key(
            field_types.REGISTRY, "Its host as images name it: `ghcr.io`; `docker.io` is Docker Hub."
        )
    )
    username: str | None = field(
        default=None,
        metadata=key(field_types.TEXT, "Who logs in.", default="for tokens: what the registry expects"),
    )
    password: str | None = field(
        default=None,
        metadata=key(field_types.TEXT, "The password. Write `${NAME}`, not the word itself.", private=True),
    )
    token: str | None = field(
        default=None,
        metadata=key(field_types.TEXT, "A token in place of the password, likewise.", private=True),
    )
    command: str | tuple[str, ...] | None = field(
        default=None,
        metadata=key(
            CommandLine(), "Run on this machine, without a shell; prints the password or token.", private=True
        ),
    )
    insecure: bool = field(
        default=False,
        metadata=key(
            field_types.BOOLEAN,
            "`ftl setup` lets the server's engine use it by HTTP or an unknown certificate.",
        ),
    )
