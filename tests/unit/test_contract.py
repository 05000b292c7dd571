"""Public contract in literal values: event types, labels, exit codes, names on the server.

Programs read the events, scripts test the exit codes, and servers that an older FTL deployed to have the labels and
names. Renaming a class or a constant must not change any of them; adding to a table here is a decision. Lines of
`--json` that are no events are in `tests/unit/cli/test_json_lines.py`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, fields, replace

import pytest

from ftl import errors, events
from ftl.engine import labels
from ftl.proxy import names
from ftl.proxy.configuration.caddy import render
from ftl.proxy.lifecycle.fingerprint import fingerprint
from ftl.proxy.lifecycle.start import container_spec
from ftl.proxy.names import ProxyNames
from ftl.proxy.site import InternalName, Site, SiteRedirect, SiteRoute
from ftl.releases.record import DependencyRecord, ReleaseRecord, ServiceRecord
from ftl.server.cluster import steps as cluster_steps
from ftl.server.cluster.apply import RUNNERS as CLUSTER_RUNNERS
from ftl.ui.reporters.json_lines import as_record
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.step_classes import step_classes
from tests.unit.ui.samples import EVERY

EVENTS = {
    "note": ("text", "level", "hint"),
    "build_started": ("service", "image", "platform", "on"),
    "build_context": ("service", "bytes"),
    "build_step": ("service", "name", "state", "seconds"),
    "build_output": ("service", "step", "line"),
    "build_finished": (
        "service",
        "image",
        "seconds",
        "built",
        "first_miss",
        "miss_seconds",
        "miss_reason",
    ),
    "transfer_started": ("image", "layers", "layers_reused", "bytes_total", "layers_kept", "server"),
    "transfer_progress": (
        "image",
        "bytes_done",
        "bytes_total",
        "bytes_sent",
        "layers_done",
        "layers_total",
        "layer",
        "way",
        "speed",
        "seconds_left",
        "server",
    ),
    "layer_finished": ("image", "layer", "way", "size", "bytes_sent", "instead_of"),
    "transfer_finished": (
        "image",
        "layers_sent",
        "layers_reused",
        "bytes_sent",
        "seconds",
        "bytes_saved",
        "layers_delta",
        "layers_kept",
        "link_speed",
        "server",
        "bytes_fanned_out",
    ),
    "backup_progress": ("name", "doing", "bytes"),
    "pull_progress": ("image", "status"),
    "push_progress": ("image", "status"),
    "setup_planned": ("server", "system", "steps"),
    "planned": ("server", "release", "steps"),
    "step_started": ("step", "text", "service"),
    "step_finished": ("step", "text", "seconds", "service"),
    "step_failed": ("step", "text", "service"),
    "step_undone": ("step", "text", "service"),
    "probed": ("service", "container", "outcome", "healthy", "seconds", "limit"),
    "hook_output": ("service", "hook", "line"),
    "switched": ("release", "services"),
    "draining": ("service", "in_flight"),
}

LABELS = {
    "PROJECT": "ftl.project",
    "SERVICE": "ftl.service",
    "RELEASE": "ftl.release",
    "ROLE": "ftl.role",
    "CONFIG": "ftl.config",
    "CONTENT": "ftl.content",
    "COMMIT": "ftl.commit",
    "REPLICA": "ftl.replica",
    "GENERATION": "ftl.generation",
    "JOINED": "ftl.joined",
    "ADDED": "ftl.added",
    "DRILL": "ftl.drill",
    "STOPPED": "ftl.stopped",
    "RESTART": "ftl.restart",
    "FOLDER": "ftl.folder",
    "FILES": "ftl.files",
    "ROLE_SERVICE": "service",
    "ROLE_DEPENDENCY": "dependency",
    "ROLE_PROXY": "proxy",
    "ROLE_STATE": "state",
    "ROLE_HOOK": "hook",
    "ROLE_RUN": "run",
    "ROLE_JOB": "job",
    "ROLE_NOTIFY": "notify",
    "JOB": "ftl.job",
    "SCHEDULE": "ftl.schedule",
    "WHEN": "ftl.when",
    "ROLE_NETWORK": "network",
    "ROLE_VOLUME": "volume",
    "ROLE_TRANSFER": "transfer",
    "ROLE_PAUSE": "hold",
    "ROLE_CLUSTER": "cluster",
    "ROLE_CERTIFICATES": "certificates",
    "ROLE_LIVE": "live",
    "CLUSTER": "ftl.cluster",
    "ENCRYPTED": "ftl.encrypted",
    "NODE_HOST": "ftl.host",
    "NODE_ROLE": "ftl.role",
    "NODE_DRAINED": "ftl.drained",
    "NODE_JOBLESS": "ftl.jobless",
    "NODE_TRIED": "ftl.tried",
    "ANY_ROLE": "any",
    "IMAGE": "ftl.image",
    "SWARM_TASK": "com.docker.swarm.task.id",
    "SWARM_TASK_NAME": "com.docker.swarm.task.name",
    "SWARM_SERVICE": "com.docker.swarm.service.id",
}

EXIT_CODES = {
    "FtlError": 1,
    "ConfigError": 2,
    "UsageError": 2,
    "ServerError": 3,
    "HostKeyChanged": 3,
    "LoginRefused": 3,
    "LockTaken": 4,
    "Interrupted": 130,
    "EngineError": 1,
    "EngineUnavailable": 1,
    "BuildFailed": 1,
    "TransferFailed": 1,
    "Unhealthy": 1,
    "HookFailed": 1,
}


def test_event_types_and_their_fields_are_fixed() -> None:
    """`--json` prints exactly these types, each with these fields in this order, whatever the classes are called."""
    kinds = [
        kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)
    ]
    concrete = [kind for kind in kinds if "type" in vars(kind)]  # each with a type of its own
    assert {kind.type: tuple(field.name for field in fields(kind)) for kind in concrete} == EVENTS
    assert len(concrete) == len(EVENTS)


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_the_printed_object_has_the_type_and_the_fields(event: events.Event) -> None:
    """The JSON object of an event is its type, then its fields."""
    type_, *names_ = as_record(event)
    assert type_ == "type"
    assert tuple(names_) == EVENTS[event.type]


def test_labels_are_fixed() -> None:
    """Servers that were deployed to carry these labels, and FTL finds its objects by them."""
    assert {name: value for name, value in vars(labels).items() if name.isupper()} == LABELS


def test_exit_codes_are_fixed() -> None:
    """Scripts tell the kinds of failure apart by these numbers."""
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.FtlError)
    ]
    assert {kind.__name__: kind.exit_code for kind in kinds} == EXIT_CODES


def test_names_of_the_proxys_objects_are_fixed() -> None:
    """The container, network, volumes and ports of the proxy that every project on a server shares."""
    installation = ProxyNames()
    assert installation.container == "ftl-proxy"
    assert installation.network == "ftl-edge"
    assert installation.config_volume == "ftl-proxy-config"
    assert installation.data_volume == "ftl-proxy-data"
    assert (installation.http_port, installation.https_port) == (80, 443)


def test_names_of_a_projects_objects_are_fixed() -> None:
    """A project's network, its interface and the alias of a release, as running containers have them."""
    assert names.project_network("shop") == "ftl-p-shop"
    assert names.project_bridge("shop") == "ftl-8d9001d32c6"
    assert names.release_alias("shop", "web", "r5") == "r5-web-shop-97375646"
    long_alias = "r12-under-scored-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-989d66b9"
    assert names.release_alias("a" * 50, "under_scored", "r12") == long_alias


