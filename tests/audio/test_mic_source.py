"""The microphone path for real: PulseAudio's null sink is the room, `paplay` the person who speaks in it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import av
import pytest
from helpers.command_line import running
from helpers.paths import PROJECT

from livemerc.errors import EXIT_MICROPHONE

pytestmark = pytest.mark.mic
LISTENER = Path(__file__).with_name("hear_microphone.py")


def listen(pulse, seconds: float, *device: str) -> AbstractContextManager[subprocess.Popen[str]]:
    command = [sys.executable, str(LISTENER), str(seconds), *device]
    return running(command, env=pulse.env | {"PYTHONPATH": str(PROJECT)}, text=True)


def said(process: subprocess.Popen[str]) -> tuple[list[dict], str]:
    out, err = process.communicate(timeout=120)
    return [json.loads(line) for line in out.splitlines()], err


@pytest.fixture(scope="module")
def call_wav(shared_data, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("call") / "call.wav"
    with av.open(str(shared_data / "speech" / "call" / "sample.flac")) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


@pytest.mark.slow
def test_a_call_played_into_the_room_is_cut_into_utterances_while_it_plays(pulse, call_wav):
    with listen(pulse, 36) as listener:
        first = json.loads(listener.stdout.readline())
        assert first["listening"].startswith("mic:")
        begin_s = time.monotonic()
        player = pulse.play(call_wav)
        lines, err = said(listener)
    player.wait(timeout=30)
    heard = [line for line in lines if line.get("item") == "Utterance"]
    assert len(heard) >= 3
    assert sum(line["at_s"] < 29 for line in heard) >= 2  # of the 30 s that it lasts
    for line in heard:  # the session clock is the world's: decided when it was over, not later than it was heard
        assert 0 < line["at_s"] - line["end_s"] < 6 + time.monotonic() - begin_s
    end = lines[-1]
    assert end["dropped_s"] < 0.5
    assert end["t_s"] == pytest.approx(36, abs=2)
    assert end["samples"] > 25 * first["rate_hz"]
    assert err == ""  # what ALSA and JACK print belongs on no screen


def test_close_unblocks_while_the_room_is_silent(pulse):
    with listen(pulse, 2) as listener:
        lines, _ = said(listener)
    (unblocked,) = [line for line in lines if "unblocked_after_s" in line]
    assert unblocked["unblocked_after_s"] < 30  # and not never
    assert not [line for line in lines if "item" in line or "flushed" in line]


def test_an_unknown_microphone_is_refused_with_the_list(pulse):
    with listen(pulse, 1, "no such microphone") as listener:
        (line,), _ = said(listener)
    assert line["exit_code"] == EXIT_MICROPHONE
    assert "`livemerc devices`" in line["error"]
    assert "default" in line["error"]


def test_a_sound_server_that_dies_and_comes_back_leaves_a_gap_and_is_heard_again(pulse_alone):
    with listen(pulse_alone, 12) as listener:
        listener.stdout.readline()
        time.sleep(1.5)
        pulse_alone.kill()
        time.sleep(1.5)
        pulse_alone.start()
        lines, _ = said(listener)
    assert listener.returncode == 0
    end = lines[-1]
    assert end["t_s"] == pytest.approx(12, abs=2)  # the clock went on without it
    assert 1.0 < end["dropped_s"] < 9
    assert end["samples"] > 44_100 * 2


def test_a_sound_server_that_stays_away_stops_nothing(pulse_alone):
    with listen(pulse_alone, 5) as listener:
        listener.stdout.readline()
        time.sleep(1.5)
        pulse_alone.kill()
        lines, _ = said(listener)
    assert listener.returncode == 0
    assert lines[-1]["t_s"] > 3.5
    (unblocked,) = [line for line in lines if "unblocked_after_s" in line]
    assert unblocked["unblocked_after_s"] < 30
