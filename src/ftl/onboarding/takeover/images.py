"""Images of other people: those that FTL replaces, tools, and folders of their settings."""

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

SETTINGS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("nginx", "nginx-unprivileged", "openresty"), ("/etc/nginx", "/usr/local/openresty/nginx/conf")),
    **dict.fromkeys(("grafana", "grafana-oss", "grafana-enterprise"), ("/etc/grafana",)),
    **dict.fromkeys(("postgres", "postgis", "pgvector"), ("/etc/postgresql",)),
    **dict.fromkeys(("mysql", "mariadb"), ("/etc/mysql", "/etc/my.cnf")),
    **{name: (f"/etc/{name}",) for name in ("caddy", "prometheus", "alertmanager", "loki", "promtail", "vector")},
    "envoy": ("/etc/envoy",),
    "opentelemetry-collector": ("/etc/otelcol",),
    "opentelemetry-collector-contrib": ("/etc/otelcol-contrib",),
    "haproxy": ("/usr/local/etc/haproxy",),
    "httpd": ("/usr/local/apache2/conf",),
    "php": ("/usr/local/etc/php",),
    "blackbox-exporter": ("/etc/blackbox_exporter",),
    "fluentd": ("/fluentd/etc",),
    "fluent-bit": ("/fluent-bit/etc",),
}  # fmt: skip
"""Last part of an image's name -> paths that its program reads, and never writes."""


def only_reads(reference: str, target: str) -> bool:
    """Whether a container of an image is known to write nothing at a path."""
    paths = ("/docker-entrypoint-initdb.d", *SETTINGS.get(kind(reference), ()))
    return any(f"{target}/".startswith(f"{path}/") for path in paths)


def kind(reference: str) -> str:
    """Last part of an image's name, by which the tables know it."""
    return repository(reference).rpartition("/")[2].removesuffix("-alpine").removesuffix("-slim")
