"""Restarts of the services of a model's project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftl.config.models.project import Server
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.observe.snapshot import observe
from ftl.deploy.operation import Operation, OperationRequest, run
from ftl.deploy.request import Author
from ftl.events import Emit, ignore
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.changes.restart import plan_restart
from tests.support.clock import run as run_async
from tests.support.fake_images import INFO
from tests.unit.deploy.kills.model import BACKEND
from tests.unit.deploy.model_machine import ModelMachine

if TYPE_CHECKING:
    from tests.unit.deploy.kills.model import Deploys

REQUEST = OperationRequest("u", Server(host="server"), Path(), BACKEND, GivenCommand("restart"))


def restart(machine: Deploys, fault: tuple[str, int, bool] | None = None, emit: Emit = ignore) -> None:
    """Restart all services of the project u; `fault` as in the model."""

    async def work() -> None:
        session = Session("server", ModelMachine(machine.engine), machine.engine, INFO)
        observed = await observe(machine.engine, INFO, "u", "server")
        operation = Operation(
            REQUEST, machine.files["u"], "me", lambda seen: plan_restart(REQUEST, Author("me"), seen)
        )
        await run(operation, Fleet([session]), observed, emit=emit)

    machine.engine.begin("u", fault)
    try:
        run_async(work())
    finally:
        machine.engine.begin(None)