def test_files_in_the_proxy_are_fixed() -> None:
    """Where the proxy's volumes hold the configuration, the live files and the certificates."""
    assert names.ADMIN == "127.0.0.1:2019"
    assert names.CONFIG_FILE == "/config/ftl/caddy.json"
    assert names.STORAGE == "/data/caddy"
    assert names.CERTIFICATES == "/data/caddy/certificates"
    assert names.live_file("shop", "web") == "/config/live/shop.web"
    assert names.ca_root_file("PEM") == "/data/ftl/authorities/384fb9a44fabe158.crt"
    assert names.certificate_files("0123") == (
        "/data/ftl/certificates/0123.crt",
        "/data/ftl/certificates/0123.key",
    )


STEP_KINDS = {
    "ensure_network", "ensure_volume", "bring_image", "send_images", "push_pull", "tag_pulled", "drop_tags",
    "ensure_proxy", "ensure_store", "upgrade_proxy", "attach", "apply_site", "await_certificates", "open_name",
    "point_again", "switch", "drain", "forget", "record", "start_dependency", "start_containers", "start_again",
    "wait_healthy", "stop_old", "stop_and_remove", "run_hook",
}  # fmt: skip
"""Step kinds that 0.1.0 wrote (`RUNNERS` in ftl/deploy/apply.py at 8666dae)."""

LATER_STEP_KINDS = {
    "admit_server", "amend_records", "back_up", "check_cron", "claim_image", "compact_records", "create_job",
    "create_service", "decide", "drop_pulled", "end_catch_up", "forget_runs", "hold_catch_up", "prune_build_cache",
    "publish_live", "reach",
    "remove_backups", "remove_images", "remove_jobs", "remove_networks", "remove_services", "remove_site",
    "remove_volumes", "set_drained", "set_hold", "set_jobless", "set_notifications", "set_preview",
    "set_restart_policy", "share_certificates", "start_services", "stop", "stop_services", "switch_jobs", "wait_tasks",
    "watch_release", "write_crontab",
}  # fmt: skip
"""Step kinds since then: a new one is added here, and stays."""


