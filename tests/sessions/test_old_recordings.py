"""Recordings that were made by earlier versions: whatever reads a session still reads them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.command_line import livemerc
from helpers.paths import PROJECT

RECORDINGS = PROJECT / "tests" / "recordings"
OLD = sorted(path.name for path in RECORDINGS.iterdir())


@pytest.fixture(params=OLD)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A copy: some commands write beside the events."""
    folder = tmp_path / request.param
    shutil.copytree(RECORDINGS / request.param, folder)
    yield folder
    recorded = (RECORDINGS / request.param / "events.jsonl").read_bytes()
    assert (folder / "events.jsonl").read_bytes() == recorded, "what was recorded is never changed"


def settled(lines: str) -> list[dict[str, object]]:
    events = [json.loads(line) for line in lines.splitlines()]
    return [event for event in events if event["type"] in ("utterance.final", "emotion")]


def test_there_is_one_of_schema_1_with_words_of_pocketsphinx() -> None:
    start = json.loads((RECORDINGS / "demo-pocketsphinx-schema-1" / "events.jsonl").read_text("utf-8").splitlines()[0])
    assert (start["schema"], start["asr"]["engine"]) == (1, "pocketsphinx")


def test_it_is_replayed_and_watched_event_by_event(old: Path) -> None:
    recorded = settled((old / "events.jsonl").read_text("utf-8"))
    for command in (("replay", old, "--speed", "0", "--json"), ("watch", old, "--json")):
        done = livemerc(*command)
        assert done.returncode == 0, done.stderr
        assert settled(done.stdout.decode()) == recorded


@pytest.mark.parametrize("form", ["jsonl", "csv", "srt", "vtt", "rttm", "emotionml", "textgrid", "audacity"])
def test_it_is_exported(old: Path, form: str) -> None:
    done = livemerc("export", old, "--format", form)
    assert done.returncode == 0, done.stderr
    assert b"coffee" in done.stdout or form in ("rttm", "emotionml")
    assert len(done.stdout) > 500


def test_it_has_a_report_a_place_in_the_list_and_equals_itself(old: Path, tmp_path: Path) -> None:
    report = livemerc("report", old, "-o", tmp_path / "report.html")
    assert report.returncode == 0, report.stderr
    assert "coffee" in (tmp_path / "report.html").read_text("utf-8")
    listed = livemerc("sessions", old.parent)
    assert listed.returncode == 0
    assert old.name in listed.stdout.decode()
    compared = json.loads(livemerc("compare", old, old, "--json").stdout)
    assert compared["agreement"] == 1.0


def test_its_labels_are_exported_and_its_words_judged_anew(old: Path, tmp_path: Path) -> None:
    assert livemerc("label", old, "--export", tmp_path / "rows.csv", "--all").returncode == 0
    again = livemerc("rerun", old, "--record", tmp_path / "again", "--json")
    assert again.returncode == 0, again.stderr
    finals = [e for e in settled(again.stdout.decode()) if e["type"] == "utterance.final"]
    said = [e for e in settled((old / "events.jsonl").read_text("utf-8")) if e["type"] == "utterance.final"]
    assert [e["text"] for e in finals] == [e["text"] for e in said]
