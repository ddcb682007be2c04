"""Files and transcripts as people have them, from the command line to the exports: what went wrong elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import srt
import webvtt
from helpers import containers
from helpers.command_line import livemerc
from helpers.paths import DEMO
from praatio import textgrid

TALK_S = 11.0
CUES = [
    (0.8, 3.581, "Anna", "Good morning. I am making coffee in the kitchen."),
    (4.337, 7.44, "Ben", "Good morning. My train leaves at eleven today."),
    (8.233, 10.552, "Anna", "I have wonderful news! They gave me the job!"),
]
WORDS = [text for *_, text in CUES]
BEGINS_S = [begin_s for begin_s, *_ in CUES]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first three sentences of the demo."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    containers.ffmpeg("-i", DEMO, "-t", TALK_S, path)
    return path


def subtitles(path: Path, by_s: float = 0.0) -> Path:
    cues = [
        srt.Subtitle(n, timedelta(seconds=begin_s + by_s), timedelta(seconds=end_s + by_s), text)
        for n, (begin_s, end_s, _, text) in enumerate(CUES, 1)
    ]
    path.write_text(srt.compose(cues), encoding="utf-8")
    return path


class Session:
    """`livemerc run` to its end: events and what was said on standard error."""

    def __init__(self, *arguments: str | Path) -> None:
        done = livemerc("run", *arguments, "--speed", "0", "--text-only", "--json")
        assert done.returncode == 0, done.stderr.decode()
        self.events: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
        self.said = done.stderr.decode()

    def finals(self) -> Iterator[dict[str, Any]]:
        return (event for event in self.events if event["type"] == "utterance.final")

    @property
    def texts(self) -> list[str]:
        return [final["text"] for final in self.finals()]

    @property
    def begins_s(self) -> list[float]:
        return [final["start_s"] for final in self.finals()]


def near(times_s: list[float], by_s: float = 0.0) -> list[Any]:
    return [pytest.approx(time_s + by_s, abs=0.1) for time_s in times_s]


@pytest.mark.parametrize(
    "name",
    ["late.mkv", "late.mp4", "late.ts", "late.mov"],
)
def test_a_sound_that_begins_late_fits_its_subtitles_and_its_exports_fit_the_video(talk, tmp_path, name):
    by_s = 4.087
    video = tmp_path / name
    containers.ffmpeg(
        "-f", "lavfi", "-i", "color=s=64x64:r=10:d=15.5", "-itsoffset", by_s, "-i", talk, "-map", "0:v", "-map", "1:a",
        "-c:v", "mpeg4", "-c:a", "aac", "-output_ts_offset", "36000" if name.endswith("ts") else "0", video,
    )  # fmt: skip
    folder = tmp_path / "session"
    session = Session("--file", video, "--transcript", subtitles(tmp_path / "late.srt", by_s), "--record", folder)
    assert session.begins_s == near(BEGINS_S, by_s)
    assert session.texts == WORDS
    assert "truncated" not in session.said
    assert "no speech" not in session.said
    first_s = CUES[0][0] + by_s
    for kind in ("vtt", "textgrid", "rttm"):
        assert livemerc("export", folder, "--format", kind, "-o", tmp_path / f"out.{kind}").returncode == 0
    (cue, *_) = webvtt.read(str(tmp_path / "out.vtt"))
    assert cue.start_in_seconds == pytest.approx(first_s, abs=1.0)  # whole seconds are all that it tells
    assert float((tmp_path / "out.rttm").read_text().split()[3]) == pytest.approx(first_s, abs=0.1)
    tiers = textgrid.openTextgrid(str(tmp_path / "out.textgrid"), includeEmptyIntervals=False)
    assert tiers.getTier(tiers.tierNames[0]).entries[0].start == pytest.approx(first_s, abs=0.1)


def test_a_gap_in_the_packets_is_silence(talk, tmp_path):
    containers.ffmpeg(
        "-i", talk, "-af", "asetpts='if(gt(T,7.8),PTS+10/TB,PTS)'", "-c:a", "libopus", "-ar", "48000",
        tmp_path / "gap.mka",
    )  # fmt: skip
    session = Session("--file", tmp_path / "gap.mka", "--transcript", subtitles(tmp_path / "plain.srt"))
    assert session.begins_s == near([BEGINS_S[0], BEGINS_S[1], BEGINS_S[2] + 10])
    assert "truncated" not in session.said


def test_the_default_track_is_heard_and_said(talk, tmp_path):
    video = tmp_path / "obs.mkv"
    containers.ffmpeg(
        "-f", "lavfi", "-i", f"anullsrc=r=48000:cl=stereo:d={TALK_S}", "-i", talk, "-map", "0", "-map", "1",
        "-c:a", "aac", "-disposition:a:0", "0", "-disposition:a:1", "default", video,
    )  # fmt: skip
    words = subtitles(tmp_path / "plain.srt")
    session = Session("--file", video, "--transcript", words)
    assert session.texts == WORDS
    assert session.said.count("2 audio tracks") == 1
    assert "2 is heard" in session.said
    assert "track 1 is silent" in session.said
    other = Session("--file", video, "--transcript", words, "--audio-track", "1")
    assert other.texts == []
    assert "--audio-track 2" in other.said
    refused = livemerc("run", "--file", video, "--audio-track", "3", "--json")
    assert refused.returncode == 2
    assert "--audio-track 3" in refused.stderr.decode()


def test_channels_that_cancel_are_heard(talk, tmp_path):
    containers.ffmpeg("-i", talk, "-af", "pan=stereo|c0=c0|c1=-1*c0", tmp_path / "antiphase.flac")
    session = Session("--file", tmp_path / "antiphase.flac", "--transcript", subtitles(tmp_path / "plain.srt"))
    assert session.texts == WORDS
    assert "cancel each other" in session.said


def test_a_session_that_was_far_too_quiet_says_so_with_its_level(talk, tmp_path):
    containers.ffmpeg("-i", talk, "-af", "volume=-75dB", "-sample_fmt", "s32", tmp_path / "quiet.flac")
    session = Session("--file", tmp_path / "quiet.flac", "--transcript", subtitles(tmp_path / "plain.srt"))
    assert session.texts == []
    assert "nothing rose above the noise floor" in session.said
    assert "dBFS" in session.said
    assert "3 of 3 cues met no speech" in session.said


def test_cues_that_met_no_speech_are_told_at_the_end_in_status_and_in_the_report(talk, tmp_path):
    shifted = subtitles(tmp_path / "shifted.srt", by_s=3600.0)
    session = Session("--file", talk, "--transcript", shifted, "--record", tmp_path / "session")
    assert "3 of 3 cues met no speech (1:00:00 to 1:00:03" in session.said
    assert [event["cues_unheard"] for event in session.events if event["type"] == "status"][-1] == 3
    assert session.events[-1]["type"] == "session.end"
    page = tmp_path / "report.html"
    assert livemerc("report", tmp_path / "session", "-o", page).returncode == 0
    assert "3 cues of the transcript met no speech" in page.read_text()


def test_a_file_in_the_pipe_is_heard_as_that_file(talk, tmp_path):
    containers.ffmpeg("-i", talk, "-ar", "44100", "-ac", "2", tmp_path / "piped.flac")
    done = livemerc("run", "--stdin", "--asr", "none", "--json", stdin=(tmp_path / "piped.flac").read_bytes())
    events = [json.loads(line) for line in done.stdout.splitlines()]
    begins_s = [event["start_s"] for event in events if event["type"] == "utterance.final"]
    assert done.returncode == 0
    assert begins_s == near(BEGINS_S)
    assert "stdin holds a file (FLAC)" in done.stderr.decode()
