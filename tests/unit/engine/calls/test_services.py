"""Swarm services: the bodies that create them, and what a manager answers."""

from __future__ import annotations

from ftl.common.json_fields import as_object
from ftl.engine.calls.services import ServiceSpec, SwarmTask, scaled, service_body, service_of, task_of
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import Mount

_CONTAINER = ContainerSpec(
    image="sha256:abc",
    labels={"ftl.project": "shop"},
    env={"A": "1"},
    entrypoint=("/app",),
    command=("serve",),
    networks={"ftl-c-shop": ("r5-web",)},
    restart="on-failure:3",
    stop_timeout=2.5,
    settings={"User": "app", "HostConfig.Memory": 1024, "HostConfig.Init": True},
    mounts=(Mount("/etc/app", "/conf", read_only=True),),
)


def test_a_service_has_no_virtual_address_and_its_alias_in_the_overlay() -> None:
    """Virtual IPs go on routing to tasks that shut down; the release's alias leads to the tasks themselves."""
    body = service_body(ServiceSpec("shop-web-r5", _CONTAINER, 3, ("node.labels.x==y",)), log_driver="local")
    template = as_object(body["TaskTemplate"])
    assert body["EndpointSpec"] == {"Mode": "dnsrr"}
    assert body["Mode"] == {"Replicated": {"Replicas": 3}}
    assert template["Networks"] == [{"Target": "ftl-c-shop", "Aliases": ["r5-web"]}]
    assert template["Placement"] == {"Constraints": ["node.labels.x==y"]}
    assert "LogDriver" not in template


def test_settings_of_a_container_become_those_of_a_task() -> None:
    """Swarm has its own names for the entrypoint, limits, the stop timeout and the restart policy."""
    body = service_body(ServiceSpec("shop-web-r5", _CONTAINER, 1), log_driver="json-file")
    template = as_object(body["TaskTemplate"])
    container = as_object(template["ContainerSpec"])
    assert (container["Command"], container["Args"]) == (["/app"], ["serve"])
    assert container["StopGracePeriod"] == 3_000_000_000
    assert (container["User"], container["Init"]) == ("app", True)
    assert "Dir" not in container
    assert template["Resources"] == {"Limits": {"MemoryBytes": 1024}}
    assert template["RestartPolicy"] == {
        "Condition": "on-failure",
        "Delay": 1_000_000_000,
        "MaxAttempts": 3,
    }
    assert as_object(template["LogDriver"])["Name"] == "json-file"
    assert container["Mounts"] == [
        {"Type": "bind", "Source": "/etc/app", "Target": "/conf", "ReadOnly": True}
    ]


def test_a_listed_service_and_its_task_are_read() -> None:
    """Addresses come without their prefix length, by the ID of the network."""
    service = service_of(
        {
            "ID": "s1",
            "CreatedAt": "2026-01-02T03:04:05Z",
            "Spec": {
                "Name": "shop-web-r5",
                "Labels": {"ftl.release": "r5"},
                "TaskTemplate": {
                    "ContainerSpec": {"Image": "sha256:abc"},
                    "Networks": [{"Target": "n1", "Aliases": ["r5-web"]}],
                    "Placement": {"Constraints": ["node.labels.zone!=b"]},
                },
                "Mode": {"Replicated": {"Replicas": 2}},
            },
        }
    )
    assert (service.name, service.replicas, service.networks) == ("shop-web-r5", 2, {"n1": ("r5-web",)})
    assert service.constraints == ("node.labels.zone!=b",)
    task = task_of(
        {
            "ID": "t1",
            "ServiceID": "s1",
            "Slot": 2,
            "NodeID": "node",
            "DesiredState": "running",
            "Status": {"State": "running", "ContainerStatus": {"ContainerID": "c1"}},
            "NetworksAttachments": [{"Network": {"ID": "n1"}, "Addresses": ["10.0.1.5/24"]}],
        }
    )
    assert task == SwarmTask("t1", "s1", 2, "node", "running", "running", "", "c1", {"n1": "10.0.1.5"})


def test_another_number_of_replicas_leaves_the_tasks_as_they_are() -> None:
    """What tasks are made of stays word for word: else the Swarm would replace those that run."""
    spec = {
        "Name": "shop-web-r5",
        "Labels": {"ftl.project": "shop", "ftl.stopped": "3"},
        "TaskTemplate": {"ForceUpdate": 0, "Runtime": "container", "ContainerSpec": {"Image": "sha256:abc"}},
        "Mode": {"Replicated": {"Replicas": 0}},
        "EndpointSpec": {"Mode": "dnsrr"},
    }
    again = scaled(spec, 3, {"ftl.stopped": None})
    assert again == {
        **spec,
        "Labels": {"ftl.project": "shop"},
        "Mode": {"Replicated": {"Replicas": 3}},
    }
    assert as_object(scaled(again, 0, {"ftl.stopped": "3"})) == spec
