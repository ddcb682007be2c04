"""rttm, TextGrid and Audacity's labels, read by pyannote, Praat and praatio."""

from __future__ import annotations

import itertools
from pathlib import Path

import parselmouth
import pytest
from export_sessions import HOSTILE_SPEAKERS, every_hostile_text, hostile_sessions, session, utterance
from hypothesis import HealthCheck, given, settings
from parselmouth.praat import call
from praatio import textgrid as praatio_textgrid

from livemerc.export.spans import caption, shown, shown_label, shown_speaker
from livemerc.export.tiers import audacity, textgrid
from livemerc.export.turns import rttm
from livemerc.sessions.bookmarks import Bookmark
from livemerc.sessions.session import RecordedSession

in_a_folder = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def span_ms(start_s: float, end_s: float, shortest_ms: int = 1) -> tuple[int, int]:
    start_ms = round(start_s * 1000)
    return start_ms, max(round(end_s * 1000), start_ms + shortest_ms)


# -- rttm --------------------------------------------------------------------------------------------------------------


def rttm_holds(data: bytes, exported: RecordedSession, folder: Path) -> None:
    for line in data.decode().splitlines():
        assert len(line.split()) == 10
    path = folder / "turns.rttm"
    path.write_bytes(data)
    from pyannote.database.util import load_rttm  # takes long, and every worker collects this file

    read = load_rttm(path) if exported.utterances else {}
    assert len(read) == (1 if exported.utterances else 0)
    turns = [(s, label) for annotation in read.values() for s, _, label in annotation.itertracks(yield_label=True)]
    expected = [span_ms(u.start_s, u.end_s) for u in exported.utterances]
    assert sorted(span_ms(s.start, s.end) for s, _ in turns) == sorted(expected)
    assert len({label for _, label in turns}) == len({u.speaker or None for u in exported.utterances})


@given(exported=hostile_sessions())
@in_a_folder
def test_turns_of_whoever_spoke(exported: RecordedSession, tmp_path: Path) -> None:
    rttm_holds(rttm(exported), exported, tmp_path)


def test_turns_of_hostile_speakers(tmp_path: Path) -> None:
    exported = every_hostile_text()
    assert len({u.speaker for u in exported.utterances}) == len(HOSTILE_SPEAKERS)
    rttm_holds(rttm(exported), exported, tmp_path)


def test_a_line_of_rttm() -> None:
    exported = session(
        [utterance(1, 1234, 2001, speaker="Ann B"), utterance(2, 4000, 0, speaker="Ann_B"), utterance(3, 5000, 1)],
        name="Monday's meeting",
    )
    assert rttm(exported).decode().splitlines() == [
        "SPEAKER Monday_s_meeting 1 1.234 2.001 <NA> <NA> Ann_B <NA> <NA>",
        "SPEAKER Monday_s_meeting 1 4.000 0.001 <NA> <NA> Ann_B_2 <NA> <NA>",
        "SPEAKER Monday_s_meeting 1 5.000 0.001 <NA> <NA> unknown <NA> <NA>",
    ]
    assert rttm(session([])) == b""


# -- TextGrid ----------------------------------------------------------------------------------------------------------


def tiers_of(path: Path) -> dict[str, list[tuple[int, int, str]]]:
    """As Praat itself reads them."""
    grid = parselmouth.read(str(path))
    tiers = {}
    for tier in range(1, call(grid, "Get number of tiers") + 1):
        assert call(grid, "Is interval tier", tier)
        tiers[call(grid, "Get tier name", tier)] = [
            (
                round(call(grid, "Get start time of interval", tier, n) * 1000),
                round(call(grid, "Get end time of interval", tier, n) * 1000),
                call(grid, "Get label of interval", tier, n),
            )
            for n in range(1, call(grid, "Get number of intervals", tier) + 1)
        ]
    return tiers


def textgrid_holds(data: bytes, exported: RecordedSession, folder: Path) -> dict[str, list[tuple[int, int, str]]]:
    path = folder / "session.TextGrid"
    path.write_bytes(data)
    tiers = tiers_of(path)
    assert len(tiers) == data.count(b'class = "IntervalTier"\n        name = ')
    for intervals in tiers.values():
        assert intervals[0][0] == 0
        assert all(before[1] == after[0] for before, after in itertools.pairwise(intervals))
        assert all(start_ms < end_ms for start_ms, end_ms, _ in intervals)
        assert intervals[-1][1] == next(iter(tiers.values()))[-1][1]
    kinds = {"words": lambda u: shown(u.text), "emotion": shown_label}
    for kind, said in kinds.items():
        found = sorted(i for name, tier in tiers.items() if name.startswith(kind) for i in tier if i[2])
        expected = sorted((*span_ms(u.start_s, u.end_s), said(u)) for u in exported.utterances if said(u))
        assert found == expected
    return tiers


@given(exported=hostile_sessions())
@in_a_folder
def test_tiers_of_whatever_was_said(exported: RecordedSession, tmp_path: Path) -> None:
    textgrid_holds(textgrid(exported), exported, tmp_path)


def test_tiers_of_hostile_words(tmp_path: Path) -> None:
    exported = every_hostile_text()
    tiers = textgrid_holds(textgrid(exported), exported, tmp_path)
    assert len(tiers) == 2 * len({shown_speaker(u) for u in exported.utterances})