def test_step_kinds_are_fixed() -> None:
    """Every kind that was ever written still exists, and no two step classes share one."""
    kinds = [one.kind for one in step_classes()]
    assert set(kinds) == STEP_KINDS | LATER_STEP_KINDS
    assert len(kinds) == len(set(kinds))


CLUSTER_STEP_KINDS = {
    "begin_cluster", "change_role", "join_cluster", "label_node", "leave_old_cluster", "recover_cluster",
    "release_server", "remove_server", "try_network",
}  # fmt: skip
"""Kinds of the steps by which servers become a cluster; those of one server's setup are in its `test_scripts.py`."""


def test_step_kinds_of_a_cluster_are_fixed() -> None:
    """Every kind that was ever written still exists, with a runner, and is no other step's."""
    kinds = [one.kind for one in CLUSTER_RUNNERS]
    assert set(kinds) == CLUSTER_STEP_KINDS
    assert len(kinds) == len(set(kinds))
    declared = {one for one in vars(cluster_steps).values() if isinstance(one, type) and "kind" in vars(one)}
    assert declared == set(CLUSTER_RUNNERS)


RECORD_FIELDS = {
    ReleaseRecord: (
        "release", "outcome", "started", "seconds", "by", "commit", "version", "error", "services", "dependencies",
        "project",
    ),
    ServiceRecord: ("release", "image", "image_id", "content", "config", "pulled", "layers"),
    DependencyRecord: ("image", "image_id", "pulled"),
}  # fmt: skip
"""Fields that 0.1.0 wrote, in its order: they stay as they are."""

LATER_RECORD_FIELDS = {
    ReleaseRecord: (
        "origin", "subject", "bytes_sent", "switched", "rollback_of", "bad", "environment", "hooks", "pre_hooks",
        "logs", "secrets", "backup_folders", "secret_texts", "changes",
    ),
    ServiceRecord: (),
    DependencyRecord: (),
}  # fmt: skip
"""Fields since then: a new one is added here, with a default for the records that lack it, and stays."""


@pytest.mark.parametrize("record", RECORD_FIELDS, ids=lambda record: record.__name__)
def test_record_fields_are_fixed(
    record: type[ReleaseRecord | ServiceRecord | DependencyRecord],
) -> None:
    """Records have exactly these fields: those of 0.1.0, and later ones, without which a file of 0.1.0 is read."""
    later = LATER_RECORD_FIELDS[record]
    assert tuple(one.name for one in fields(record)) == (*RECORD_FIELDS[record], *later)
    added = [one for one in fields(record) if one.name in later]
    assert all(one.default is not MISSING or one.default_factory is not MISSING for one in added)


def test_the_label_for_the_proxys_settings_is_fixed() -> None:
    """It is computed from the container's spec: another value would replace the proxy of every server."""
    spec = run(container_spec(FakeEngine(), ProxyNames(), "caddy:2"))
    assert spec.labels["ftl.config"] == "f4dffc98321b2535"
    as_in_0_1 = replace(spec, labels={"ftl.role": "proxy"}, restart="unless-stopped")
    assert fingerprint(as_in_0_1) == "4ae37eb9b028c289"


SITE = Site(
    "shop",
    subnets=("10.83.0.0/24",),
    routes=(
        SiteRoute("shop.example.com", "/", False, "web", 8000),
        SiteRoute("shop.example.com", "/api", True, "api", 9000),
    ),
    internal=(InternalName("web", 8000), InternalName("plain", 80)),
    tls="auto",
    email="a@b.c",
    redirects=(SiteRedirect("www.example.com", "shop.example.com"),),
    trusted=("1.2.3.0/24",),
)


def test_a_stored_site_is_fixed() -> None:
    """Proxies store sites in this form, and an older FTL must be able to read them."""
    assert json.loads(SITE.to_json()) == {
        "project": "shop",
        "subnets": ["10.83.0.0/24"],
        "routes": [
            {"host": "shop.example.com", "path": "/", "strip_prefix": False, "service": "web", "port": 8000},
            {
                "host": "shop.example.com",
                "path": "/api",
                "strip_prefix": True,
                "service": "api",
                "port": 9000,
            },
        ],
        "internal": [{"service": "web", "port": 8000}, {"service": "plain", "port": 80}],
        "tls": "auto",
        "email": "a@b.c",
        "acme_ca": None,
        "certificate": None,
        "acme_root": None,
        "redirects": [{"host": "www.example.com", "to": "shop.example.com"}],
        "trusted": ["1.2.3.0/24"],
    }


def test_the_rendered_configuration_is_fixed() -> None:
    """Other bytes for the same sites make every proxy reload once: a change here is a decision."""
    assert hashlib.sha256(render([SITE])).hexdigest()[:16] == "229256730406f96d"
    assert hashlib.sha256(render([])).hexdigest()[:16] == "bb45d215d872f630"
