"""Conversion of the engine's JSON to values, and of specs to request bodies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.engine import convert
from ftl.engine.calls import body
from ftl.engine.specs import ContainerSpec, Healthcheck, Publish, Ulimit
from ftl.engine.values import Container, DiskUsage, Endpoint, Image, Mount, Network, PublishedPort, Volume

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FIELDS = (
    *("Id", "Names", "Name", "Image", "ImageID", "Labels", "State", "Status", "Created", "NetworkSettings"),
    *(
        "Ports",
        "RepoTags",
        "RepoDigests",
        "RootFS",
        "Config",
        "Size",
        "Os",
        "Architecture",
        "Variant",
        "IPAM",
    ),
    *("DriverStatus", "ServerVersion", "OSType", "MemTotal", "DockerRootDir", "RestartCount", "Internal"),
)


@given(item=st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_no_answer_of_an_engine_breaks_the_conversion(item: dict[str, object]) -> None:
    """Missing fields, nulls and other types read as empty, whatever future engines send."""
    assert convert.listed_container(item).state in (
        *("created", "running", "paused", "restarting", "removing", "exited", "dead"),
    )
    for read in (convert.listed_image, convert.inspected_image, convert.inspected_container):
        assert isinstance(read(item).id, str)
    assert isinstance(convert.network(item).name, str)
    assert isinstance(convert.volume(item).name, str)
    assert convert.engine_info(item, "1.41").store in ("overlay2", "containerd")


@pytest.mark.parametrize(
    ("status", "store"),
    [
        ([["Backing Filesystem", "extfs"], ["Supports d_type", "true"]], "overlay2"),
        ([["driver-type", "io.containerd.snapshotter.v1"]], "containerd"),
        (None, "overlay2"),
    ],
)
def test_the_store_is_known_by_its_driver(status: object, store: str) -> None:
    """The containerd store has its plugin's name in DriverStatus."""
    info: dict[str, object] = {"DriverStatus": status, "Driver": "overlayfs"}
    assert convert.engine_info(info, "1.45").store == store


@pytest.mark.parametrize(
    ("swarm", "expected"),
    [
        ({"LocalNodeState": "inactive"}, ("", False, False, 0)),
        ({"NodeID": "n", "ControlAvailable": False, "Cluster": None}, ("n", False, False, 0)),
        ({"NodeID": "n", "ControlAvailable": True, "Error": "no leader"}, ("n", True, False, 0)),
        ({"NodeID": "n", "ControlAvailable": True, "Cluster": {"ID": "c", "Spec": {}}}, ("n", True, True, 0)),
        (
            {
                "NodeID": "n",
                "ControlAvailable": True,
                "Cluster": {"ID": "c", "Spec": {"Labels": {"ftl.cluster": "2"}}},
            },
            ("n", True, True, 2),
        ),
    ],
)
def test_the_membership_of_a_swarm_is_in_the_info(
    swarm: dict[str, object], expected: tuple[object, ...]
) -> None:
    """A manager says whether it reaches a leader, and which of several beginnings of a cluster it is in."""
    info = convert.engine_info({"Swarm": swarm}, "1.41")
    assert (info.node, info.is_manager, info.has_leader, info.times_begun) == expected


