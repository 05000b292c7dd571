"""Products of the declarations: JSON Schema, reference page, and the first ftl.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator
from tools.reference_yaml import SMALL, page

from ftl.config.models.field_types import keys_of
from ftl.config.models.project import Build, Dependency, Project, Service
from ftl.config.read.compose_keys import SERVICE
from ftl.config.read.foreign_keys import _HINTS, advice
from ftl.config.schema import schema

if TYPE_CHECKING:
    from .conftest import Load

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "ftl-yaml.md"


def test_the_schema_is_a_schema() -> None:
    """The schema holds to the draft that it names."""
    Draft202012Validator.check_schema(schema())
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    ("files", "is_valid"),
    [
        ({"/a": "a"}, True),
        ({"/a": {"source": "a", "mode": "0400"}}, True),
        ([{"path": "/a"}], True),
        ({"/a": ["a"]}, False),
    ],
)
def test_the_schema_knows_files_as_a_map(files: object, is_valid: bool) -> None:
    """The form in which they are meant to be written."""
    document = {"project": {"name": "shop"}, "services": [{"name": "web", "files": files}]}
    assert Draft202012Validator(schema()).is_valid(document) is is_valid


def test_the_schema_describes_every_key() -> None:
    """An editor can show a meaning for each key."""
    definitions = [schema(), *schema()["$defs"].values()]
    assert all(key["description"] for one in definitions for key in one["properties"].values())


def test_the_page_is_up_to_date() -> None:
    """`make docs` has been run since a section changed."""
    assert REFERENCE.read_text() == page()


def test_the_page_tells_every_key() -> None:
    """Each key of the top and of a service has a row."""
    rows = page()
    assert all(f"| `{name}` |" in rows for section in (Project, Service) for name in keys_of(section))


def test_the_pages_example_is_valid(loaded: Load) -> None:
    """What the page shows first can be copied."""
    assert loaded(SMALL, POSTGRES_PASSWORD="x").dependencies[0].image == "postgres:16"


def test_foreign_words_are_no_keys() -> None:
    """A hint for another tool's word never stands for a key that FTL has."""
    top, service = set(keys_of(Project)), set(keys_of(Service)) | {"path", "env_file"}
    assert not top & set(_HINTS[""])
    assert not service & set(_HINTS["services"])
    assert not set(keys_of(Dependency)) & set(_HINTS["dependencies"]) - {"ports"}
    assert not set(keys_of(Build)) & set(_HINTS["build"])


# Of compose-spec's schema (services), 2025.
_COMPOSE_KEYS = (
    "annotations", "attach", "blkio_config", "build", "cap_add", "cap_drop", "cgroup", "cgroup_parent",
    "command", "configs", "container_name", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota",
    "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpus", "cpuset", "credential_spec", "depends_on",
    "deploy", "develop", "device_cgroup_rules", "devices", "dns", "dns_opt", "dns_search", "domainname",
    "entrypoint", "env_file", "environment", "expose", "extends", "external_links", "extra_hosts", "gpus",
    "group_add", "healthcheck", "hostname", "image", "init", "ipc", "isolation", "label_file", "labels",
    "links", "logging", "mac_address", "mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit",
    "models", "network_mode", "networks", "oom_kill_disable", "oom_score_adj", "pid", "pids_limit", "platform",
    "ports", "post_start", "pre_stop", "privileged", "profiles", "provider", "pull_policy", "read_only",
    "restart", "runtime", "scale", "secrets", "security_opt", "shm_size", "stdin_open", "stop_grace_period",
    "stop_signal", "storage_opt", "sysctls", "tmpfs", "tty", "ulimits", "use_api_socket", "user",
    "userns_mode", "uts", "volumes", "volumes_from", "working_dir",
)  # fmt: skip


@pytest.mark.parametrize("section", ["services", "dependencies"])
def test_every_key_of_compose_is_known_or_has_a_verdict(section: str) -> None:
    """What users bring gets an answer, not a list of keys."""
    known = set(keys_of(Service if section == "services" else Dependency)) | {"env_file", "ulimits"}
    hints = {key: advice(key, sorted(known), section)[0] for key in _COMPOSE_KEYS if key not in known}
    assert [key for key, hint in hints.items() if hint.startswith(("the keys here", "did you mean"))] == []
    assert set(SERVICE) == set(_COMPOSE_KEYS)
