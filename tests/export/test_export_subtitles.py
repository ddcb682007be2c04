"""srt and vtt, read by srt, webvtt-py and FFmpeg."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

import av
import pytest
import srt as srt_reader
import webvtt
from export_sessions import every_hostile_text, hostile_sessions, session, utterance
from hypothesis import given, settings

from livemerc.asr.sidecar import read_cues
from livemerc.export.spans import shown, shown_speaker
from livemerc.export.subtitles import css_class, srt, vtt
from livemerc.sessions.session import RecordedSession

TAG = re.compile("<[^>]*>")


def spans_ms(exported: RecordedSession) -> list[tuple[int, int]]:
    """To the millisecond, and at least one of it."""
    found = []
    for one in exported.utterances:
        start_ms, end_ms = round(one.start_s * 1000), round(one.end_s * 1000)
        found.append((start_ms, max(end_ms, start_ms + 1)))
    return found


def ms(time: webvtt.models.Timestamp) -> int:
    return ((time.hours * 60 + time.minutes) * 60 + time.seconds) * 1000 + time.milliseconds


def vtt_holds(data: bytes, exported: RecordedSession) -> None:
    cues = webvtt.from_buffer(io.StringIO(data.decode())).captions
    assert [(ms(cue.start_time), ms(cue.end_time)) for cue in cues] == spans_ms(exported)
    for cue, one in zip(cues, exported.utterances, strict=True):
        assert html.unescape(TAG.sub("", cue.raw_text)) == shown(one.text)
        assert html.unescape(cue.voice or "") == (shown_speaker(one) or "")
        assert one.label is not None
        assert f"<c.{one.label}{'.abstained' if one.abstained else ''}>" in cue.raw_text


def srt_holds(data: bytes, exported: RecordedSession) -> None:
    cues = list(srt_reader.parse(data.decode(), ignore_errors=False))
    found = [(round(cue.start.total_seconds() * 1000), round(cue.end.total_seconds() * 1000)) for cue in cues]
    assert found == spans_ms(exported)
    assert [cue.index for cue in cues] == list(range(1, len(cues) + 1))
    for cue, one in zip(cues, exported.utterances, strict=True):
        assert one.label is not None
        assert f"[{one.label}{'?' if one.abstained else ''}]" in cue.content
        brackets = str.maketrans("<>{}", "‹›()")
        assert cue.content.endswith(shown(one.text).translate(brackets))
        assert cue.content.startswith((shown_speaker(one) or "[").translate(brackets))
        assert not set("<>{}\n") & set(cue.content)


@given(exported=hostile_sessions())
@settings(max_examples=80, deadline=None)
def test_whatever_was_said(exported: RecordedSession) -> None:
    vtt_holds(vtt(exported), exported)
    srt_holds(srt(exported), exported)


def test_hostile_words_end_no_cue_and_open_no_tag() -> None:
    exported = every_hostile_text()
    vtt_holds(vtt(exported), exported)
    srt_holds(srt(exported), exported)


def test_a_cue_as_one_reads_it() -> None:
    exported = session(
        [utterance(7, 3_723_004, 1_500, "Well <b>& so", "Ann B"), utterance(8, 3_725_000, 500, "", abstained="unsure")]
    )
    assert vtt(exported).decode().split("\n\n", 2)[2] == (
        "u7\n01:02:03.004 --> 01:02:04.504\n<v Ann B><c.joy>Well &lt;b&gt;&amp; so</c></v>\n\n"
        "u8\n01:02:05.000 --> 01:02:05.500\n<c.joy.abstained></c>\n"
    )
    assert srt(exported).decode() == (
        "1\n01:02:03,004 --> 01:02:04,504\nAnn B: [joy] Well ‹b›& so\n\n2\n01:02:05,000 --> 01:02:05,500\n[joy?]\n\n"
    )


def test_the_colours_of_the_labels_are_in_the_file() -> None:
    (style,) = webvtt.from_buffer(io.StringIO(vtt(session([utterance(1, 0, 5)])).decode())).styles
    assert style.text == "::cue(.joy) { color: #f0e442 }"


def test_times_beyond_99_hours_and_cues_that_overlap_or_last_no_time() -> None:
    exported = session([utterance(1, 400_000_000, 5000), utterance(2, 400_001_000, 0), utterance(3, 400_001_000, 9)])
    vtt_holds(vtt(exported), exported)
    srt_holds(srt(exported), exported)
    assert "111:06:41,000 --> 111:06:41,001" in srt(exported).decode()


@pytest.mark.parametrize("name", ["NOTE", "STYLE", "REGION", "a --> b", "two\nlines", "", "x" * 99])
def test_an_id_that_would_be_read_as_something_else_is_left_out(name: str) -> None:
    one = utterance(1, 0, 10)
    exported = session([one])
    exported.utterances[0] = type(one)(
        type(one.final)(utterance_id=name, start_s=0.0, end_s=0.01, text="words", asr=one.final.asr), one.estimates
    )
    (cue,) = webvtt.from_buffer(io.StringIO(vtt(exported).decode())).captions
    assert (cue.identifier, cue.text) == (None, "words")


def test_an_utterance_without_an_estimate_has_its_words() -> None:
    exported = session([utterance(1, 0, 10, judged=False)])
    assert b"\n[?] words\n" in srt(exported)
    assert b"\n<c>words</c>\n" in vtt(exported)


def test_words_that_were_screened_out_stand_in_brackets() -> None:
    exported = session(
        [utterance(1, 0, 10, "thanks for watching", gated="repeats itself"), utterance(2, 20, 10, "", gated="no")]
    )
    assert b"\n[joy] (thanks for watching)\n" in srt(exported)
    assert b"\n<c.joy.doubtful>(thanks for watching)</c>\n" in vtt(exported)
    assert b"\n<c.joy.doubtful></c>\n" in vtt(exported)


def test_an_empty_session() -> None:
    assert srt(session([])) == b""
    assert vtt(session([])) == b"WEBVTT\n"
    assert webvtt.from_buffer(io.StringIO("WEBVTT\n")).captions == []


@pytest.mark.parametrize(("label", "name"), [("joy", "joy"), ("a.b c", "a-b-c"), ("<&>", "unnamed"), ("Wut", "Wut")])
def test_a_label_as_a_class(label: str, name: str) -> None:
    assert css_class(label) == name


@pytest.mark.parametrize("render", [srt, vtt])
def test_ffmpeg_reads_the_same_cues(render: object) -> None:
    exported = session([utterance(1, 1234, 2001, "a < b", "Ann"), utterance(2, 2000, 500, "-->", "Bob")])
    data = srt(exported) if render is srt else vtt(exported)
    with av.open(io.BytesIO(data)) as file:
        (stream,) = file.streams
        packets = [packet for packet in file.demux(stream) if packet.size]
        assert stream.time_base is not None
        found = [(int(p.pts * stream.time_base * 1000), int(p.duration * stream.time_base * 1000)) for p in packets]
    assert found == [(1234, 2001), (2000, 500)]


@pytest.mark.parametrize("render", [srt, vtt])
def test_our_own_reader_of_transcripts_takes_them_back(render: object, tmp_path: Path) -> None:
    exported = session([utterance(1, 1234, 2001, "so it goes", "Ann"), utterance(2, 4000, 500, "on & on")])
    path = tmp_path / ("call.srt" if render is srt else "call.vtt")
    path.write_bytes(srt(exported) if render is srt else vtt(exported))
    cues = read_cues(path)
    assert [(cue.start_s, cue.end_s) for cue in cues] == [(1.234, 3.235), (4.0, 4.5)]
    if render is vtt:
        assert [(cue.text, cue.speaker) for cue in cues] == [("so it goes", "Ann"), ("on & on", None)]
