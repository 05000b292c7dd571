"""Webhooks in a plan: when the server is told where it sends messages, and what it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.models.notification import Notification
from ftl.config.models.project import Job
from ftl.config.models.proxy import Proxy
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.images import BringImage
from ftl.deploy.plan.steps.notifications import SetNotifications
from ftl.deploy.request import Author, PlanRequest, RestoredRelease
from ftl.engine.marks import pull_mark
from ftl.engine.values import Image
from ftl.operations.changes.prune import plan_prune
from ftl.operations.changes.remove import plan_remove
from ftl.releases.file_copies import newest
from ftl.releases.store import parse_history
from tests.unit.deploy.world import container, images, kinds, plan, project, record, server

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan

HOOK = "https://hooks.example.com/T0/s3cr3t"
APPRISE = "caronc/apprise:latest"
MAIL = (
    b"server server\nhost shop.example.com\n"
    b"apprise job_failure caronc/apprise:latest mailto://me:s3cr3t@example.com\n"
    b"apprise certificate caronc/apprise:latest mailto://me:s3cr3t@example.com\n"
)
LINES = (
    b"server server\nhost shop.example.com\n"
    b"url job_failure https://hooks.example.com/T0/s3cr3t\nurl certificate https://hooks.example.com/T0/s3cr3t\n"
)


def live(asked: Project, notify: bytes = b"") -> Observed:
    """A server on which r1 of a project is live, and which sends messages to these webhooks."""
    observed = server(
        asked, *container(asked, "web", "r1"), live={"web": "r1"}, releases=(record("r1", web="r1"),)
    )
    return replace(observed, notify=notify)


def told(found: Plan) -> list[SetNotifications]:
    """The steps that tell the server where it sends messages."""
    return [step for step in found.steps if isinstance(step, SetNotifications)]


def notifying(*urls: Notification, **settings: object) -> Project:
    """A project with these places for messages; a public authority certifies its host."""
    return project(notify=urls, **settings)


def lines(asked: Project) -> bytes:
    """What a first deploy tells the server."""
    found = told(plan(asked, server(asked, ready=False)))
    return found[0].lines if found else b""


def test_the_server_gets_its_name_the_hosts_and_the_webhooks_after_the_switch() -> None:
    """The step's text, which plans and events print, has no URL in it."""
    asked = notifying(Notification(url=HOOK), Notification(url="gnome://x"))
    found = plan(asked, server(asked, ready=False))
    (step,) = told(found)
    assert step.lines == LINES
    assert step.text == "have the server notify about jobs that fail and certificates that are not renewed"
    assert "s3cr3t" not in repr(step)
    names = kinds(found)
    assert names.index("SetNotifications") > names.index("Switch")


def test_the_server_gets_the_webhooks_of_chats() -> None:
    """It needs no apprise for them."""
    asked = notifying(Notification(url="tgram://12:s3cr3t/7/8"))
    assert "BringImage" not in kinds(plan(asked, live(asked)))
    found = lines(asked).decode().splitlines()
    top = "https://api.telegram.org/bot12:s3cr3t/sendMessage?chat_id="
    events = ("job_failure", "certificate")
    assert found == [
        "server server", "host shop.example.com", *(f"url {event} {top}{chat}" for event in events for chat in (7, 8))
    ]  # fmt: skip


def test_the_server_gets_the_jobs_that_it_would_miss() -> None:
    """By their names, also of backups; without a webhook for jobs that fail nobody would hear of it."""
    jobs = {"jobs": (Job(name="nightly", service="web", command="true", schedule="15 3 * * *"),)}
    asked = notifying(Notification(url=HOOK, events=("job_failure",)), **jobs)
    assert lines(asked) == b"server server\njob nightly\nurl job_failure " + HOOK.encode() + b"\n"
    assert b"job nightly" not in lines(notifying(Notification(url=HOOK, events=("certificate",)), **jobs))


