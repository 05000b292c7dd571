"""Release records survive the way to the server and back."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.deploy.records import ReleaseRecord, ServiceRecord, packed, release_number

texts = st.text(max_size=20)
services = st.dictionaries(texts, st.builds(ServiceRecord, texts, texts, texts, texts, texts), max_size=3)


@given(
    st.builds(
        ReleaseRecord,
        texts,
        st.sampled_from(["started", "live", "failed"]),
        st.floats(0, 1e10),
        services=services,
    )
)
def test_a_record_reads_back_as_it_was_written(record: ReleaseRecord) -> None:
    """What is stored is what is read, whatever the texts."""
    assert ReleaseRecord.from_json(record.to_json()) == record


@given(st.binary(max_size=60))
def test_what_is_no_record_reads_as_none(data: bytes) -> None:
    """Bytes that are no record never raise."""
    assert ReleaseRecord.from_json(data) is None


def test_a_record_that_was_cut_off_reads_as_none() -> None:
    """Half a record is no record."""
    data = ReleaseRecord("r1", "live", 1.0).to_json()
    assert ReleaseRecord.from_json(data[: len(data) // 2]) is None


def test_records_are_private() -> None:
    """The stored file and its folder can be read by their owner alone."""
    with tarfile.open(fileobj=io.BytesIO(packed("shop", ReleaseRecord("r1", "live", 1.0)))) as tar:
        assert {entry.name: entry.mode for entry in tar} == {"shop": 0o700, "shop/r1.json": 0o600}


@pytest.mark.parametrize(
    ("text", "number"), [("r1", 1), ("r12", 12), ("", 0), ("x3", 0), ("r", 0), ("r-1", 0)]
)
def test_release_names_are_read(text: str, number: int) -> None:
    """r12 is 12; anything else is no release."""
    assert release_number(text) == number
