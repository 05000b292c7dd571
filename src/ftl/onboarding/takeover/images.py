"""Images of other people, by what FTL does with them."""

from __future__ import annotations

from ftl.common.references import repository

REPLACED: dict[str, str] = {
    "traefik": "FTL has a proxy: its rules become `routes`",
    "nginx-proxy": "FTL has a proxy: VIRTUAL_HOST becomes `routes`",
    "acme-companion": "FTL's proxy gets the certificates",
    "docker-letsencrypt-nginx-proxy-companion": "FTL's proxy gets the certificates",
    "nginx-proxy-companion": "FTL's proxy gets the certificates",
    "caddy-docker-proxy": "FTL has a proxy: its labels become `routes`",
    "certbot": "FTL's proxy gets the certificates",
    "nginx-proxy-manager": "FTL has a proxy: write `routes`",
    "watchtower": "`ftl deploy` brings new images, and only then",
    "autoheal": "the engine restarts containers that end, and deploys wait until they are healthy",
    "kamal-proxy": "FTL has a proxy",
}
"""Last part of an image's name -> why FTL does not need it."""


TOOLS = frozenset({
    "adminer", "phpmyadmin", "pgadmin4", "mongo-express", "redis-commander", "redisinsight", "dozzle", "portainer-ce",
    "mailpit", "mailhog", "mailcatcher", "flower", "cadvisor", "node-exporter", "prometheus", "alertmanager", "grafana",
})  # fmt: skip
"""Images that look at an app: the project has another host as its domain."""


def kind(reference: str) -> str:
    """Last part of an image's name, by which the tables know it."""
    return repository(reference).rpartition("/")[2].removesuffix("-alpine").removesuffix("-slim")