def test_a_place_that_never_hears_of_the_server_is_noted() -> None:
    """Whoever writes its events has chosen them; a rollback says nothing of it."""
    silent = notifying(Notification(url="gnome://x"))
    assert [
        note
        for note in plan(silent, server(silent, ready=False)).notes
        if "gnome:// is of this machine, and gets no certificate" in note
    ]
    for quiet in (
        notifying(Notification(url="gnome://x", events=("deploy",))),
        notifying(Notification(url="pover://user@token")),
        notifying(Notification(url="gnome://x"), proxy=Proxy(tls="off")),
    ):
        assert [note for note in plan(quiet, server(quiet, ready=False)).notes if "gets no" in note] == []


def test_a_lost_crontab_gets_the_line_of_the_certificates_again() -> None:
    """Nothing else has changed; where nothing is lost nothing is done."""
    asked = notifying(Notification(url=HOOK))
    there = live(asked, LINES)
    assert told(plan(asked, there)) == []
    (step,) = told(plan(asked, replace(there, check_lost=True)))
    assert (step.lines, step.certificates) == (LINES, True)
    (step,) = told(plan(asked, replace(there, crontab_differs=True)))
    assert (step.lines, step.certificates) == (LINES, True)
    silent = project()
    assert told(plan(silent, replace(live(silent), crontab_differs=True))) == []


def test_without_a_public_certificate_only_jobs_are_reported() -> None:
    """The proxy's own authority renews for ever, and there is nothing to renew without HTTPS."""
    only_jobs = b"server server\nurl job_failure https://hooks.example.com/T0/s3cr3t\n"
    for tls in ("internal", "off"):
        asked = notifying(Notification(url=HOOK), proxy=Proxy(tls=tls))
        assert lines(asked) == only_jobs
    asked = notifying(Notification(url=HOOK, events=("job_failure",)))
    assert lines(asked) == only_jobs


def test_nothing_is_told_that_the_server_cannot_send() -> None:
    """Neither to a desktop of this machine, nor what is for deploys only."""
    assert lines(notifying(Notification(url="gnome://x"), Notification(url=HOOK, events=("deploy",)))) == b""


def mail(*, image: str = APPRISE, **settings: object) -> Project:
    """A project that sends mail; it has a certificate, and no job."""
    return notifying(Notification(url="mailto://me:s3cr3t@example.com", image=image), **settings)


def with_image(observed: Observed, *owners: str) -> Observed:
    """The server has apprise's image, which FTL brought for these projects."""
    identity = f"sha256:{7:064x}"
    marks = (pull_mark(owner, APPRISE, identity) for owner in owners)
    tags = (APPRISE, *(mark.text for mark in marks if mark is not None))
    image = Image(identity, tags, (), (), {}, "linux/amd64", 1)
    return replace(observed, images=(*observed.images, image))


def test_the_server_gets_an_image_with_apprise_for_other_places() -> None:
    """At the very end, and only where something can come about that is to be sent there."""
    asked = mail()
    found = plan(asked, server(asked, ready=False))
    (step,) = told(found)
    assert step.lines == MAIL
    (brought,) = (one for one in found.steps if isinstance(one, BringImage) and one.sends)
    assert (brought.reference, brought.text) == (APPRISE, f"fetch image {APPRISE}")
    names = [type(one).__name__ for one in found.steps if one is brought or not isinstance(one, BringImage)]
    assert "SetNotifications" in names
    assert names[-1] == "BringImage"
    never = notifying(Notification(url="mailto://a:b@c.de", events=("failure",)))
    assert lines(never) == b""
    for silent in (mail(proxy=Proxy(tls="off")), never):
        assert not [one for one in plan(silent, live(silent)).steps if isinstance(one, BringImage)]
    job = Job(name="nightly", service="web", command="true", schedule="15 3 * * *")
    assert b"\napprise job_failure " in lines(mail(proxy=Proxy(tls="off"), jobs=(job,)))


def test_the_image_is_brought_where_it_is_not_there_and_kept_where_it_is() -> None:
    """Somebody has pruned it: without a release; another project's is marked for this one, too."""
    asked = mail()
    there = live(asked, MAIL)
    assert kinds(plan(asked, there)) == ["BringImage"]
    assert plan(asked, with_image(there, "shop")).empty
    assert kinds(plan(asked, with_image(there, "other"))) == ["ClaimImage"]
    assert plan_prune(with_image(there, "shop"), (), keep=2).empty


