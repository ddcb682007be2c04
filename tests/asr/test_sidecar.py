"""Sidecar transcripts: every word once, at its time, from its speaker; bad files named by their line."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from helpers.paths import DEMO_WORDS
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from livemerc.asr.engine import Transcript
from livemerc.asr.screening import screen
from livemerc.asr.sidecar import MAX_BYTES, SidecarEngine, read_cues
from livemerc.audio.items import Utterance
from livemerc.config import ScreeningConfig
from livemerc.errors import InputError


def spoken(start_s: float, end_s: float, *, forced_cut: bool = False, hangover_s: float = 0.4) -> Utterance:
    return Utterance(
        utterance_id="u1",
        samples=np.zeros(0, dtype=np.float32),
        samples_start_s=start_s - 0.3,
        start_s=start_s,
        end_s=end_s,
        decided_s=end_s + hangover_s,
        forced_cut=forced_cut,
    )


def engine(folder: Path, text: str | bytes, suffix: str = ".vtt") -> SidecarEngine:
    path = folder / f"call{suffix}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return SidecarEngine(path)


VTT = """WEBVTT

NOTE a comment

1
00:01.000 --> 00:03.000 align:start
<v Anna>Hello <b>there</b>, Ben &amp; all.

00:00:04.000 --> 00:00:06.000
<v.loud Ben>Oh, hello.

