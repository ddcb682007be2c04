"""csv and parquet, read by the csv module, pandas and pyarrow."""

from __future__ import annotations

import csv as csv_module
import io
import json
import sys
from pathlib import Path

import msgspec
import pandas
import pytest
from export_sessions import every_hostile_text, hostile_events, hostile_sessions, session, utterance
from helpers.said_session import said_session
from helpers.sessions import conversation, write_session
from hypothesis import given, settings
from pyarrow import parquet as pyarrow_parquet

from livemerc.emotions import LABELS
from livemerc.errors import ConfigError
from livemerc.events import SessionStart
from livemerc.export.csv_file import csv, guarded, unguarded
from livemerc.export.parquet_file import parquet
from livemerc.export.table import columns
from livemerc.sessions.corrections import CORRECTIONS_FILE, Correction
from livemerc.sessions.session import RecordedSession, read_session
from livemerc.text_safety import encodable

FORMULA = tuple("=+-@\t\r")


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv_module.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def table(data: bytes) -> list[dict[str, object]]:
    return pyarrow_parquet.read_table(io.BytesIO(data)).to_pylist()


def csv_holds(data: bytes, exported: RecordedSession) -> None:
    """Every cell comes back as what the column says, exactly."""
    found = rows(data)
    assert len(found) == len(exported.utterances)
    for row, one in zip(found, exported.utterances, strict=True):
        for column in columns(exported):
            value, cell = column.value(one), row[column.name]
            if value is None:
                assert cell == ""
            elif column.kind == "string":
                assert isinstance(value, str)
                assert unguarded(cell) == value.replace("\0", "␀")
                assert not cell.startswith(FORMULA)
            elif column.kind == "boolean":
                assert cell == ("true" if value else "false")
            else:
                assert float(cell) == value


def parquet_holds(data: bytes, exported: RecordedSession) -> None:
    found = table(data)
    expected = [{column.name: column.value(one) for column in columns(exported)} for one in exported.utterances]
    assert found == expected
    assert [row["text"] for row in found] == [encodable(one.text) for one in exported.utterances]


@given(exported=hostile_sessions())
@settings(max_examples=80, deadline=None)
def test_whatever_was_said_comes_back(exported: RecordedSession) -> None:
    csv_holds(csv(exported), exported)
    parquet_holds(parquet(exported), exported)


def test_hostile_words_come_back() -> None:
    exported = every_hostile_text()
    csv_holds(csv(exported), exported)
    parquet_holds(parquet(exported), exported)


def test_one_row_an_utterance_with_all_that_is_known(tmp_path: Path) -> None:
    exported = read_session(write_session(tmp_path / "call", hostile_events()))
    first = table(parquet(exported))[0]
    assert (first["session"], first["utterance_id"], first["start_s"], first["end_s"]) == ("call", "u0", 0.123, 0.58)
    assert (first["status"], first["first_label"], first["label"], first["confidence"]) == ("frozen", "joy", "joy", 0.6)
    assert first["modality"] == "text"
    assert (first["endpoint_wait_ms"], first["asr_ms"], first["encode_ms"]) == (400.0, 12.5, None)
    assert first["total_ms"] == 450.25
    assert first["overlap_s"] is None
    for label in LABELS:
        assert first[f"p_{label}"] == first[f"text_p_{label}"]
        assert first[f"speech_p_{label}"] is None
    assert sum(first[f"p_{label}"] for label in LABELS) == pytest.approx(1.0)


def test_where_several_speak_at_once_is_summed_and_where_nobody_does_it_is_nothing(tmp_path: Path) -> None:
    said = [(0.0, 4.0, "no", "joy", 0.6, None), (5.0, 7.0, "yes", "joy", 0.6, None)]
    path = said_session(tmp_path / "s", said, overlaps={0: [(1.0, 1.5), (3.0, 3.25)], 1: []})
    assert [row["overlap_s"] for row in table(parquet(read_session(path)))] == [0.75, 0.0]


