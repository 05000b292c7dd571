"""The report of a Compose file has a row for every key, also those that nobody knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ftl.config.read.compose_keys import SERVICE
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.compose.taking_over import taken

if TYPE_CHECKING:
    from pathlib import Path

VALUES = {
    "annotations": "{a: b}", "attach": "false", "blkio_config": "{weight: 3}", "build": ".", "cap_add": "[SYS_NICE]",
    "cap_drop": "[ALL]", "configs": "[c]", "cpus": "1", "credential_spec": "{file: a}", "depends_on": "[other]",
    "deploy": "{replicas: 2}", "develop": "{watch: []}", "devices": "[/dev/fuse]", "dns": "192.0.2.53",
    "env_file": "e.env", "environment": "{A: b}", "expose": '["80"]', "extends": "other",
    "extra_hosts": '["a:192.0.2.1"]', "gpus": "all", "group_add": "[staff]", "healthcheck": "{test: [CMD, a]}",
    "image": '"a:1"', "init": "true", "labels": "{a: b}", "logging": "{driver: json-file}", "mem_limit": "1g",
    "models": "[m]", "network_mode": "none", "networks": "[n]", "oom_kill_disable": "true", "pids_limit": "3",
    "platform": "linux/amd64", "ports": '["80:80"]', "post_start": "[{command: a}]", "pre_stop": "[{command: a}]",
    "privileged": "true", "profiles": "[p]", "provider": "{type: x}", "read_only": "true", "restart": "always",
    "scale": "2", "secrets": "[s]", "shm_size": "64m", "stdin_open": "true", "stop_grace_period": "3s",
    "storage_opt": "{size: 1G}", "sysctls": "{net.core.somaxconn: 1}", "tmpfs": "/tmp", "tty": "true",
    "ulimits": "{nofile: 5}", "use_api_socket": "true", "volumes": '["d:/d"]', "working_dir": "/a",
    "x-own": "{a: b}", "of_nobody": "1",
}  # fmt: skip
"""A value of the right form for each key of a service; a word for the others."""

TOP = """
name: shop
version: "3"
include: [other.yaml]
services: {web: {image: x}}
networks: {n: {internal: true}}
volumes: {d: }
secrets: {s: {file: ./s}}
configs: {c: {content: x}}
models: {m: {model: x}}
x-own: {}
of_nobody: 1
"""
FILES = {
    "e.env": "A=b",
    "Dockerfile": "FROM x\n",
    "s": "x",
    "other.yaml": "services: {more: {image: y}}\nx-more: 1\n",
}


@pytest.mark.parametrize("image", ["x", "postgres:16"])
@pytest.mark.parametrize("key", sorted({*SERVICE, *VALUES}))
def test_each_key_of_a_service_has_a_row(tmp_path: Path, key: str, image: str) -> None:
    """A key without one is lost, and nobody hears of it."""
    lines = {"image": image, key: VALUES.get(key, "a")}
    if key == "build":
        del lines["image"]
    web = "".join(f"    {name}: {value}\n" for name, value in lines.items())
    text = f"services:\n  other: {{image: y}}\n  app: {{image: z}}\n  web:\n{web}"
    text += TOP.partition("services: {web: {image: x}}")[2]
    _, report = taken(tmp_path, text, environment={"COMPOSE_PROFILES": "p"}, more=FILES)
    assert [row for row in report.rows if re.match(rf"services\.web\.{key}(?:$|[\[.: ])", row.key)]


@pytest.mark.parametrize("key", re.findall(r"^[\w-]+", TOP, re.MULTILINE))
def test_each_key_at_the_top_has_a_row(tmp_path: Path, key: str) -> None:
    """`include` was taken away before the report looked for it."""
    _, report = taken(tmp_path, TOP, more=FILES)
    assert [row for row in report.rows if re.match(rf"{key}(?:$|\.)", row.key)]


def test_includes_of_all_files_have_rows(tmp_path: Path) -> None:
    """Each at its place, and those of included files, too."""
    more = {**FILES, "third.yaml": "services: {third: {image: z}}\n"}
    more["other.yaml"] = f"include: [third.yaml]\n{FILES['other.yaml']}"
    _, report = taken(tmp_path, TOP, more=more)
    rows = [row for row in report.rows if row.key == "include"]
    assert [row.verdict for row in rows] == [Verdict.CHANGED, Verdict.CHANGED]
    assert len({row.file for row in rows}) == 2


def test_a_key_without_a_value_has_a_row(tmp_path: Path) -> None:
    """Compose takes it for the default."""
    _, report = taken(tmp_path, "services: {web: {image: x, command: , environment: }}")
    found = {row.key: row.text for row in report.rows if "no value" in row.text}
    assert sorted(found) == ["services.web.command", "services.web.environment"]


def test_a_key_that_nobody_knows_has_a_next_step(tmp_path: Path) -> None:
    """At the top, in a service, its build and its `deploy`."""
    web = "{build: {context: ., of_nobody: 1}, deploy: {of_nobody: 1}, of_nobody: 1}"
    _, report = taken(tmp_path, f"of_nobody: 1\nservices: {{web: {web}}}")
    rows = {row.key: (row.verdict, row.text) for row in report.rows if row.key.endswith("of_nobody")}
    told = Verdict.NEEDS_YOU, "neither Compose nor FTL has such a key: leave it out, or correct its name"
    places = ("", "services.web.", "services.web.build.", "services.web.deploy.")
    assert rows == {f"{place}of_nobody": told for place in places}
