"""Starting the proxy: one that does not start is removed by who made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.errors import EngineError
from ftl.proxy.lifecycle.start import ensure
from ftl.proxy.names import ProxyNames
from tests.support import clock
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine

if TYPE_CHECKING:
    from ftl.engine.specs import ContainerSpec

IMAGE = "caddy:2"


class Contested(FakeEngine):
    """An engine on which another deploy creates the proxy at the same moment."""

    async def create(self, name: str, spec: ContainerSpec) -> str:
        """Create the other one's first: the name is taken then."""
        await super().create(name, spec)
        return await super().create(name, spec)


@pytest.mark.parametrize(("kind", "left"), [(FakeEngine, set()), (Contested, {"ftl-proxy"})])
def test_only_a_proxy_that_this_deploy_made_is_removed_where_it_does_not_start(
    kind: type[FakeEngine], left: set[str]
) -> None:
    """The name is the same for all: by it, one deploy would remove the other's."""
    engine = kind(images=[IMAGE])
    engine.fail("start")

    async def work() -> None:
        with pytest.raises(EngineError):
            await ensure(engine, FakeMachine(), ProxyNames(), IMAGE)

    clock.run(work())
    assert set(engine.by_name) == left
