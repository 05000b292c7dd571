"""Images of other people, by what FTL does with them."""

from __future__ import annotations

from ftl.references import repository

DATABASES: dict[str, int] = {
    "postgres": 5432, "postgresql": 5432, "postgis": 5432, "timescaledb": 5432, "timescaledb-ha": 5432,
    "pgvector": 5432,
    "mysql": 3306, "mysql-server": 3306, "mariadb": 3306, "percona": 3306, "mongo": 27017, "mongodb": 27017,
    "redis": 6379, "redis-stack": 6379, "redis-stack-server": 6379, "valkey": 6379, "keydb": 6379, "dragonfly": 6379,
    "memcached": 11211, "rabbitmq": 5672, "elasticsearch": 9200, "opensearch": 9200, "minio": 9000, "nats": 4222,
    "kafka": 9092, "cp-kafka": 9092, "redpanda": 9092, "zookeeper": 2181, "cp-zookeeper": 2181, "clickhouse": 8123,
    "clickhouse-server": 8123, "cassandra": 9042, "scylla": 9042, "influxdb": 8086, "couchdb": 5984,
    "meilisearch": 7700, "typesense": 8108, "qdrant": 6333, "neo4j": 7687, "solr": 8983, "etcd": 2379, "mssql": 1433,
    "cockroach": 26257, "surrealdb": 8000, "eclipse-mosquitto": 1883, "mosquitto": 1883, "beanstalkd": 11300,
}  # fmt: skip
"""Last part of an image's name -> port of a database, whose data must survive a release."""

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


def kind(reference: str) -> str:
    """Last part of an image's name, by which the tables know it."""
    return repository(reference).rpartition("/")[2].removesuffix("-alpine").removesuffix("-slim")