def test_corrections_stand_beside_what_was_recorded(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(2))
    (folder / CORRECTIONS_FILE).write_text(
        '{"utterance_id":"u1","text":"mended","speaker":"Ann","emotion":"anger","at":"2026-02-03T04:05:06+00:00"}\n'
    )
    first, second = table(parquet(read_session(folder)))
    assert (first["text"], first["speaker"], first["label"]) == ("mended", "Ann", "anger")
    assert (first["confidence"], first["recorded_text"], first["recorded_speaker"]) == (None, "words 1", None)
    assert (first["recorded_label"], first["recorded_confidence"]) == ("neutral", pytest.approx(0.15))
    assert (first["corrected"], first["corrected_at"]) == ("text speaker emotion", "2026-02-03T04:05:06+00:00")
    assert (second["corrected"], second["corrected_at"]) == ("", None)
    plain = table(parquet(read_session(folder, corrected=False)))[0]
    assert (plain["text"], plain["label"], plain["corrected"]) == ("words 1", "neutral", "")


def test_a_correction_that_was_taken_back_is_none() -> None:
    exported = session([utterance(1, 0, 10, correction=Correction(utterance_id="u1", text=None, at="then"))])
    (row,) = table(parquet(exported))
    assert (row["corrected"], row["corrected_at"], row["text"]) == ("", None, "words")


def test_an_empty_session_has_columns_of_their_types() -> None:
    data = parquet(session([]))
    schema = pyarrow_parquet.read_table(io.BytesIO(data)).schema
    assert [str(schema.field(name).type) for name in ("text", "start_s", "revisions", "late_text", "p_joy")] == [
        "string", "double", "int32", "bool", "double",
    ]  # fmt: skip
    about = json.loads(schema.metadata[b"livemerc"])
    assert (about["started_at"], about["labels"]) == ("2026-01-02T03:04:05.000+00:00", list(LABELS))
    assert about["checkpoint"]["id"] == "test-1"
    assert (about["purpose"], about["text_only"], about["judge_voice_of"]) == (None, None, None)
    assert csv(session([])).decode().split("\r\n")[0].split(",") == schema.names
    assert csv(session([])).count(b"\n") == 1


def test_pandas_reads_both_alike() -> None:
    exported = session([utterance(1, 1234, 2001, "so, so", "Ann"), utterance(2, 5000, 1, '"', joy=0.1)])
    one = pandas.read_csv(io.BytesIO(csv(exported)), keep_default_na=False, na_values=[""])
    other = pandas.read_parquet(io.BytesIO(parquet(exported)))
    assert list(one["start_s"]) == list(other["start_s"]) == [1.234, 5.0]
    assert list(one["text"]) == list(other["text"]) == ["so, so", '"']
    assert list(one.columns) == list(other.columns)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "＝1", "＠x"])
def test_a_formula_is_guarded_and_what_was_said_comes_back(text: str) -> None:
    assert guarded(text) == "'" + text
    assert unguarded(guarded(text)) == text


def test_an_apostrophe_is_told_from_a_guard() -> None:
    assert guarded("'tis") == "''tis"
    assert [unguarded(guarded(text)) for text in ("'tis", "'", "''", "it's", "")] == ["'tis", "'", "''", "it's", ""]


def test_no_byte_order_mark_and_lines_end_as_the_rfc_says() -> None:
    data = csv(session([utterance(1, 0, 10, "two\nlines")]))
    assert data.startswith(b"session,utterance_id,start_s")
    assert data.count(b"\r\n") == 2
    assert data.endswith(b"\r\n")


def test_labels_that_the_session_does_not_name_are_told_of(tmp_path: Path) -> None:
    events = conversation(1)
    start = events[0]
    assert isinstance(start, SessionStart)
    start.labels.remove("fear")
    exported = read_session(write_session(tmp_path / "s", events))
    assert "p_fear" not in rows(csv(exported))[0]
    assert any("1 estimate(s) hold labels" in warning for warning in exported.warnings)


def test_without_pyarrow_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"needs pyarrow: install it with `pip install pyarrow`"):
        parquet(session([]))


def test_parquet_says_what_the_session_was_for_and_whose_voice_was_judged(tmp_path: Path) -> None:
    (first, *others) = conversation(1)
    start = msgspec.structs.replace(first, purpose="care", text_only=False, judge_voice_of=["me"])
    data = parquet(read_session(write_session(tmp_path / "s", [start, *others])))
    about = json.loads(pyarrow_parquet.read_table(io.BytesIO(data)).schema.metadata[b"livemerc"])
    assert (about["purpose"], about["text_only"], about["judge_voice_of"]) == ("care", False, ["me"])
