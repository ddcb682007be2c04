"""Who holds the floor, in the report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from helpers.said_session import said_session

from livemerc.report import html
from livemerc.report.facts import facts
from livemerc.report.floor import floor
from livemerc.report.style import style_sheet
from livemerc.sessions.corrections import Correction, append_correction
from livemerc.sessions.session import read_session

SAID = [
    (0.0, 6.0, "so what do we do about the boat", "neutral", 0.7, None),
    (6.02, 8.0, "sell it", "anger", 0.7, None),
    (9.0, 10.0, "I loved that boat", "sadness", 0.7, None),
]


def told(folder: Path, speakers: Sequence[str | None], *, anonymise: bool = False) -> str | None:
    said_session(folder, SAID, speakers=speakers)
    return floor(facts(read_session(folder), anonymise=anonymise))


def test_each_speaker_has_a_row_a_share_and_the_colour_of_the_dashboard(tmp_path: Path) -> None:
    found = told(tmp_path / "s", ["S1", "S2", "S1"])
    assert found is not None
    assert "Shares of the talk: S1 78%; S2 22%." in found
    for speaker, colour in (("S1", "s0"), ("S2", "s1")):
        assert f'<bdi class="ink {colour}">{speaker}</bdi>' in found
        assert f'class="mark {colour}"' in found
        assert f".{colour}{{--t:#" in style_sheet()
    assert '<td class="n">00:01</td><td class="n">22%</td><td class="n">1</td><td class="n">1</td>' in found


def test_a_speaker_who_has_a_name_keeps_the_colour_everywhere_in_the_report(tmp_path: Path) -> None:
    speakers = ["S2", "S1", "S2"]
    path = said_session(tmp_path / "s", SAID, speakers=speakers, names={"S1": "Ann", "S2": "Ben"})
    session = read_session(path)
    named, hidden = html(session), html(session, anonymise=True)
    for page, one, two in ((named, "Ann", "Ben"), (hidden, "Speaker 2", "Speaker 1")):
        for speaker, colour in ((one, "s0"), (two, "s1")):
            assert f'<bdi class="ink {colour}">{speaker}</bdi>' in page  # the table of who talks
            assert f'<b class="ink {colour}"><bdi>{speaker}</bdi></b>' in page  # the transcript
            rows = re.findall(f'class="end small bold ink ([^"]+)">{speaker}</text>', page)
            assert len(rows) >= 6  # three figures, wide and narrow
            assert set(rows) == {colour}
    assert "Ann" not in hidden


def test_who_is_corrected_to_a_name_has_its_colour_and_another_has_none(tmp_path: Path) -> None:
    path = said_session(tmp_path / "s", SAID, speakers=["S1", "S2", "S2"], names={"S1": "Ann"})
    append_correction(path, Correction(utterance_id="u2", speaker="Ann"))
    append_correction(path, Correction(utterance_id="u3", speaker="Cleo"))
    assert facts(read_session(path)).coloured == {"Ann": "S1", "Cleo": "Cleo"}


def test_where_fewer_than_two_are_known_there_is_no_floor_to_share(tmp_path: Path) -> None:
    assert told(tmp_path / "one", ["S1", "S1", "S1"]) is None
    assert told(tmp_path / "unknown", [None, "S1", None]) is None


def test_names_are_text_and_gone_from_an_anonymous_report(tmp_path: Path) -> None:
    names = ["<i>Ann</i>", "Bob", "<i>Ann</i>"]
    found = told(tmp_path / "named", names)
    assert found is not None
    assert "<i>Ann" not in found
    assert "&lt;i&gt;Ann" in found
    hidden = told(tmp_path / "hidden", names, anonymise=True)
    assert hidden is not None
    assert "Ann" not in hidden
    assert "Bob" not in hidden
    assert "Speaker 1" in hidden


def test_who_said_no_more_than_a_moment_is_in_the_table_and_has_no_bar_as_long_as_anybodys(tmp_path: Path) -> None:
    said = [*SAID, (10.5, 10.7, "mm", "neutral", 0.7, None)]
    page = html(read_session(said_session(tmp_path / "s", said, speakers=["S1", "S2", "S1", None])))
    assert re.search(r'<bdi class="ink sx">unknown</bdi></th><td class="n">1</td><td class="n">00:00</td>', page)
    assert not re.search(r'class="end [^"]*">unknown</text>', page)
    assert re.search(r'class="end [^"]*">S2</text>', page)


def test_where_several_speak_at_once_is_a_row_and_is_told_beside_the_words(tmp_path: Path) -> None:
    speakers = ["S1", "S2", "S1"]
    path = said_session(tmp_path / "s", SAID, speakers=speakers, overlaps={0: [(5.0, 6.0)], 1: []})
    page = html(read_session(path))
    assert "1.0 s in which several speak." in page
    assert page.count('class="at-once"') == 2  # wide and narrow
    assert page.count("(1.0 s overlap)") == page.count(" overlap)") >= 1
    assert "Overlap: somebody else speaks, too" in page
    without = html(read_session(said_session(tmp_path / "t", SAID, speakers=speakers)))
    assert 'at-once"' not in without
    assert "somebody else" not in without