def test_two_tiers_a_speaker_and_more_where_they_overlap(tmp_path: Path) -> None:
    exported = session(
        [
            utterance(1, 1000, 2000, "one", "Ann"),
            utterance(2, 1500, 2000, "two", "Bob"),
            utterance(3, 2000, 2000, "three", "Ann"),
            utterance(4, 3000, 500, "four", "Ann"),
        ]
    )
    tiers = textgrid_holds(textgrid(exported), exported, tmp_path)
    assert list(tiers) == [
        "words: Ann", "emotion: Ann", "words: Ann (2)", "emotion: Ann (2)", "words: Bob", "emotion: Bob",
    ]  # fmt: skip
    assert [i for i in tiers["words: Ann"] if i[2]] == [(1000, 3000, "one"), (3000, 3500, "four")]
    assert tiers["words: Ann (2)"] == [(0, 2000, ""), (2000, 4000, "three")]


def test_praatio_reads_the_same(tmp_path: Path) -> None:
    exported = session([utterance(1, 1234, 2001, 'say "so"', "Ann"), utterance(2, 4000, 0, "oh", joy=0.1)])
    path = tmp_path / "session.TextGrid"
    path.write_bytes(textgrid(exported))
    grid = praatio_textgrid.openTextgrid(str(path), includeEmptyIntervals=False, reportingMode="error")
    assert grid.tierNames == ("words: Ann", "emotion: Ann", "words", "emotion")
    assert [tuple(e) for e in grid.getTier("words: Ann").entries] == [(1.234, 3.235, 'say "so"')]
    assert [tuple(e) for e in grid.getTier("emotion").entries] == [(4.0, 4.001, "neutral")]
    assert grid.maxTimestamp == 4.001


@pytest.mark.parametrize("duration_s", [0.0, 12.5])
def test_an_empty_session_is_one_gap(duration_s: float, tmp_path: Path) -> None:
    exported = session([])
    exported.duration_s = duration_s
    tiers = textgrid_holds(textgrid(exported), exported, tmp_path)
    assert tiers == {name: [(0, max(1, round(duration_s * 1000)), "")] for name in ("words", "emotion")}


# -- Audacity ----------------------------------------------------------------------------------------------------------


def audacity_holds(data: bytes, exported: RecordedSession) -> None:
    """Audacity splits at line ends and at the first two tabs; a line that begins with a backslash is no label."""
    lines = data.decode().split("\n")
    assert lines.pop() == ""
    for line, one in zip(lines, exported.utterances, strict=True):
        begin, end, label = line.split("\t")
        assert (round(float(begin) * 1000), round(float(end) * 1000)) == span_ms(one.start_s, one.end_s, 0)
        assert label == caption(one)
        assert label.isprintable() or set("\u200c\u200d") & set(label)


@given(exported=hostile_sessions())
@settings(max_examples=60, deadline=None)
def test_labels_of_whatever_was_said(exported: RecordedSession) -> None:
    audacity_holds(audacity(exported), exported)


def test_labels_of_hostile_words() -> None:
    audacity_holds(audacity(every_hostile_text()), every_hostile_text())
    assert audacity(session([])) == b""
    assert audacity(session([utterance(1, 1234, 2001, "so", "Ann")])) == b"1.234\t3.235\tAnn: [joy] so\n"


def bookmarked() -> RecordedSession:
    exported = session([utterance(1, 1234, 2001, "well", "Ann")])
    exported.bookmarks[:] = [
        Bookmark(t_s=0.5), Bookmark(t_s=2.0004, note='look\n"here"\t\x1b[31m'), Bookmark(t_s=2.0, note="and here"),
        Bookmark(t_s=77.0, note="later"),
    ]  # fmt: skip
    return exported


def test_bookmarks_are_points_on_a_label_track() -> None:
    lines = audacity(bookmarked()).decode().splitlines()
    assert lines == [
        "0.500\t0.500\t* bookmark", "1.234\t3.235\tAnn: [joy] well", '2.000\t2.000\t* look "here" ␛[31m',
        "2.000\t2.000\t* and here", "77.000\t77.000\t* later",
    ]  # fmt: skip


def test_bookmarks_are_a_tier_of_points(tmp_path: Path) -> None:
    path = tmp_path / "session.TextGrid"
    path.write_bytes(textgrid(bookmarked()))
    grid = praatio_textgrid.openTextgrid(str(path), includeEmptyIntervals=False, reportingMode="error")
    assert grid.tierNames == ("words: Ann", "emotion: Ann", "bookmarks")
    praat = parselmouth.read(str(path))
    count = call(praat, "Get number of points", 3)
    points = [[call(praat, f"Get {what} of point", 3, n + 1) for what in ("time", "label")] for n in range(count)]
    assert points == [[0.5, "bookmark"], [2.0, 'look "here" ␛[31m; and here'], [77.0, "later"]]
    assert call(praat, "Is interval tier", 3) == 0
    assert [entry.time for entry in grid.getTier("bookmarks").entries] == [0.5, 2.0, 77.0]
    assert grid.maxTimestamp == 77.0
