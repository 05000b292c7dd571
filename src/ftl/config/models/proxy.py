"""Sections about the proxy and the registries."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, Literal

from ftl.config.models import field_types
from ftl.config.models.field_types import (
    Alternatives,
    CommandLine,
    ListOf,
    Nested,
    Section,
    key,
    key_metadata,
)
from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect(Section):
    """`proxy.redirects:` redirects to another host, with the same path.

    Written as `HOST: TO`.
    """

    host: str = field(
        metadata=key_metadata(
            field_types.DOMAIN, "A host name that resolves to this server and is to be redirected."
        )
    )
    to: str = field(
        metadata=key_metadata(field_types.DOMAIN, "The host of one of the routes, to redirect to.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy(Section):
    """`proxy:` the proxy of the server, which all projects on it share."""

    image: str = key(field_types.IMAGE, "A Caddy 2 image.", "caddy:2")
    tls: Literal["auto", "internal", "off"] = key(
        field_types.TLS,
        "Certificates from an ACME authority (`auto`) or from the proxy's internal one (`internal`), "
        "or no HTTPS (`off`).",
        "auto",
    )
    certificate: str | None = key(
        field_types.PATH, "Certificate file (PEM) to use in place of ACME; requires `key`.", None
    )
    key: str | None = key(field_types.PATH, "Private key file (PEM) of `certificate`.", None)
    acme_ca: str | None = field_types.key(
        field_types.ACME_URL, "Directory URL of another ACME authority.", None, default_text="Let's Encrypt"
    )
    acme_ca_root: str | None = field_types.key(
        field_types.PATH,
        "Root certificate file (PEM) that verifies the directory of a private ACME authority.",
        None,
    )
    redirects: tuple[Redirect, ...] = field_types.key(
        ListOf(Nested(Redirect)), "Hosts to redirect to another host: `www.example.com: example.com`.", ()
    )
    trusted_proxies: tuple[str, ...] = field_types.key(
        ListOf(field_types.NETWORK),
        "Address ranges of the load balancer or CDN in front; only their `X-Forwarded-*` and `X-Real-IP` "
        "headers are trusted.",
        (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry(Section):
    """`registries[]:` credentials for a registry. They are not stored on the server.

    The secret is one of `password`, `token` and `command`.
    """

    ALTERNATIVES: ClassVar = (Alternatives(("password", "token", "command")),)

    server: str = field(
        metadata=key_metadata(
            field_types.REGISTRY,
            "Host of the registry as in image references: `ghcr.io`; `docker.io` is Docker Hub.",
        )
    )
    username: str | None = key(
        field_types.TEXT, "User name.", None, default_text="for tokens: what the registry expects"
    )
    password: str | None = key(
        field_types.TEXT, "Password. Write `${NAME}`, not the password itself.", None, sensitive=True
    )
    token: str | None = key(
        field_types.TEXT,
        "Token in place of a password. Write `${NAME}`, not the token itself.",
        None,
        sensitive=True,
    )
    command: str | tuple[str, ...] | None = key(
        CommandLine(),
        "Command that prints the password or token; runs on this machine, without a shell.",
        None,
        sensitive=True,
    )
    insecure: bool = key(
        field_types.BOOLEAN,
        "`ftl setup` allows the server's engine to use the registry over HTTP or with an unknown certificate.",
        False,
    )