def test_the_image_goes_when_nothing_is_sent_in_it_any_more() -> None:
    """With the places, or by another name; a prune removes what was left, and a rollback nothing."""
    there = with_image(live(mail(), MAIL), "shop")
    assert kinds(plan(project(), there)) == ["SetNotifications", "DropPulled"]
    assert kinds(plan(mail(image="ours:1"), there)) == ["SetNotifications", "DropPulled", "BringImage"]
    assert kinds(plan_prune(replace(there, notify=b""), (), keep=2)) == ["DropPulled"]
    assert "DropPulled" in kinds(plan_remove(there, volumes=False))
    request = PlanRequest(project(), purpose=RestoredRelease("r1"))
    inputs = PlanInputs(Author("me@here"), images(project(), "sha256:two"))
    found = make_plan(request, inputs, there)
    assert "DropPulled" not in kinds(found)
    assert [step.lines for step in told(found)] == [MAIL]


def test_a_change_of_the_webhooks_alone_makes_no_release() -> None:
    """And an unchanged one no step."""
    asked = notifying(Notification(url=HOOK))
    wanted = lines(asked)
    changed = plan(asked, live(asked))
    assert (kinds(changed), changed.record) == (["SetNotifications"], None)
    assert plan(asked, live(asked, wanted)).empty


def test_webhooks_that_are_not_in_the_file_any_more_are_taken_from_the_server() -> None:
    """It would go on sending to them."""
    asked = notifying()
    (step,) = told(plan(asked, live(asked, LINES)))
    assert (step.lines, step.certificates) == (b"", False)
    assert step.text == "disable the server's notifications"


def rolled_back(asked: Project, before: bytes) -> list[SetNotifications]:
    """What a rollback to a project tells a server with these lines."""
    request = PlanRequest(asked, purpose=RestoredRelease("r1"))
    inputs = PlanInputs(Author("me@here"), images(asked, "sha256:two"))
    return told(make_plan(request, inputs, live(asked, before)))


def test_a_rollback_leaves_the_webhooks_alone() -> None:
    """No record has a URL, and that is no reason to send nothing; a server without any gets none."""
    asked = notifying()
    (step,) = rolled_back(asked, LINES)
    assert (step.lines, step.certificates) == (LINES, True)
    assert rolled_back(asked, b"") == []


def test_a_rollback_tells_which_jobs_there_are_by_now() -> None:
    """Another user's crontab still starts what it has removed, and would say that somebody had pruned it."""
    job = Job(name="nightly", service="web", command="true", schedule="15 3 * * *")
    head, url = b"server as ftl.yaml names it\n", b"url job_failure " + HOOK.encode() + b"\n"
    place = b"apprise job_failure caronc/apprise:latest mailto://me:s3cr3t@example.com\n"
    with_job, without = head + b"job nightly\n" + url + place, head + url + place
    assert [step.lines for step in rolled_back(notifying(), with_job)] == [without]
    assert [step.lines for step in rolled_back(notifying(jobs=(job,)), without)] == [with_job]


def test_no_record_has_a_url() -> None:
    """Records stay on the server for long."""
    asked = notifying(Notification(url=HOOK))
    found = plan(asked, server(asked, ready=False))
    assert found.record is not None
    assert found.record.project["notify"] == []
    assert "s3cr3t" not in found.record.to_json().decode()


def test_a_removed_project_sends_nothing_any_more() -> None:
    """Its file in the store becomes empty."""
    (step,) = told(plan_remove(live(notifying(), LINES), volumes=False))
    assert step.lines == b""


def test_the_webhooks_are_a_file_among_the_records() -> None:
    """One read of the store has them; what Python prints of it has not."""
    history = parse_history("shop", newest({"shop/notify": LINES}))
    assert history.notify == LINES
    assert "s3cr3t" not in repr(history)
