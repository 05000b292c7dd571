"""A model of deploys: two projects with colliding names, edited, deployed, killed and cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ftl.deploy.apply.context import ResolvedImage
from ftl.deploy.apply.steps.containers import wait
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.observe.snapshot import observe
from ftl.deploy.operation import Operation, OperationRequest, run
from ftl.deploy.plan.desired.sources import BuiltImage
from ftl.deploy.plan.desired.specs import dependency_container, service_container
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.containers import WaitHealthy
from ftl.deploy.plan.steps.images import SendImages
from ftl.deploy.request import Author, NewRelease, PlanRequest
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.errors import FtlError, UsageError
from ftl.execution.runners import Runners
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.changes.remove import plan_remove
from ftl.proxy.site import Site
from tests.support.clock import run as run_async
from tests.support.fake_images import INFO
from tests.unit.deploy.kills.model_files import files
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.deploy.model_server import Killed, ModelEngine

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.observe.state import Observed
    from tests.support.fake_container import FakeContainer


_OWN: Runners[DeployContext] = Runners()


@_OWN.runs(SendImages)
async def _send(context: DeployContext, step: SendImages) -> None:
    """An image that was built is on the server under a name of its own already: tag it."""
    for image in step.images:
        await context.engine.tag(image.local, image.tag)
        found = await context.engine.image(image.tag)
        assert found is not None
        context.images[image.service] = ResolvedImage(image.tag, found.id, layers=("l",))


@_OWN.runs(WaitHealthy)
async def _wait(context: DeployContext, step: WaitHealthy) -> None:
    """As in earnest, but a container that runs is healthy at once: there are no sockets here."""
    await wait(context, replace(step, check=replace(step.check, ports=(), path=None, settle=0.0)))


BACKEND = replace(DOCKER, runners=Runners(DOCKER.runners, _OWN))


FAULTS = st.tuples(st.sampled_from(("kill", "fail")), st.integers(1, 60), st.booleans())


class Deploys(RuleBasedStateMachine):
    """Two projects on one server."""

    pair: tuple[str, str] = ("u", "u-web")

    @initialize()
    def begin(self) -> None:
        """A server with somebody's own container, and one of a name that FTL gives."""
        self.engine = ModelEngine()
        self.files: dict[str, Project] = {}
        self.built: dict[str, str] = {}
        self.settled: set[str] = set()
        run_async(self._foreign("own", "u-web-r9"))

    async def _foreign(self, *names: str) -> None:
        self.engine.begin(None)
        for name in names:
            await self.engine.create(name, ContainerSpec(image="app:1", labels={}, restart="no"))
            await self.engine.start(name)

    # --- rules --------------------------------------------------------------------------------------

    @rule(data=st.data(), which=st.integers(0, 1), content=st.sampled_from(("1", "2")))
    def edit(self, data: st.DataObject, which: int, content: str) -> None:
        """Write another ftl.yaml, and change the code."""
        name = self.pair[which]
        self.files[name] = data.draw(files(name)).project
        self.built[name] = content
        self.settled.discard(name)

    @precondition(lambda self: self.files)
    @rule(which=st.integers(0, 1))
    def deploy(self, which: int) -> None:
        """A deploy that nothing disturbs ends as the file says, and a second one has nothing to do."""
        name = self._name(which)
        if self._run(name):
            self._converged(name)

    @precondition(lambda self: self.files)
    @rule(which=st.integers(0, 1), fault=FAULTS)
    def disturbed(self, which: int, fault: tuple[str, int, bool]) -> None:
        """FTL is killed, or a call fails."""
        self._run(self._name(which), fault=fault)

    @precondition(lambda self: self.files)
    @rule(which=st.integers(0, 1))
    def broken(self, which: int) -> None:
        """A build that ends at once: nothing of it may stay, and all that was live goes on."""
        name = self._name(which)
        live, before = self.engine.live(), self.built[name]
        self.built[name] = "broken"
        if any(one.build is not None for one in self.files[name].services):
            self._run(name)
            self.built[name] = before
            kept = {key: alias for key, alias in self.engine.live().items() if key in live}
            assert kept.items() <= live.items()
        self.built[name] = before

    @precondition(lambda self: self.files)
    @rule(which=st.integers(0, 1), number=st.integers(0, 3), fault=st.none() | FAULTS)
    def partial(self, which: int, number: int, fault: tuple[str, int, bool] | None) -> None:
        """`ftl deploy SERVICE`."""
        name = self._name(which)
        services = self.files[name].services
        only = services[number % len(services)].name
        before = self._site_of_others(name, only)
        self._run(name, only=(only,), fault=fault)
        after = self._site_of_others(name, only) or set()
        assert before is None or after == before, "routes of another service"

    @precondition(lambda self: self.files)
    @rule(which=st.integers(0, 1), fault=st.none() | FAULTS)
    def remove(self, which: int, fault: tuple[str, int, bool] | None) -> None:
        """`ftl remove`: nothing stays, whether the proxy runs or not; one that was disturbed is repeated."""
        name = self._name(which)
        if self._run(name, fault=fault, verb="remove") or self._run(name, verb="remove"):
            observed = run_async(observe(self.engine, INFO, name, "server"))
            assert self._operation(name, verb="remove").plan(observed).empty
            own = [one for one in observed.containers if one.labels.get(labels.PROJECT) == name]
            assert own == []
            assert observed.proxy is None or not observed.proxy.has_traces(name)

    @precondition(lambda self: self.files)
    @rule(number=st.integers(0, 20), removed=st.booleans())
    def by_hand(self, number: int, removed: bool) -> None:
        """Somebody stops or removes one of FTL's containers."""
        self.engine.begin(None)
        own = [one for one in self.engine.by_name.values() if labels.ROLE in one.spec.labels]
        if own:
            one = own[number % len(own)]
            act = self.engine.remove(one.id, force=True) if removed else self.engine.stop(one.id, timeout=1)
            run_async(act)

    @invariant()
    def rules_hold(self) -> None:
        """No call broke a rule, and nothing that is not FTL's was touched."""
        if not hasattr(self, "engine"):
            return
        assert self.engine.broken == [], "\n".join(self.engine.calls[-60:])
        own = [self.engine.by_name.get(name) for name in ("own", "u-web-r9")]
        assert [one is not None and one.state for one in own] == ["running", "running"]

    def teardown(self) -> None:
        """From wherever it is, each project converges."""
        for name in getattr(self, "files", {}):
            if self._run(name):
                self._converged(name)

    # --- work ---------------------------------------------------------------------------------------

    def _site_of_others(self, name: str, only: str) -> set[object] | None:
        """Routes and names of a project's other services, as they apply; None without a site."""
        site = run_async(observe(self.engine, INFO, name, "server")).site
        if site is None:
            return None
        return {
            *(one for one in site.routes if one.service != only),
            *(one for one in site.internal if one.service != only),
        }

    def _name(self, which: int) -> str:
        names = [name for name in self.pair if name in self.files]
        return names[which % len(names)]

    def _run(
        self,
        name: str,
        *,
        only: tuple[str, ...] = (),
        fault: tuple[str, int, bool] | None = None,
        verb: str = "deploy",
    ) -> bool:
        """Deploy or remove; whether it was done. A refused plan has changed nothing."""
        self.engine.begin(name, fault)
        others = self._of_others(name)
        calls = len(self.engine.calls)
        try:
            run_async(self._apply(name, only, verb))
        except UsageError:
            assert len(self.engine.calls) == calls, "a plan that is refused changes nothing"
            return False
        except (FtlError, Killed) as error:
            expected = fault is not None or self.built[name] == "broken"
            if not expected:
                raise AssertionError(f"{name} does not converge: {error}") from error
            return False
        finally:
            self.engine.end_operation()
            assert self._of_others(name) == others, "another project was touched"
        return not only

    async def _apply(self, name: str, only: tuple[str, ...], verb: str) -> None:
        operation = self._operation(name, only, verb)
        session = Session("server", ModelMachine(self.engine), self.engine, INFO)
        observed = await observe(self.engine, INFO, name, "server")
        await run(operation, Fleet([session]), observed, emit=lambda _: None)

    def _operation(self, name: str, only: tuple[str, ...] = (), verb: str = "deploy") -> Operation:
        project, content = self.files[name], self.built[name]
        asked = OperationRequest.of(project, Path(), BACKEND, GivenCommand(verb))
        if verb == "remove":
            return Operation(asked, project, "me", lambda seen: plan_remove(seen, volumes=False))
        request = PlanRequest(project, only, NewRelease(adopt=True))
        sources = {
            one.name: BuiltImage(f"built:{content}", f"sha256:{content}")
            for one in project.services
            if one.build is not None
        }
        inputs = PlanInputs(Author("me"), sources)
        return Operation(asked, project, "me", lambda seen: make_plan(request, inputs, seen))

    def _of_others(self, name: str) -> dict[str, tuple[str, str]]:
        """Containers that are not of a project, with ID and state."""
        return {
            one.name: (one.id, one.state)
            for one in self.engine.by_name.values()
            if one.spec.labels.get(labels.PROJECT, name) != name
        }

    # --- what holds after a deploy ------------------------------------------------------------------

    def _converged(self, name: str) -> None:
        observed = run_async(observe(self.engine, INFO, name, "server"))
        again = self._operation(name).plan(observed)
        assert [step.text for step in again.steps] == []
        project = self.files[name]
        own = [one for one in self.engine.by_name.values() if one.spec.labels.get(labels.PROJECT) == name]
        expected = {one.name: one.replicas for one in project.services}
        expected |= dict.fromkeys((one.name for one in project.dependencies), 1)
        found: dict[str, int] = {}
        for one in own:
            found[one.spec.labels[labels.SERVICE]] = found.get(one.spec.labels[labels.SERVICE], 0) + 1
        assert found == expected, "each service has the containers of one release, and nothing else is left"
        assert {one.state for one in own} <= {"running"}
        for service in project.services:
            tags = [tag for image in observed.images for tag in image.tags]
            kept = [tag for tag in tags if tag.startswith(f"{name}-{service.name}:r")]
            assert len(kept) <= project.keep_releases, "images of releases that nobody goes back to"
        assert {one.spec.restart for one in own} <= {"always"}
        self._as_asked(project, own)
        self._routed(project, observed)

    def _as_asked(self, project: Project, own: list[FakeContainer]) -> None:
        config = {one.name: service_container(project, one).config for one in project.services}
        config |= {one.name: dependency_container(project, one).config for one in project.dependencies}
        images = {one.name: one.image for one in project.dependencies}
        for one in own:
            service = one.spec.labels[labels.SERVICE]
            assert one.spec.labels[labels.CONFIG] == config[service]
            assert images.get(service, one.spec.image) == one.spec.image

    def _routed(self, project: Project, observed: Observed) -> None:
        with_port = {one.name for one in project.services if one.port}
        assert observed.proxy is None or bool(with_port) == observed.proxy.has_traces(project.name)
        if not with_port:
            return
        live = {
            key.partition(".")[2]: alias
            for key, alias in self.engine.live().items()
            if key.startswith(f"{project.name}.")
        }
        for one in project.services:
            aliases = {
                alias
                for each in self.engine.by_name.values()
                if each.spec.labels.get(labels.PROJECT) == project.name
                and each.spec.labels[labels.SERVICE] == one.name
                for endpoint in each.endpoints.values()
                for alias in endpoint.aliases
            }
            assert not one.port or live.get(one.name) in aliases, f"{one.name} is live at what runs"
        stored = self.engine.proxy_files[f"/ftl/sites/{project.name}.json"]
        assert stored is not None
        site = Site.from_json(stored)
        assert site.transition is None
        assert {route.service for route in site.routes} == {
            one.name for one in project.services if one.routes
        }
        assert {one.service for one in site.internal} == with_port


class Volumes(Deploys):
    """Projects whose volumes come out the same."""

    pair = ("t", "t_x")
