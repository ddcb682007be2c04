"""Captions as people have them: the same words whatever dialect they are written in, and nobody's words but theirs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livemerc.asr.cue import Cue
from livemerc.asr.sidecar import read_cues
from livemerc.errors import InputError

SAID = ["And so my fellow Americans", "ask not", "what your country can do for you", "ask what you can do"]
TIMES = [
    ("00:00:00,300", "00:00:02,200"),
    ("00:00:03,300", "00:00:04,400"),
    ("00:00:05,300", "00:00:07,600"),
    ("00:00:08,100", "00:00:10,600"),
]


def read(folder: Path, text: str, suffix: str = ".srt", unread: list[str] | None = None) -> list[Cue]:
    path = folder / f"talk{suffix}"
    path.write_text(text, encoding="utf-8", newline="")
    return read_cues(path, unread)


def srt(second: str = "2", times: str = "00:00:03,300 --> 00:00:04,400", texts: list[str] = SAID) -> str:
    """Four cues; the number and the times of the second one as given."""
    blocks = [
        f"{n}\n{begin} --> {end}\n{text}" for n, ((begin, end), text) in enumerate(zip(TIMES, texts, strict=True), 1)
    ]
    blocks[1] = "\n".join(filter(None, (second, times, texts[1])))
    return "\n\n".join(blocks) + "\n"


def said(cues: list[Cue]) -> list[str]:
    return [cue.text for cue in cues]


@pytest.mark.parametrize("number", ["2", "II", "2 (intro)", "", "Scene two", "7", "2.", "#2"])
def test_whatever_stands_before_the_time_is_no_word(tmp_path, number):
    assert said(read(tmp_path, srt(number))) == SAID


@pytest.mark.parametrize(
    "times",
    [
        "00:03,300 --> 00:04,400", "0:00:03.3 --> 0:00:04.4", "00:00:03,300000 --> 00:00:04,400000", "00:03 --> 00:04",
        "00:00:03,300-->00:00:04,400", "00:00:03,300 -> 00:00:04,400", "00:00:03:300 --> 00:00:04:400",
        "00:00:03,300 --> 00:00:04,400  X1:10 X2:20 Y1:5 Y2:9", "00: 00: 03, 300 --> 00: 00: 04, 400",
        "00:00:03,300 —> 00:00:04,400",
    ],
)  # fmt: skip
def test_times_of_any_shape_are_read(tmp_path, times):
    cues = read(tmp_path, srt(times=times))
    assert said(cues) == SAID
    assert 3 <= cues[1].start_s <= 3.4
    assert 4 <= cues[1].end_s <= 4.5


def test_numbers_without_blank_lines_and_blank_lines_without_numbers(tmp_path):
    assert said(read(tmp_path, srt().replace("\n\n", "\n"))) == SAID
    assert said(read(tmp_path, srt().replace("\n", "\n\n"))) == SAID
    bare = "\n\n".join(f"{begin} --> {end}\n{text}" for (begin, end), text in zip(TIMES, SAID, strict=True))
    assert said(read(tmp_path, bare)) == SAID
    assert said(read(tmp_path, bare.replace("\n\n", "\n"))) == SAID


def test_a_blank_line_in_a_cue_ends_nothing(tmp_path):
    assert said(read(tmp_path, srt(texts=[SAID[0], "ask\n\nnot", *SAID[2:]]))) == SAID


def test_a_number_that_is_said_is_a_word(tmp_path):
    texts = ["how many", "3", "no", "4 of them"]
    assert said(read(tmp_path, srt(texts=texts))) == texts


def test_an_arrow_that_is_said_is_no_time(tmp_path):
    assert said(read(tmp_path, srt(texts=["from a --> b", *SAID[1:]])))[0] == "from a --> b"


def test_a_time_that_cannot_be_read_is_named_by_its_line(tmp_path):
    with pytest.raises(InputError, match="line 6"):
        read(tmp_path, srt(times="00:00:0x,300 --> 00:00:04,400"))


def test_words_without_a_time_are_told_with_their_line(tmp_path):
    unread: list[str] = []
    cues = read(tmp_path, "0\nnobody knows when\n\n" + srt(), unread=unread)
    assert said(cues) == SAID
    assert any("line 2" in sentence and "nobody knows when" in sentence for sentence in unread)


VTT = "WEBVTT\nKind: captions\nLanguage: en\n\nSTYLE\n::cue { color: red }\n\nNOTE written by hand\n\n"


def test_notes_styles_and_headers_of_webvtt_are_no_words(tmp_path):
    unread: list[str] = []
    text = (
        VTT
        + "intro\n00:01.000 --> 00:02.000 align:start position:0%\nhello\n\nNOTE\nnot\nthis\n\n"
        + "00:03,000 --> 00:04.000\nbye\n"
    )
    assert said(read(tmp_path, text, ".vtt", unread)) == ["hello", "bye"]
    assert unread == []


def rolling(texts: list[str]) -> str:
    """As video sites write them: the line before stands above, and each line stands alone for 10 ms."""
    blocks, above = [], " "
    for n, text in enumerate(texts):
        first, *rest = text.split()
        timed = first + "".join(f"<00:{n:02}:01.{i:03}><c> {word}</c>" for i, word in enumerate(rest))
        blocks.append(f"00:{n:02}:00.000 --> 00:{n:02}:30.000 align:start position:0%\n{above}\n{timed}")
        blocks.append(f"00:{n:02}:30.000 --> 00:{n:02}:30.010 align:start position:0%\n{text}\n ")
        above = text
    return "WEBVTT\n\n" + "\n\n".join(blocks) + "\n"


def test_rolling_captions_give_each_word_once(tmp_path):
    assert said(read(tmp_path, rolling(SAID), ".vtt")) == SAID


def test_captions_that_grow_word_by_word_give_each_word_once(tmp_path):
    words = SAID[2].split()
    blocks = [f"00:{n:02}.000 --> 00:{n + 1:02}.000\n{' '.join(words[: n + 1])}" for n in range(len(words))]
    assert " ".join(said(read(tmp_path, "WEBVTT\n\n" + "\n\n".join(blocks), ".vtt"))) == SAID[2]


def test_broadcast_captions_of_two_lines_give_each_word_once(tmp_path):
    blocks = [
        f"00:{n:02}.000 --> 00:{n + 1:02}.000\n{above}\n{below}"
        for n, (above, below) in enumerate(zip(["", *SAID], SAID, strict=False))
    ]
    assert said(read(tmp_path, "WEBVTT\n\n" + "\n\n".join(blocks), ".vtt")) == SAID


def test_who_says_a_thing_twice_has_said_it_twice(tmp_path):
    texts = ["no", "no", "oh no", "no"]
    assert said(read(tmp_path, srt(texts=texts))) == texts


@pytest.mark.parametrize(
    ("line", "speaker", "text"),
    [
        ("JOHN: ask not", "JOHN", "ask not"),
        ("John F. Kennedy: ask not", "John F. Kennedy", "ask not"),
        ("Speaker 1: ask not", "Speaker 1", "ask not"),
        ("[SPEAKER_00]: ask not", "SPEAKER_00", "ask not"),
        ("(Ann): ask not", "Ann", "ask not"),
        ("- ANN: ask not", "ANN", "ask not"),
        (">> ANN: ask not", "ANN", "ask not"),
        ("JOHN (whispers): ask not", "JOHN", "ask not"),
        ("JOHN:\nask not", "JOHN", "ask not"),
        ("<v Ann Example>ask not</v>", "Ann Example", "ask not"),
        ("[crowd cheering] ask not", None, "ask not"),
        ("(LAUGHS) ask not", None, "ask not"),
        ("(sighs)\nask not", None, "ask not"),
        ("♪ dramatic music ♪\nask not", None, "ask not"),
        ("♪ dramatic music\nask not", None, "ask not"),
        ("*coughs*\nask not", None, "ask not"),
        ("{\\an8}ask not", None, "ask not"),
        ("{y:i}ask not", None, "ask not"),
        ("(laughs) ask not", None, "ask not"),
        ("[♪♪♪]\nask not", None, "ask not"),
        ("...\nask not", None, "ask not"),
        ("ask not (or so he says)", None, "ask not (or so he says)"),
        ("Dr. Martin Luther King, Jr.: ask not", "Dr. Martin Luther King, Jr.", "ask not"),
        ("Ann Example (host): ask not", "Ann Example", "ask not"),
        ('<font color="#fff"><i>ask</i> not</font>', None, "ask not"),
        ("ask (and so on) not", None, "ask (and so on) not"),
        ("ask: not", None, "ask: not"),
        ("Remember: ask not", None, "Remember: ask not"),
        ("it is 10:30 now", None, "it is 10:30 now"),
        ("see http://example.org now", None, "see http://example.org now"),
    ],
)  # fmt: skip
def test_names_are_speakers_and_sounds_no_words(tmp_path, line, speaker, text):
    cue = read(tmp_path, srt(texts=[SAID[0], line, *SAID[2:]]))[1]
    assert (cue.speaker, cue.text) == (speaker, text)


def test_a_first_name_is_a_speaker_where_it_comes_again(tmp_path):
    cues = read(tmp_path, srt(texts=["Ann: yes", "of course", "Ann: indeed", "never"]))
    assert [(cue.speaker, cue.text) for cue in cues] == [
        ("Ann", "yes"),
        (None, "of course"),
        ("Ann", "indeed"),
        (None, "never"),
    ]


def test_names_of_any_spelling_are_speakers_where_most_lines_have_one(tmp_path):
    cues = read(tmp_path, srt(texts=["ann_83: yes", "ben: no", "ann_83: so", "ben: well"]))
    assert [cue.speaker for cue in cues] == ["ann_83", "ben", "ann_83", "ben"]


def test_capitals_name_nobody_where_all_is_in_capitals(tmp_path):
    texts = ["WHAT I MEAN: GO", "AND HE WENT", "ANN: YES", "ANN: NO"]
    cues = read(tmp_path, srt(texts=texts))
    assert [(cue.speaker, cue.text) for cue in cues] == [
        (None, texts[0]),
        (None, texts[1]),
        ("ANN", "YES"),
        ("ANN", "NO"),
    ]


def test_webvtt_by_another_name_is_webvtt(tmp_path):
    unread: list[str] = []
    assert said(read(tmp_path, VTT + "00:01.000 --> 00:02.000\nhello\n\nNOTE not this\n", ".srt", unread)) == ["hello"]
    assert unread == []


def test_two_people_in_a_cue_are_two_speakers(tmp_path):
    cues = read(tmp_path, srt(texts=["- ANN: how are you\n- BEN: fine", *SAID[1:]]))
    assert [(cue.speaker, cue.text) for cue in cues[:2]] == [("ANN", "how are you"), ("BEN", "fine")]
    assert cues[0].end_s <= cues[1].start_s


def test_a_cue_that_is_a_sound_alone_is_none(tmp_path):
    assert said(read(tmp_path, srt(texts=["[music]", *SAID[1:]]))) == SAID[1:]


@dataclass(frozen=True)
class Dialect:
    webvtt: bool
    hours: bool
    comma: bool
    decimals: int
    number: str
    between: str
    newline: str
    dressed: str
    settings: str
    named: str


words = st.lists(st.text("abcdefghij", min_size=1, max_size=7), min_size=1, max_size=6).map(" ".join)
dialects = st.builds(
    Dialect,
    webvtt=st.booleans(), hours=st.booleans(), comma=st.booleans(), decimals=st.integers(1, 9),
    number=st.sampled_from(["{n}", "", "{n} (x)", "cue-{n}"]), between=st.sampled_from(["\n\n", "\n\n\n", "\n \n"]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    dressed=st.sampled_from(["{}", "<i>{}</i>", "{{\\an8}}{}", "[door opens] {}", "♪ la ♪\n{}"]),
    settings=st.sampled_from(["", " align:start position:0%", " X1:1 X2:2"]),
    named=st.sampled_from(["", "{}: ", "[{}]: ", "<v {}>"]),
)  # fmt: skip


def clock_of(tenths: int, dialect: Dialect) -> str:
    fraction = f"{tenths % 10}".ljust(dialect.decimals, "0")
    minutes, seconds = divmod(tenths // 10, 60)
    return f"{'00:' if dialect.hours else ''}{minutes:02}:{seconds:02}{',' if dialect.comma else '.'}{fraction}"


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(words, min_size=1, max_size=8, unique=True), per_cue=st.lists(dialects, min_size=8, max_size=8))
def test_the_same_cues_in_any_dialect_give_the_same_words(tmp_path, said, per_cue):
    """Numbering and times change from cue to cue, as in files that several programs have written to."""
    whole = per_cue[0]
    names = ["Ann Example", "BEN", "John F. Kennedy"]
    text = "WEBVTT\n\n" if whole.webvtt else ""
    for n, (line, dialect) in enumerate(zip(said, per_cue, strict=False)):
        number = dialect.number.format(n=n + 1)
        named = whole.named.format(names[n % 3])
        times = f"{clock_of(20 * n, dialect)} --> {clock_of(20 * n + 15, dialect)}{dialect.settings}"
        text += (
            (number + "\n" if number else "") + times + "\n" + dialect.dressed.format(named + line) + dialect.between
        )
    unread: list[str] = []
    cues = read(tmp_path, text.replace("\n", whole.newline), ".vtt" if whole.webvtt else ".srt", unread)
    assert unread == []
    assert [cue.text for cue in cues] == said
    assert [cue.start_s for cue in cues] == [pytest.approx(2.0 * n) for n in range(len(said))]
    assert [cue.end_s for cue in cues] == [pytest.approx(2.0 * n + 1.5) for n in range(len(said))]
    assert [cue.speaker for cue in cues] == [names[n % 3] if whole.named else None for n in range(len(said))]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(words, min_size=4, max_size=12, unique=True))
def test_rolling_captions_of_anything_give_each_word_once(tmp_path, said):
    assert " ".join(cue.text for cue in read(tmp_path, rolling(said), ".vtt")) == " ".join(said)
