"""`ftl rollback --fresh-secrets`: secrets are asked again, and all else is as recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.common.secret_texts import SecretTexts
from ftl.config.models.container import File
from ftl.deploy.plan.steps.containers import StartContainers
from ftl.errors import FtlError
from ftl.operations.changes.rollback.fresh import FreshSecrets, SecretSource, fetch_fresh
from ftl.releases.record import ReleaseRecord
from tests.support.clock import run
from tests.unit.deploy.world import first, plan, project, server, service
from tests.unit.operations.changes.rollback.rollback_world import image, on_server, released, rolled_back

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan

TEXTS = {
    "web": SecretTexts(
        {"URL": ("x://app:", "PASSWORD", "@db-old"), "KEY": ("", "GONE", "")},
        {"/run/key": ("", "STRIPE", "")},
    )
}
OLD = project(
    replace(
        service(env={"URL": "x://app:old@db-old", "KEY": "old-key", "PLAIN": "good", "A": "1"}),
        files=(File(path="/run/key", content="old"), File(path="/etc/app.conf", content="good")),
    )
)
BAD = project(service(env={"URL": "x://app:new@db-new", "KEY": "bad", "PLAIN": "bad", "B": "2"}))
FRESH = FreshSecrets({"PASSWORD": "new", "STRIPE": "new-key"})


def observed(texts: Mapping[str, SecretTexts] | None) -> Observed:
    """A server whose live release is the bad one, and r1 the one before it."""
    before = replace(released(OLD, "r1"), secret_texts=texts, version="0.9")
    return on_server(BAD, before, released(BAD, "r2"), images=(image("r1"),))


def started(made: Plan) -> tuple[Mapping[str, str], dict[str, str]]:
    """The env and the files that the containers get."""
    start = first(made, StartContainers)
    assert isinstance(start, StartContainers)
    return start.specs[0].env, {file.path: file.content for file in start.specs[0].files}


def test_values_of_secrets_are_todays_and_plain_values_are_recorded_ones() -> None:
    """The plain env of the bad release does not come back, also where it is beside a secret in one value."""
    made = rolled_back(observed(TEXTS), "r1", fresh=FRESH)
    env, files = started(made)
    assert env == {"URL": "x://app:new@db-old", "KEY": "old-key", "PLAIN": "good", "A": "1"}
    assert files == {"/run/key": "new-key", "/etc/app.conf": "good"}
    assert "ftl.yaml no longer has the secrets GONE: their values are as recorded" in made.notes
    assert made.record is not None
    assert made.record.secret_texts == TEXTS, "the next rollback asks for the same"
    assert started(rolled_back(observed(TEXTS), "r1"))[0] == OLD.services[0].env


def test_a_release_without_secrets_comes_back_as_it_was() -> None:
    """With a note, since a value was expected to change."""
    made = rolled_back(observed({}), "r1", fresh=FreshSecrets())
    assert started(made)[0] == OLD.services[0].env
    assert any("no file of r1 has a secret in it" in note for note in made.notes)


def test_a_record_of_an_older_version_takes_all_of_todays_env() -> None:
    """It does not say which values are secrets. Names that only today's ftl.yaml has are unknown to the release."""
    fresh = FreshSecrets(env={"web": BAD.services[0].env})
    made = rolled_back(observed(None), "r1", fresh=fresh)
    env, files = started(made)
    assert env == {"URL": "x://app:new@db-new", "KEY": "bad", "PLAIN": "bad", "A": "1"}
    assert files["/run/key"] == "old"
    assert any(note.startswith("FTL 0.9 deployed r1, and did not record") for note in made.notes)
    assert made.record is not None
    assert made.record.secret_texts is None


def test_what_the_release_uses_is_asked_for_and_nothing_else() -> None:
    """Only a record that does not say where secrets are needs the whole ftl.yaml."""
    asked: list[Collection[str]] = []

    def fetch(names: Collection[str]) -> Mapping[str, str]:
        asked.append(names)
        if "GONE" in names:
            raise FtlError("the secret GONE: it is empty")
        return dict.fromkeys(names, "new")

    def whole() -> Project:
        asked.append(("all",))
        return replace(BAD, secret_values={"PASSWORD": "new"})

    source = SecretSource(fetch, whole)
    record = replace(released(OLD, "r1"), secret_texts={"web": SecretTexts({"A": ("", "PASSWORD", "")})})
    assert run(fetch_fresh(source, record)) == FreshSecrets({"PASSWORD": "new"})
    assert run(fetch_fresh(source, replace(record, secret_texts={}))) == FreshSecrets()
    assert asked == [["PASSWORD"]]
    with pytest.raises(FtlError, match="GONE"):
        run(fetch_fresh(source, replace(record, secret_texts=TEXTS)))
    found = run(fetch_fresh(source, replace(record, secret_texts=None)))
    assert found == FreshSecrets({"PASSWORD": "new"}, {"web": BAD.services[0].env})
    assert asked[1:] == [["GONE", "PASSWORD", "STRIPE"], ("all",)]


def test_a_record_says_which_texts_have_secrets_in_them() -> None:
    """Without their values. A deploy of one service keeps what is recorded of the others."""
    api = {"api": SecretTexts({"T": ("", "TOKEN", "")})}
    asked = replace(project(service(), service("api")), secret_texts={**TEXTS, **api})
    made = plan(asked, server(asked)).record
    assert made is not None
    assert made.secret_texts == {**TEXTS, **api}
    assert "PASSWORD" not in repr(made)
    assert ReleaseRecord.from_json(made.to_json()) == made

    before = replace(released(asked, "r1"), secret_texts=TEXTS | api)
    changed = replace(asked, secret_texts={"web": SecretTexts()})
    partial = plan(changed, on_server(asked, before, live="r1"), only=("web",)).record
    assert partial is not None
    assert partial.secret_texts == api
    unknown = replace(before, secret_texts=None)
    partial = plan(changed, on_server(asked, unknown, live="r1"), only=("web",)).record
    assert partial is not None
    assert partial.secret_texts is None


def test_a_record_without_these_texts_does_not_know_them() -> None:
    """One of FTL 0.1, or one that is no longer kept."""
    record = replace(released(OLD, "r1"), secret_texts=TEXTS)
    stored = record.to_json().replace(b'"secret_texts"', b'"something_else"')
    assert ReleaseRecord.from_json(stored) == replace(record, secret_texts=None)
    assert record.without_values().secret_texts is None
