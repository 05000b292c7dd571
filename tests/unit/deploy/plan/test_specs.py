"""What a project asks of the engine, and the hash by which it is compared with what runs."""

from __future__ import annotations

from ftl.deploy.plan.desired.specs import fingerprint
from ftl.engine.values import ContainerSpec, Mount


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
