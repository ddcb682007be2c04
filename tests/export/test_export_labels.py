"""A checkpoint of one's own may call its labels anything, and anyone may write a journal: every format holds."""

from __future__ import annotations

import csv
import html
import io
from pathlib import Path

import parselmouth
import pytest
import srt
import webvtt
from helpers.sessions import conversation, write_session
from lxml import etree
from parselmouth.praat import call
from pyarrow import parquet

from livemerc.events import EmotionEvent, Event, FinalAsr, Modality, SessionStart, UtteranceFinal
from livemerc.export import FORMATS, FormatName, export

LABELS = ["", "very happy", "very_happy", "a.b", "<b>", "=x", 'q"', "joy\n", "é", "-->", "x" * 300, "joy", "\x1b[2J"]


def odd_session(folder: Path) -> Path:
    """Each label is the most probable one of one utterance, and times are what a damaged journal may still say."""
    start = conversation(0)[0]
    assert isinstance(start, SessionStart)
    start.labels[:] = LABELS
    events: list[Event] = [start]
    for n, label in enumerate(LABELS):
        spread = dict.fromkeys(LABELS, 0.5 / (len(LABELS) - 1)) | {label: 0.5}
        events.append(
            UtteranceFinal(
                utterance_id=f"<{n}>\n", start_s=(n + 1) * 10.0, end_s=(n + 1) * 10.0 + (n % 3 - 1), text=label,
                speaker=label, asr=FinalAsr(engine="none"),
            )
        )  # fmt: skip
        events.append(
            EmotionEvent(
                utterance_id=f"<{n}>\n", revision=0, status="provisional", label=label, confidence=0.5,
                probabilities=spread, modality=Modality(speech=spread),
            )
        )  # fmt: skip
    return write_session(folder, events)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[FormatName, Path]:
    folder = tmp_path_factory.mktemp("odd")
    session = odd_session(folder / "odd session")
    files = {}
    for name in FORMATS:
        files[name] = folder / f"out.{name}"
        files[name].write_bytes(export(session, name).data)
    return files


def test_tables_have_a_column_for_each(exported: dict[FormatName, Path]) -> None:
    table = parquet.read_table(exported["parquet"])
    rows = list(csv.DictReader(io.StringIO(exported["csv"].read_bytes().decode(), newline=""), strict=True))
    assert list(rows[0]) == table.schema.names
    for n, (row, label) in enumerate(zip(table.to_pylist(), LABELS, strict=True)):
        assert (row["label"], row[f"p_{label}"], row[f"speech_p_{label}"], row[f"text_p_{label}"]) == (
            label, 0.5, 0.5, None,
        )  # fmt: skip
        assert (float(rows[n]["start_s"]), float(rows[n]["end_s"])) == ((n + 1) * 10.0, (n + 1) * 10.0 + (n % 3 - 1))


def test_cues_end_after_they_begin(exported: dict[FormatName, Path]) -> None:
    cues = list(srt.parse(exported["srt"].read_text(encoding="utf-8")))
    captions = webvtt.read(exported["vtt"]).captions
    assert len(cues) == len(captions) == len(LABELS)
    assert all(cue.start < cue.end for cue in cues)
    assert [caption.identifier for caption in captions] == [None] * len(LABELS)
    assert html.unescape(captions[4].voice) == "<b>"
    assert "<c.very-happy>" in captions[1].raw_text


def test_emotionml_declares_each_by_a_name_of_its_own(exported: dict[FormatName, Path]) -> None:
    document = etree.parse(str(exported["emotionml"]))
    grammar = etree.RelaxNG(etree.parse(str(Path(__file__).with_name("emotionml.rng"))))
    assert grammar.validate(document), grammar.error_log
    items = [item.get("name") for item in document.iterfind("{*}vocabulary/{*}item")]
    assert len(set(items)) == len(LABELS)
    assert items[1:3] == ["very_happy", "very_happy_2"]
    for n, emotion in enumerate(document.iterfind("{*}emotion")):
        confidences = {c.get("name"): float(c.get("confidence")) for c in emotion.iterfind("{*}category")}
        assert max(confidences, key=confidences.__getitem__) == items[n]


def test_turns_and_tiers_can_be_read(exported: dict[FormatName, Path]) -> None:
    from pyannote.database.util import load_rttm  # takes long, and every worker collects this file

    (turns,) = load_rttm(exported["rttm"]).values()
    assert len(turns.labels()) == len(LABELS)
    grid = parselmouth.read(str(exported["textgrid"]))
    names = [call(grid, "Get tier name", n + 1) for n in range(call(grid, "Get number of tiers"))]
    assert len(set(names)) == len(names) == 2 * (len(LABELS) - 1)  # `joy` is one speaker with and without a line end
    assert len(exported["audacity"].read_text(encoding="utf-8").splitlines()) == len(LABELS)
