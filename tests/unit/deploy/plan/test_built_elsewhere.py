"""Plans for images that another machine built."""

from __future__ import annotations

from ftl.deploy.plan.desired.sources import BuiltImage
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.images import OutgoingImage, PushPull, SendImages
from ftl.deploy.request import Author, NewRelease, PlanRequest
from tests.unit.deploy.world import project, server, service

ASKED = project(service("web"), service("api"), service("mail", image="registry.example.com/mail"))


def test_images_are_brought_from_where_they_were_built() -> None:
    """One transfer for each machine; through a registry, the builder pushes."""
    sources = {
        "web": BuiltImage("sha256:1", "sha256:one"),
        "api": BuiltImage("sha256:2", "sha256:two", "server"),
        "mail": BuiltImage("sha256:3", "sha256:three", "builder"),
    }
    request = PlanRequest(ASKED, (), NewRelease())
    plan = make_plan(request, PlanInputs(Author("me@here"), sources), server(ASKED))
    sent = [step for step in plan.steps if isinstance(step, SendImages)]
    assert [(step.built_on, [image.service for image in step.images]) for step in sent] == [
        ("", ["web"]),
        ("server", ["api"]),
    ]
    assert [step.text for step in sent] == [
        "send shop-web:r1",
        "tag shop-api:r1, built on the server",
    ]
    (push,) = (step for step in plan.steps if isinstance(step, PushPull))
    assert (push.local, push.built_on) == ("sha256:3", "builder")


def test_the_step_of_a_builder_names_it() -> None:
    """In a cluster the first server tags, and the others get the image from it."""
    step = SendImages((), built_on="builder")
    assert step.text.endswith(" from builder")
    spread = SendImages((), built_on="server", servers=("a", "b"))
    assert spread.located_text.endswith(" from the server that built them on a, b")


def test_a_plan_says_which_way_images_go() -> None:
    """In a cluster they are sent to one server, and passed on by it."""
    image = OutgoingImage("web", "sha256:1", "shop-web:r2", "content")
    spread = SendImages((image,), servers=("a", "b", "c"))
    assert spread.located_text == "send shop-web:r2 to a, and from there to b, c"
    assert SendImages((image,), servers=("a",)).located_text == "send shop-web:r2 on a"
    assert SendImages((image,)).located_text == "send shop-web:r2"