00:00:06.500 --> 00:00:08.500
<v Anna>How are you? <v Ben>Fine.
"""


def test_vtt_gives_words_and_speakers(tmp_path):
    sidecar = engine(tmp_path, VTT)
    first, second, third = (sidecar.transcribe(spoken(*at)) for at in [(1.0, 3.0), (4.1, 5.9), (6.5, 8.5)])
    assert (first.speaker, first.text) == ("Anna", "Hello there, Ben & all.")
    assert (second.speaker, second.text) == ("Ben", "Oh, hello.")
    assert (third.speaker, third.text) == ("Anna", "How are you? Fine.")
    assert first.confidence is None
    assert first.words[0].start_s == 1.0
    assert first.words[-1].end_s == pytest.approx(3.0)


def test_srt_and_stm_and_vtt_of_the_same_words_agree(tmp_path):
    srt = "1\r\n00:00:01,000 --> 00:00:02,000\r\nhello there\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nbye\r\n"
    stm = ";; a comment\ncall 1 Anna 1.0 2.0 <o,f0> hello there\ncall 1 Ben 3.0 4.0 bye\n"
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\nhello there\n\n00:03.000 --> 00:04.000\nbye\n"
    texts = []
    for content, suffix in ((srt, ".srt"), (stm, ".stm"), (vtt, ".vtt")):
        sidecar = engine(tmp_path, content, suffix)
        texts.append([sidecar.transcribe(spoken(1, 2)).text, sidecar.transcribe(spoken(3, 4)).text])
    assert texts == [["hello there", "bye"]] * 3


def test_stm_takes_the_first_alternative_and_leaves_out_ignored_segments(tmp_path):
    sidecar = engine(
        tmp_path,
        "c 1 A 0 2 { gonna / going to } see (%hesitation) it\nc 1 A 2 4 IGNORE_TIME_SEGMENT_IN_SCORING\n",
        ".stm",
    )
    assert sidecar.transcribe(spoken(0.5, 4.0)).text == "gonna see %hesitation it"


def test_real_call_transcript(shared_data):
    cues = read_cues(shared_data / "speech" / "call" / "sample.stm")
    assert len(cues) == 13
    assert {cue.speaker for cue in cues} == {"Diane", "Sheila"}
    assert (cues[0].start_s, cues[0].text) == (6.68, "Hello?")


def test_a_cue_over_several_utterances_is_split_by_time(tmp_path):
    sidecar = engine(tmp_path, "WEBVTT\n\n00:00.000 --> 00:10.000\naaa bbb ccc ddd eee fff ggg hhh iii jjj\n")
    texts = [sidecar.transcribe(spoken(*at)).text for at in [(0.0, 3.0), (4.2, 6.0), (7.0, 9.6)]]
    assert texts == ["aaa bbb ccc", "ddd eee fff", "ggg hhh iii jjj"]


def test_a_forced_cut_leaves_the_rest_to_the_next_utterance(tmp_path):
    sidecar = engine(tmp_path, "WEBVTT\n\n00:00.000 --> 00:04.000\naaa bbb ccc ddd\n")
    before = sidecar.transcribe(spoken(0.0, 3.0, forced_cut=True))
    after = sidecar.transcribe(dataclasses.replace(spoken(3.0, 4.0), samples_start_s=3.0))
    assert (before.text, after.text) == ("aaa bbb ccc", "ddd")


def test_the_speaker_with_the_longest_overlap_wins(tmp_path):
    sidecar = engine(tmp_path, "c 1 A 0 2.0 one\nc 1 B 2.0 5.0 two\nc 1 A 5.0 6.5 three\n", ".stm")
    assert sidecar.transcribe(spoken(0, 6.5)).speaker == "A"
    sidecar = engine(tmp_path, "c 1 A 0 2.0 one\nc 1 B 2.0 5.0 two\n", ".stm")
    assert sidecar.transcribe(spoken(0, 5)).speaker == "B"


def test_an_utterance_without_a_cue_has_no_text(tmp_path):
    sidecar = engine(tmp_path, VTT)
    transcript = sidecar.transcribe(spoken(20, 22))
    assert (transcript.text, transcript.speaker, transcript.words) == ("", None, ())


cue_times = st.tuples(st.floats(0, 50), st.floats(0.01, 12), st.integers(1, 8))
gaps = st.lists(st.tuples(st.floats(0.0, 3), st.floats(0.2, 8), st.booleans()), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cues=st.lists(cue_times, min_size=1, max_size=12), stretches=gaps)
def test_every_word_is_given_once_at_most_and_none_is_lost_where_someone_speaks(tmp_path, cues, stretches):
    lines, words = [], 0
    for start_s, length_s, count in cues:
        text = " ".join(f"w{words + i}" for i in range(count))
        words += count
        lines.append(f"c 1 A {start_s:.3f} {start_s + length_s:.3f} {text}")
    sidecar = engine(tmp_path, "\n".join(lines), ".stm")
    timed = [word for cue in sidecar._cues for word in cue.timed_words()]
    given_words: list[str] = []
    at = 0.0
    covered = []
    for gap_s, length_s, forced in stretches:
        start_s, end_s = at + gap_s, at + gap_s + length_s
        utterance = spoken(start_s, end_s, forced_cut=forced)
        given_words += sidecar.transcribe(utterance).text.split()
        covered.append((start_s, end_s))
        at = end_s
    assert len(given_words) == len(set(given_words))
    middles = {word.text: (word.start_s + word.end_s) / 2 for word in timed}
    inside = {w for w, m in middles.items() if any(start_s < m < end_s for start_s, end_s in covered)}
    assert inside <= set(given_words)


BAD = {
    "no header": (b"00:01.000 --> 00:02.000\nhello\n", ".vtt", "line 1"),
    "broken timing": (b"WEBVTT\n\n00:01.000 --> 00:0x.000\nhello\n", ".vtt", "line 3"),
    "times swapped": (b"WEBVTT\n\n00:05.000 --> 00:02.000\nhello\n", ".vtt", "line 3"),
    "broken srt timing": (b"1\n00:00:01 -> 00:00:02\nhello\n\n2\n0:0:3 --> x\nb\n", ".srt", "line 6"),
    "short stm line": (b";; x\nc 1 A 0.5\n", ".stm", "line 2"),
    "stm without numbers": (b"c 1 A one two hello\n", ".stm", "line 1"),
    "stm not a number": (b"c 1 A nan 2 hello\n", ".stm", "line 1"),
    "stm times swapped": (b"c 1 A 3 2 hello\n", ".stm", "line 1"),
    "latin-1": ("WEBVTT\n\n00:01.000 --> 00:02.000\nsch\xf6n\n".encode("latin-1"), ".vtt", "line 4"),
    "binary": (b"WEBVTT\n\n\0\0\0", ".vtt", "line 3"),
    "empty": (b"", ".vtt", "line 1"),
    "empty srt": (b"", ".srt", "no timed text"),
    "header only": (b"WEBVTT\n", ".vtt", "no timed text"),
    "another kind": (b"hello", ".txt", ".stm"),
}


@pytest.mark.parametrize(("content", "suffix", "said"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_one_sentence_that_says_where(tmp_path, content, suffix, said):
    with pytest.raises(InputError) as raised:
        engine(tmp_path, content, suffix)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_folder_and_huge_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="check --transcript"):
        SidecarEngine(tmp_path / "absent.vtt")
    (tmp_path / "folder.vtt").mkdir()
    with pytest.raises(InputError, match="check --transcript"):
        SidecarEngine(tmp_path / "folder.vtt")
    with (tmp_path / "huge.vtt").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match="larger"):
        SidecarEngine(tmp_path / "huge.vtt")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_byte_order_marks_and_every_newline_are_understood(tmp_path, encoding, newline):
    sidecar = engine(tmp_path, VTT.replace("\n", newline).encode(encoding))
    assert sidecar.transcribe(spoken(1, 3)).text == "Hello there, Ben & all."


def test_terminal_controls_never_come_through(tmp_path):
    sidecar = engine(
        tmp_path, "WEBVTT\n\n00:01.000 --> 00:02.000\n<v An\x1b]0;x\x07na>\x1b[31mred &#27;[2J\x9b1m \u202ereverse\n"
    )
    transcript = sidecar.transcribe(spoken(1, 2))
    for text in (transcript.text, transcript.speaker):
        assert text.isprintable()
    assert "red" in transcript.text


lines = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["WEBVTT", "", "1", "NOTE", "STYLE", "00:01.000 --> 00:02.000", "<v A>hi", "00:00:01,0 --> 00:00:02,5", "-->"]
    ),
    st.sampled_from(["c 1 A 0 1 hi", "c 1 A 1e308 1e309 x", ";;", "c 1 A 0 1 <o> { a / b", "\x1b[2J", "&#0;", "<v"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.one_of(st.binary(max_size=200), st.lists(lines, max_size=15).map(lambda x: "\n".join(x).encode(
    "utf-8", "surrogatepass"))), suffix=st.sampled_from([".vtt", ".srt", ".stm"]), headed=st.booleans())  # fmt: skip
@example(content=b"99:99:99.999 --> 99:99:99.999\nx\n", suffix=".vtt", headed=True)
@example(content=b"999999:00:00.000 --> 999999:00:01.000\nx\n", suffix=".vtt", headed=True)
def test_hostile_files_give_cues_or_one_sentence(tmp_path, content, suffix, headed):
    path = tmp_path / f"hostile{suffix}"
    path.write_bytes((b"WEBVTT\n\n" if headed else b"") + content)
    cues, sentence = [], ""
    try:
        cues = read_cues(path)
    except InputError as error:
        sentence = str(error).replace(str(path), "")
    assert "\n" not in sentence
    for cue in cues:
        assert cue.text.strip()
        assert cue.text.isprintable() or not cue.text.isascii()
        assert 0 <= cue.start_s <= cue.end_s < float("inf")


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "words",
    [
        "<v" + "." * 50_000,
        "<v" + " " * 200_000,
        "<" * 200_000,
        "<v A" * 50_000,
        "&" * 200_000,
        "{" * 200_000,
        "[" * 200_000,
    ],
    ids=lambda words: words[:4],
)
@pytest.mark.parametrize("suffix", [".vtt", ".srt", ".stm"])
def test_hostile_text_takes_no_time(tmp_path, words, suffix):
    """Patterns that look back and forth would take minutes to ages."""
    head = {
        ".vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n",
        ".srt": "1\n00:00:01,000 --> 00:00:02,000\n",
        ".stm": "c 1 A 1 2 ",
    }
    text = engine(tmp_path, head[suffix] + words + " end\n", suffix).transcribe(spoken(1, 2)).text
    assert text.endswith("end")
    screen(Transcript(text=text), spoken(1, 2), ScreeningConfig(), words_are_given=True)


def test_the_demos_transcript_is_valid():
    cues = read_cues(DEMO_WORDS)
    assert 16 <= len(cues) <= 22
    assert {cue.speaker for cue in cues} == {"Anna", "Ben"}
    assert all(before.end_s < after.start_s for before, after in itertools.pairwise(cues))


def test_overlapping_cues_stay_whole_and_in_order(tmp_path):
    said = ["And so my fellow Americans", "ask not", "what your country can do for you", "ask what you can do"]
    times = [(0.3, 6.0), (3.3, 7.0), (5.3, 9.0), (8.1, 10.6)]
    text = "\n".join(f"c 1 - {start_s} {end_s} {words}" for (start_s, end_s), words in zip(times, said, strict=True))
    sidecar = engine(tmp_path, text, ".stm")
    utterances = [(0.1, 2.5), (3.1, 4.5), (5.1, 7.9), (7.9, 10.8)]
    assert [sidecar.transcribe(spoken(*at)).text for at in utterances] == said


def test_a_word_of_another_inside_a_long_turn_leaves_the_turn_where_it_was(tmp_path):
    sidecar = engine(tmp_path, "c 1 A 0 10 aaa bbb ccc ddd eee fff ggg hhh iii jjj\nc 1 B 4.3 4.9 mhm\n", ".stm")
    texts = [sidecar.transcribe(spoken(*at)).text for at in [(0.0, 3.0), (4.2, 6.0), (7.0, 9.6)]]
    assert texts == ["aaa bbb ccc", "ddd eee fff mhm", "ggg hhh iii jjj"]


def test_a_short_word_that_stays_on_the_screen_is_given_to_who_spoke(tmp_path):
    sidecar = engine(tmp_path, "1\n00:00:01,000 --> 00:00:03,500\nYes.\n", ".srt")
    assert sidecar.transcribe(spoken(1.0, 1.4)).text == "Yes."
    assert sidecar.last_cue() is None


def test_cues_that_met_no_speech_are_counted_and_their_place_is_told(tmp_path):
    text = "".join(f"c 1 A {n}.0 {n}.5 word{n}\n" for n in range(10))
    sidecar = engine(tmp_path, text, ".stm")
    sidecar.transcribe(spoken(2.0, 2.5))
    assert sidecar.cues_unheard() == 2  # the one that may be heard still is not counted
    sidecar.transcribe(spoken(8.0, 8.5))
    sentence = sidecar.last_cue()
    assert sidecar.cues_unheard() == 8
    assert sentence is not None
    assert "8 of 10 cues met no speech (" in sentence
    assert "shifted" in sentence


def test_a_transcript_whose_every_cue_was_said_has_nothing_to_tell(tmp_path):
    sidecar = engine(tmp_path, VTT)
    for at in [(1.0, 3.0), (4.1, 5.9), (6.5, 8.5)]:
        sidecar.transcribe(spoken(*at))
    assert (sidecar.last_cue(), sidecar.cues_unheard()) == (None, 0)
