"""What a project asks of the engine, and the hash by which it is compared with what runs."""

from __future__ import annotations

from dataclasses import replace

from ftl.config.models.project import Dependency
from ftl.deploy.plan.desired.specs import dependency_container, fingerprint
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import Mount
from tests.unit.deploy.world import project


def test_a_new_ftl_replaces_no_container() -> None:
    """The hash is what it always was, whatever settings were added since: else an upgrade would replace everything."""
    spec = ContainerSpec(
        image="redis:7",
        labels={},
        env={"A": "1"},
        mounts=(Mount("shop_data", "/data"),),
        networks={"ftl-p-shop": ("redis",)},
    )
    assert fingerprint(spec) == "ce31791f43a6448a"
    assert fingerprint(spec, port=8000) == "67dae06a847538de"


def test_every_setting_counts() -> None:
    """Two specs that differ in anything that is said have different hashes; defaults say nothing."""
    plain = ContainerSpec(image="redis:7", labels={})
    assert fingerprint(plain) == fingerprint(ContainerSpec(image="redis:7", labels={}, env={}, command=None))
    others = [
        ContainerSpec(image="redis:8", labels={}),
        ContainerSpec(image="redis:7", labels={}, command=()),
        ContainerSpec(image="redis:7", labels={}, restart="no"),
        ContainerSpec(image="redis:7", labels={}, stop_timeout=10.0),
    ]
    assert len({fingerprint(one) for one in (plain, *others)}) == 5


def test_the_name_of_a_rabbitmq_node_stays_without_replacing_older_containers() -> None:
    """Its data belongs to the node's name; a container that was started without one has the same configuration."""
    shop = project(dependencies=(Dependency(name="q", image="rabbitmq:4"),))
    (queue,) = shop.dependencies
    desired = dependency_container(shop, queue)
    assert desired.spec.env == {"RABBITMQ_NODENAME": "rabbit@localhost"}
    assert desired.config == fingerprint(replace(desired.spec, image="rabbitmq:4", env={}, labels={}))
    named = dependency_container(shop, replace(queue, env={"RABBITMQ_NODENAME": "rabbit@q"}))
    assert named.spec.env == {"RABBITMQ_NODENAME": "rabbit@q"}
    assert named.config != desired.config
    assert dependency_container(shop, replace(queue, image="someone/rabbitmq:4")).spec.env == {}
