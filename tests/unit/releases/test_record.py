"""Release records: their JSON, and what is derived from several of them."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.releases.file_copies import newest
from ftl.releases.record import (
    DependencyRecord,
    ReleaseRecord,
    ServiceRecord,
    loaded_by_ftl,
    pull_references,
    release_number,
)
from ftl.releases.store import parse_history, parse_records, write_record
from tests.support.fake_engine import FakeEngine

if TYPE_CHECKING:
    from ftl.engine.api import Engine

texts = st.text(max_size=20)
layers = st.lists(texts, max_size=3).map(tuple)
services = st.dictionaries(
    texts, st.builds(ServiceRecord, texts, texts, texts, texts, texts, layers=layers), max_size=3
)
dependencies = st.dictionaries(texts, st.builds(DependencyRecord, texts, texts, texts), max_size=3)


@given(
    st.builds(
        ReleaseRecord,
        texts,
        st.sampled_from(["started", "live", "failed"]),
        st.floats(0, 1e10),
        services=services,
        dependencies=dependencies,
    )
)
def test_a_record_reads_back_as_it_was_written(record: ReleaseRecord) -> None:
    """Whatever the texts in it."""
    assert ReleaseRecord.from_json(record.to_json()) == record


@given(st.binary(max_size=60))
def test_other_bytes_read_as_none(data: bytes) -> None:
    """They never raise."""
    assert ReleaseRecord.from_json(data) is None


def test_a_record_that_was_cut_off_reads_as_none() -> None:
    """A write can be interrupted."""
    data = ReleaseRecord("r1", "live", 1.0).to_json()
    assert ReleaseRecord.from_json(data[: len(data) // 2]) is None


def test_fields_of_a_newer_version_are_ignored() -> None:
    """Unknown fields do not hide a record, nor the services and dependencies in it."""
    services = {"web": ServiceRecord("r7", "i", "d", "c", "f")}
    known = ReleaseRecord(
        "r7", "live", 1.0, services=services, dependencies={"db": DependencyRecord("p", "d")}
    )
    newer = json.loads(known.to_json())
    newer |= {"v": 2, "approved_by": "her"}
    newer["services"]["web"]["colour"] = "blue"
    newer["dependencies"]["db"]["colour"] = "green"
    assert ReleaseRecord.from_json(json.dumps(newer).encode()) == known


def test_the_number_of_an_unreadable_record_is_not_reused() -> None:
    """Its file name gives the release; other files are ignored."""
    good = ReleaseRecord("r3", "live", 1.0)
    files = {"shop/r12.json": b"{", "shop/r3.json": good.to_json(), "shop/notes.txt": b"?"}
    found = parse_records(files)
    assert [(one.release, one.outcome) for one in found] == [("r3", "live"), ("r12", "started")]


@pytest.mark.parametrize("release", [5, None, "../other/r5", "r9"])
def test_a_file_names_its_release(release: object) -> None:
    """Another release in the record is not believed, whatever its type."""
    stored = json.loads(ReleaseRecord("r3", "live", 1.0, by="ana").to_json()) | {"release": release}
    found = parse_records({"shop/r3.json": json.dumps(stored).encode()})
    assert [(one.release, one.number, one.by) for one in found] == [("r3", 3, "ana")]


@pytest.mark.parametrize("name", ["shop/r3.txt", "shop/old/r3.json", "shop/r².json", "shop/rx.json"])
def test_a_file_with_another_name_is_ignored(name: str) -> None:
    """Only PROJECT/rN.json is a record."""
    assert parse_records({name: ReleaseRecord("r3", "live", 1.0).to_json()}) == ()


def test_a_summary_that_names_no_release_is_ignored() -> None:
    """Its name would become a path that is removed when records are summed up."""
    releases = ("r1", "../other/r5", "r²")
    lines = b"\n".join(ReleaseRecord(release, "live", 1.0).to_json() for release in releases)
    history = parse_history("shop", newest({"shop/history.jsonl": lines + b'\n{"release": 5}'}))
    assert [record.release for record in history.records] == ["r1"]


def test_fields_of_another_type_read_as_missing() -> None:
    """The rest of the record is read."""
    wrong = {"seconds": "long", "by": 3, "error": [], "services": {"web": 1}, "logs": {}, "commit": 7}
    stored = json.loads(ReleaseRecord("r3", "live", 1.0, subject="x").to_json()) | wrong
    assert ReleaseRecord.from_json(json.dumps(stored).encode()) == ReleaseRecord(
        "r3", "live", 1.0, subject="x"
    )


def test_a_record_of_an_earlier_version_is_read() -> None:
    """It has neither layers nor dependencies, and does not say whether hooks ran."""
    record = ReleaseRecord("r7", "live", 1.0, services={"web": ServiceRecord("r7", "i", "d", "c", "f")})
    older = json.loads(record.to_json())
    del older["services"]["web"]["layers"]
    del older["dependencies"]
    del older["hooks"]
    back = ReleaseRecord.from_json(json.dumps(older | {"rollback_of": "r6"}).encode())
    assert back == replace(record, rollback_of="r6", hooks=False)
    assert ReleaseRecord.from_json(json.dumps(older).encode()) == record


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ([], {}),
        ([ServiceRecord("r1", "i", "id", "c", "f")], {}),
        ([ServiceRecord("r1", "i", "", "c", "f", layers=("a",))], {}),
        ([ServiceRecord("r1", "i", "id", "c", "f", layers=("a",))], {"id": True}),
        ([ServiceRecord("r1", "i", "id", "c", "f", pulled="web@sha256:1")], {"id": False}),
        (
            [
                ServiceRecord("r1", "i", "id", "c", "f", layers=("a",)),
                ServiceRecord("r2", "i", "id", "c", "f", pulled="web@sha256:1"),
                ServiceRecord("r2", "i", "other", "c", "f"),
            ],
            {"id": True},
        ),
    ],
)
def test_records_say_which_images_ftl_loaded(
    services: list[ServiceRecord], expected: dict[str, bool]
) -> None:
    """By image ID: true if it was ever sent, false if it was only pulled, absent if unknown."""
    releases = [ReleaseRecord(one.release, "live", 1.0, services={"web": one}) for one in services]
    assert loaded_by_ftl(releases) == expected
    assert loaded_by_ftl(reversed(releases)) == expected


def test_the_last_live_release_says_where_an_image_came_from() -> None:
    """An empty reference means that the image was sent."""
    one, two = DependencyRecord("a", "A", "a@sha256:1"), DependencyRecord("b", "B")
    releases = (
        ReleaseRecord("r1", "live", 0.0, dependencies={"one": replace(one, pulled=""), "two": two}),
        ReleaseRecord("r2", "live", 0.0, dependencies={"one": one}),
        ReleaseRecord("r3", "failed", 0.0, dependencies={"one": replace(one, pulled="")}),
    )
    assert pull_references(releases) == {"A": "a@sha256:1", "B": ""}


def test_records_are_private() -> None:
    """Only the owner can read the stored file and its folder."""
    written: list[bytes] = []

    class Noting(FakeEngine):
        async def put_archive(self, container: str, path: str, archive: bytes) -> None:
            written.append(archive)

    asyncio.run(write_record(cast("Engine", Noting()), "shop", ReleaseRecord("r1", "live", 1.0)))
    with tarfile.open(fileobj=io.BytesIO(written[0])) as tar:
        assert {entry.name: entry.mode for entry in tar} == {"shop": 0o700, "shop/r1.json": 0o600}


@pytest.mark.parametrize(
    ("text", "number"),
    [("r1", 1), ("r12", 12), ("", 0), ("x3", 0), ("r", 0), ("r-1", 0), ("r²", 0), ("r" + "9" * 5000, 0)],
)
def test_release_names_are_read(text: str, number: int) -> None:
    """r12 is 12; anything else is 0."""
    assert release_number(text) == number
