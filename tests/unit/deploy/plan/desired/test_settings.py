"""Container settings of ftl.yaml, as the engine gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl.config.loading import load
from ftl.config.models.container import ContainerSettings
from ftl.config.models.field_types import keys_of
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.deploy.plan.desired.specs import dependency_container, release_spec, service_container
from ftl.engine.calls import body
from ftl.engine.specs import ContainerFile
from ftl.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.project import Project

HEAD = "project: {name: shop}\nserver: local\n"

CASES: dict[str, tuple[str, str, object]] = {
    "resources": ("{memory: 512m, cpus: 0.5, pids: 100}", "HostConfig.Memory", 512 << 20),
    "restart": ("on-failure:3", "HostConfig.RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 3}),
    "labels": ("{com.example.team: web}", "Labels.com.example.team", "web"),
    "user": ("1000:1000", "User", "1000:1000"),
    "working_dir": ("/srv", "WorkingDir", "/srv"),
    "read_only": ("true", "HostConfig.ReadonlyRootfs", True),
    "tmpfs": ("['/run', '/tmp:size=64m']", "HostConfig.Tmpfs", {"/run": "", "/tmp": "size=64m"}),
    "shm_size": ("256m", "HostConfig.ShmSize", 256 << 20),
    "init": ("true", "HostConfig.Init", True),
    "stop_signal": ("sigquit", "StopSignal", "SIGQUIT"),
    "extra_hosts": ("{db: 203.0.113.7}", "HostConfig.ExtraHosts", ["db:203.0.113.7"]),
    "cap_add": ("[net_admin]", "HostConfig.CapAdd", ["NET_ADMIN"]),
    "cap_drop": ("[ALL]", "HostConfig.CapDrop", ["ALL"]),
    "sysctls": ("{net.core.somaxconn: 1024}", "HostConfig.Sysctls", {"net.core.somaxconn": "1024"}),
    "devices": (
        "['/dev/a:/dev/b:r']",
        "HostConfig.Devices",
        [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"}],
    ),
    "logging": (
        "{driver: journald, options: {tag: x}}",
        "HostConfig.LogConfig",
        {"Type": "journald", "Config": {"tag": "x"}},
    ),
}
"""Key -> its value, the field of the API, and the value there."""


def project(folder: Path, key: str = "x-none", value: str = "1") -> Project:
    """A service and a dependency that both have a key."""
    lines = f"    {key}: {value}\n" if key != "x-none" else ""
    (folder / "ftl.yaml").write_text(
        f"{HEAD}services:\n  - name: web\n    image: web:1\n{lines}"
        f"dependencies:\n  - name: redis\n    image: redis:7\n{lines}"
    )
    return load(ProjectFiles(folder / "ftl.yaml", read_variables(folder, {})))


def field(request: Any, path: str) -> object:
    """A field of a request; a label may have dots in its name."""
    name, _, rest = path.partition(".")
    return request.get(name) if not rest else request[name].get(rest)


def test_every_setting_has_a_case() -> None:
    """A key that nobody passes on would be silently without effect."""
    assert CASES.keys() | {"files"} == keys_of(ContainerSettings).keys()


@pytest.mark.parametrize(
    ("resources", "name", "expected"),
    [
        ("{cpus: 0.5}", "NanoCpus", 500_000_000),
        ("{cpus: 2}", "NanoCpus", 2_000_000_000),
        ("{pids: 100}", "PidsLimit", 100),
        ("{memory: 1g}", "Memory", 1 << 30),
    ],
)
def test_each_limit_of_the_resources_reaches_the_engine(
    tmp_path: Path, resources: str, name: str, expected: int
) -> None:
    """By itself; the others are not limited then."""
    made = project(tmp_path, "resources", resources)
    service = service_container(made, made.services[0])
    spec = release_spec("shop", service, release="r1", content="sha256:1")
    for each in (spec, dependency_container(made, made.dependencies[0]).spec):
        limits: Any = body.container(each, log_driver="json-file")["HostConfig"]
        assert {key: limits.get(key) for key in ("NanoCpus", "PidsLimit", "Memory")} == {
            **dict.fromkeys(("NanoCpus", "PidsLimit", "Memory")),
            name: expected,
        }


@pytest.mark.parametrize("key", CASES)
def test_a_setting_reaches_the_engine(tmp_path: Path, key: str) -> None:
    """Services and dependencies have the same keys, and another value is another container."""
    value, path, expected = CASES[key]
    made, plain = project(tmp_path, key, value), project(tmp_path)
    service = service_container(made, made.services[0])
    spec = release_spec("shop", service, release="r1", content="sha256:1")
    dependency = dependency_container(made, made.dependencies[0])
    for each in (spec, dependency.spec):
        assert field(body.container(each, log_driver="json-file"), path) == expected
    assert service.config != service_container(plain, plain.services[0]).config
    assert dependency.config != dependency_container(plain, plain.dependencies[0]).config


def test_settings_that_are_not_given_add_nothing(tmp_path: Path) -> None:
    """The hashes are those that 0.1.0 gave these containers: none is replaced by an upgrade."""
    plain = project(tmp_path)
    assert service_container(plain, plain.services[0]).config == "114b45a360e04513"
    assert dependency_container(plain, plain.dependencies[0]).config == "3c4c207a4ac7d37f"


def test_a_dependency_may_have_a_command(tmp_path: Path) -> None:
    """Redis with its append-only file is one line."""
    made = project(tmp_path, "command", "redis-server --appendonly yes")
    spec = dependency_container(made, made.dependencies[0]).spec
    assert spec.command == ("redis-server", "--appendonly", "yes")


def test_a_host_may_have_several_addresses(tmp_path: Path) -> None:
    """A list of them as in Compose; what is no address is reported."""
    made = project(tmp_path, "extra_hosts", "{db: [203.0.113.7, '2001:db8::7'], a: 203.0.113.8}")
    spec = dependency_container(made, made.dependencies[0]).spec
    hosts = ("db:203.0.113.7", "db:2001:db8::7", "a:203.0.113.8")
    assert field(body.container(spec, log_driver="json-file"), "HostConfig.ExtraHosts") == list(hosts)
    with pytest.raises(ConfigError, match="extra_hosts must be a single value, not a mapping"):
        project(tmp_path, "extra_hosts", "{db: [{ip: 203.0.113.7}]}")


def test_files_reach_the_container_with_their_content(tmp_path: Path) -> None:
    """A file of the repository is part of the configuration: another content is another container."""
    (tmp_path / "app.conf").write_text("a = 1\n")
    made = project(tmp_path, "files", "{/etc/app.conf: app.conf}")
    first = dependency_container(made, made.dependencies[0])
    assert first.spec.files == (ContainerFile("/etc/app.conf", "a = 1\n", 0o644, 0, 0),)
    (tmp_path / "app.conf").write_text("a = 2\n")
    again = project(tmp_path, "files", "{/etc/app.conf: app.conf}")
    assert dependency_container(again, again.dependencies[0]).config != first.config


def test_labels_of_users_never_replace_ours(tmp_path: Path) -> None:
    """A container is found by FTL's labels."""
    made = project(tmp_path, "labels", "{team: web}")
    service = service_container(made, made.services[0])
    label_map = release_spec("shop", service, release="r1", content="sha256:1").labels
    assert (label_map["team"], label_map["ftl.service"], label_map["ftl.release"]) == ("web", "web", "r1")
