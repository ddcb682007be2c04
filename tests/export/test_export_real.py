"""A conversation through the whole chain, recorded, exported, and opened by the programs that people use."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import parselmouth
import pytest
import srt
import webvtt
from helpers.command_line import livemerc
from lxml import etree
from parselmouth.praat import call
from pyarrow import parquet

from livemerc.export import FORMATS, FormatName, export

Seen = list[tuple[int, int]]


def _recorded(folder: Path, *source: str | Path) -> Path:
    done = livemerc("run", *source, "--speed", "0", "--json", "--record", folder, "--record-audio", timeout_s=280)
    assert done.returncode == 0, done.stderr
    return folder


def _exported(folder: Path, to: Path) -> dict[FormatName, Path]:
    files = {}
    for name in FORMATS:
        files[name] = to / f"session.{name}"
        exported = export(folder, name)
        assert exported.warnings == []
        files[name].write_bytes(exported.data)
    return files


def _ms(time_s: float) -> int:
    return round(time_s * 1000)


def _agree(files: dict[FormatName, Path], folder: Path, praat_tiers: int) -> None:
    """Every format has the utterances that the session's finals have, with their times to the millisecond."""
    events = [json.loads(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]
    finals = [event for event in events if event["type"] == "utterance.final"]
    spans: Seen = sorted((_ms(final["start_s"]), _ms(final["end_s"])) for final in finals)
    assert spans

    assert files["jsonl"].read_bytes() == (folder / "events.jsonl").read_bytes()
    rows = list(csv.DictReader(io.StringIO(files["csv"].read_text(encoding="utf-8"), newline="")))
    table = parquet.read_table(files["parquet"]).to_pylist()
    for read in (rows, table):
        assert [(_ms(float(row["start_s"])), _ms(float(row["end_s"]))) for row in read] == spans
    last = {event["utterance_id"]: event for event in events if event["type"] == "emotion"}
    assert [row["p_joy"] for row in table] == [last[row["utterance_id"]]["probabilities"]["joy"] for row in table]

    cues = list(srt.parse(files["srt"].read_text(encoding="utf-8")))
    assert [(_ms(cue.start.total_seconds()), _ms(cue.end.total_seconds())) for cue in cues] == spans
    starts = [(caption.start_time, caption.end_time) for caption in webvtt.read(files["vtt"]).captions]
    assert [
        tuple(_ms(3600 * t.hours + 60 * t.minutes + t.seconds) + t.milliseconds for t in both) for both in starts
    ] == spans
    from pyannote.database.util import load_rttm  # takes long, and every worker collects this file

    (turns,) = load_rttm(files["rttm"]).values()
    assert sorted((_ms(turn.start), _ms(turn.end)) for turn in turns.itersegments()) == spans

    grammar = etree.RelaxNG(etree.parse(str(Path(__file__).with_name("emotionml.rng"))))
    document = etree.parse(str(files["emotionml"]))
    assert grammar.validate(document), grammar.error_log
    lengths = [int(e.get("end")) - int(e.get("start")) for e in document.iterfind("{*}emotion")]
    assert lengths == [end_ms - start_ms for start_ms, end_ms in spans]
    assert len(list(document.iterfind("{*}emotion/{*}reference"))) == len(spans)

    grid = parselmouth.read(str(files["textgrid"]))
    assert call(grid, "Get number of tiers") == praat_tiers
    labels = [line.split("\t") for line in files["audacity"].read_text(encoding="utf-8").splitlines()]
    assert [(_ms(float(begin)), _ms(float(end))) for begin, end, _ in labels] == spans


def test_the_demo_in_every_format(tmp_path: Path) -> None:
    folder = _recorded(tmp_path / "demo", "--demo", "--asr", "transcript")
    _agree(_exported(folder, tmp_path), folder, praat_tiers=4)  # two people


@pytest.mark.slow
def test_a_real_call_in_every_format(shared_data: Path, tmp_path: Path) -> None:
    sample = shared_data / "speech" / "call" / "sample.flac"
    folder = _recorded(tmp_path / "call", "--file", sample, "--asr", "faster-whisper")
    _agree(_exported(folder, tmp_path), folder, praat_tiers=2)