@pytest.mark.parametrize(
    ("architecture", "platform"),
    [
        ("x86_64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("armv7l", "linux/arm/v7"),
        ("riscv64", "linux/riscv64"),
    ],
)
def test_the_platform_has_the_names_of_images(architecture: str, platform: str) -> None:
    """Uname's architecture becomes the one that images have."""
    assert convert.engine_info({"OSType": "linux", "Architecture": architecture}, "1.41").platform == platform


@pytest.mark.parametrize("version", ["20.10.24", "20.10.24+dfsg1", "20.10.24-ce"])
def test_a_distributions_suffix_is_not_part_of_the_version(version: str) -> None:
    """Versions of differently packaged engines can be compared."""
    assert convert.engine_info({"ServerVersion": version}, "1.41").version == "20.10.24"


def test_a_listed_container_is_read() -> None:
    """One entry of the list gives name, labels, state, addresses and ports."""
    item: dict[str, object] = {
        "Id": "c1",
        "Names": ["/other/alias", "/shop-web-r5"],
        "Image": "shop-web:r5",
        "ImageID": "sha256:1",
        "Labels": {"ftl.project": "shop"},
        "State": "running",
        "Status": "Up 3 minutes",
        "Created": 1767323045,
        "NetworkSettings": {
            "Networks": {"b": {"IPAddress": "10.0.1.2", "Aliases": None}, "a": {"IPAddress": "10.0.0.2"}}
        },
        "Ports": [
            {"PrivatePort": 80, "Type": "tcp"},
            {"IP": "127.0.0.1", "PrivatePort": 81, "PublicPort": 8081, "Type": "tcp"},
        ],
    }
    assert convert.listed_container(item) == Container(
        id="c1",
        name="shop-web-r5",
        image="shop-web:r5",
        image_id="sha256:1",
        labels={"ftl.project": "shop"},
        state="running",
        status="Up 3 minutes",
        created=1767323045,
        endpoints=(Endpoint("a", "10.0.0.2"), Endpoint("b", "10.0.1.2")),
        published=(PublishedPort(80, "tcp", "", 0), PublishedPort(81, "tcp", "127.0.0.1", 8081)),
    )


def test_images_networks_and_volumes_are_read() -> None:
    """Dangling tags are left out, subnets come from IPAM, a variant is part of the platform."""
    assert convert.listed_image(
        {"Id": "i", "RepoTags": ["<none>:<none>"], "RepoDigests": None, "Size": 7}
    ) == Image(id="i", tags=(), digests=(), layers=(), config={}, platform="", size=7)
    inspected = convert.inspected_image(
        {
            "Os": "linux",
            "Architecture": "arm",
            "Variant": "v7",
            "RootFS": {"Layers": ["a", "b"]},
            "Config": {"Cmd": None},
        }
    )
    assert (inspected.platform, inspected.layers, inspected.config) == (
        "linux/arm/v7",
        ("a", "b"),
        {"Cmd": None},
    )
    assert convert.network(
        {
            "Id": "n",
            "Name": "net",
            "Labels": {"a": "b"},
            "IPAM": {"Config": [{"Subnet": "10.0.0.0/24"}]},
            "Internal": True,
        }
    ) == Network("n", "net", {"a": "b"}, ("10.0.0.0/24",), internal=True)
    assert convert.volume({"Name": "v", "Labels": None}) == Volume("v", {})


def test_a_spec_becomes_the_body_of_a_create() -> None:
    """All settings of a spec are in the body, in the API's forms and units."""
    spec = ContainerSpec(
        image="shop-web:r5",
        labels={"ftl.project": "shop"},
        env={"A": "1=2", "B": ""},
        command=("serve",),
        entrypoint=("/init",),
        networks={"first": ("web", "r5.web"), "second": ("x",)},
        mounts=(Mount("data", "/data", read_only=True), Mount("/srv/up", "/up")),
        publish=(Publish(80, 8080, "127.0.0.1"), Publish(80, 8081), Publish(53, 53, protocol="udp")),
        ulimits=(Ulimit("nofile", 1, 2),),
        healthcheck=Healthcheck(("CMD", "true"), 1.5, 0.25, 3, 0.0),
        stop_timeout=2.5,
        sysctls={"net.ipv4.tcp_migrate_req": "1"},
    )
    assert body.container(spec, log_driver="json-file") == {
        "Image": "shop-web:r5",
        "Labels": {"ftl.project": "shop"},
        "Env": ["A=1=2", "B="],
        "Cmd": ["serve"],
        "Entrypoint": ["/init"],
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Healthcheck": {
            "Test": ["CMD", "true"],
            "Interval": 1_500_000_000,
            "Timeout": 250_000_000,
            "Retries": 3,
            "StartPeriod": 0,
        },
        "StopTimeout": 3,
        "NetworkingConfig": {"EndpointsConfig": {"first": {"Aliases": ["web", "r5.web"]}}},
        "HostConfig": {
            "RestartPolicy": {"Name": "always"},
            "Mounts": [{"Type": "volume", "Source": "data", "Target": "/data", "ReadOnly": True}],
            "Binds": ["/srv/up:/up:rw"],
            "PortBindings": {
                "80/tcp": [
                    {"HostIp": "127.0.0.1", "HostPort": "8080"},
                    {"HostIp": "", "HostPort": "8081"},
                ],
                "53/udp": [{"HostIp": "", "HostPort": "53"}],
            },
            "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}],
            "NetworkMode": "first",
            "Sysctls": {"net.ipv4.tcp_migrate_req": "1"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        },
    }
    assert list(body.further_networks(spec)) == [("second", ("x",))]


def test_unset_settings_are_left_to_the_image_and_the_engine() -> None:
    """Command, entrypoint and health check are the image's, and a custom log driver is kept."""
    made: dict[str, Any] = body.container(ContainerSpec(image="x", labels={}), log_driver="journald")
    assert not {"Cmd", "Entrypoint", "Healthcheck", "StopTimeout", "ExposedPorts", "NetworkingConfig"} & set(
        made
    )
    assert not {"LogConfig", "NetworkMode", "Sysctls"} & set(made["HostConfig"])


@pytest.mark.parametrize(("address", "key"), [("10.0.0.9", "IPv4Address"), ("fd00::9", "IPv6Address")])
def test_a_fixed_address_is_requested_by_its_family(address: str, key: str) -> None:
    """An address is in the field for its family."""
    asked: dict[str, Any] = body.endpoint("c", ["a"], address)
    assert asked == {"Container": "c", "EndpointConfig": {"Aliases": ["a"], "IPAMConfig": {key: address}}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, DiskUsage(0, 0)),
        ({"Images": None, "BuildCache": None}, DiskUsage(0, 0)),
        (
            {
                "Images": [
                    {"Containers": 0, "Size": 100, "SharedSize": 30},
                    {"Containers": 2, "Size": 1000, "SharedSize": 0},
                    {"Containers": 0, "Size": 500, "SharedSize": -1},
                    {"Containers": -1, "Size": 500, "SharedSize": 0},
                    {"Containers": 0, "Size": 7, "SharedSize": 0},
                ],
                "BuildCache": [
                    {"InUse": False, "Shared": False, "Size": 40},
                    {"InUse": True, "Shared": False, "Size": 400},
                    {"InUse": False, "Shared": True, "Size": 4000},
                ],
            },
            DiskUsage(77, 40),
        ),
    ],
)
def test_unused_space_is_counted_where_it_is_known(answer: dict[str, object], expected: DiskUsage) -> None:
    """Images without a container, without layers that they share; cache that no build uses."""
    assert convert.usage(answer) == expected
