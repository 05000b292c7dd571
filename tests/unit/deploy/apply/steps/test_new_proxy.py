"""A proxy of a cluster gets the certificates that the others have before it gets a site."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.deploy.apply.steps.proxy import RUNNERS
from ftl.deploy.plan.steps.proxy import ApplySite
from ftl.errors import FtlError
from ftl.proxy.live_state import at_server
from tests.support.clock import run
from tests.unit.deploy.apply.steps.test_catch_up import SITE, put_site, two_servers

SECURED = replace(SITE, tls="auto")


@pytest.mark.parametrize(
    ("issuer", "known", "taken"),
    [("a", False, True), ("a", True, False), ("b", True, True), ("", False, False)],
    ids=["a new issuer", "an issuer that has its own", "another server", "one server"],
)
def test_certificates_come_before_the_site(issuer: str, *, known: bool, taken: bool) -> None:
    """An issuer that was made anew asks no authority for what others have; one that has its own may have newer ones."""
    context, manager, machines, _ = two_servers()
    if known:
        run(put_site(manager, at_server(SECURED, "a", issuer)))
    step = ApplySite(replace(SECURED, maintenance=None), None, issuer)

    async def execute() -> None:
        await RUNNERS.of(step)(context.at("a"), step)

    with pytest.raises(FtlError):  # the fake has no Caddy
        run(execute())
    assert [command[-1] for command in machines[0].commands if command[3] == "ftl-follow"] == ["get"] * taken
