"""The microphone path for real: a null sink, the real call played into it, the dashboard in a terminal."""

from __future__ import annotations

import re
import shlex
import sys
import time
from pathlib import Path

import pytest
from helpers import wav_file
from helpers.pulse import PulseServer
from helpers.tmux import Tmux

from livemerc.audio.read import read_samples

LABELLED = re.compile(r"^ \d\d:\d\d +~?. ?\w+ .*\.\d\d .*\w{2,}", re.MULTILINE)
"""A row of the transcript: time, emotion, its probability, words."""
pytestmark = [pytest.mark.mic, pytest.mark.timeout(240)]


def test_utterances_appear_while_the_call_plays_and_ctrl_c_flushes_the_last(
    terminal: Tmux, pulse: PulseServer, shared_data: Path, tmp_path: Path
) -> None:
    call = read_samples(shared_data / "speech/call/sample.flac", 16_000)
    wav = wav_file.write(tmp_path / "call.wav", call, 16_000)
    terminal.type(f"{shlex.quote(sys.executable)} -m livemerc run --mic --asr faster-whisper; echo exit' 'code:$?")
    terminal.until("mic:", give_up_s=60)
    with pulse.play(wav) as player:
        print(terminal.until_it(lambda s: LABELLED.search(s) is not None, "a labelled row", 90))
        assert player.poll() is None, "the first utterance came only after the call had ended"
        time.sleep(3)  # in the middle of the next utterance
        terminal.press("C-c")
        pressed = time.monotonic()
        screen = terminal.until("exit code:", give_up_s=60)
        print(f"Ctrl+C to exit: {time.monotonic() - pressed:.1f} s", screen)
        assert "exit code:0" in screen
        player.terminate()
