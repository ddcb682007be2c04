"""The microphone path for real: a null sink, the real call played into it, the dashboard in a terminal."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.paths import PROJECT
from helpers.pulse import PulseServer

LABELLED = re.compile(r"^ \d\d:\d\d +~?. ?\w+ .*\.\d\d .*\w{2,}", re.MULTILINE)
"""A row of the transcript: time, emotion, its probability, words."""
pytestmark = [pytest.mark.mic, pytest.mark.timeout(240)]


class Terminal:
    """A tmux session of its own server: what a person would type and see."""

    def __init__(self, folder: Path, env: dict[str, str]):
        self._socket, self._env = folder / "tmux", env

    def tmux(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments],
            env=self._env, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    def start(self, command: str) -> None:
        self.tmux("new-session", "-d", "-s", "t", "-x", "110", "-y", "34", "sh")
        self.tmux("send-keys", "-t", "t", command, "Enter")

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "t")

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "t", *keys)

    def wait(self, seen: Callable[[str], bool], timeout_s: float) -> str:
        deadline = time.monotonic() + timeout_s
        while not seen(screen := self.screen()):
            assert time.monotonic() < deadline, screen
            time.sleep(0.2)
        return screen


@pytest.fixture
def terminal(tmp_path: Path, pulse: PulseServer) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: no terminal to look at")
    env = pulse.env | {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    terminal = Terminal(tmp_path, env)
    yield terminal
    subprocess.run(["tmux", "-S", str(tmp_path / "tmux"), "kill-server"], capture_output=True, check=False)


def test_utterances_appear_while_the_call_plays_and_ctrl_c_flushes_the_last(
    terminal: Terminal, pulse: PulseServer, shared_data: Path, tmp_path: Path
) -> None:
    from livemerc.audio.read import read_samples

    call = read_samples(shared_data / "speech/call/sample.flac", 16_000)
    wav = tmp_path / "call.wav"
    _write_wav(wav, call)
    terminal.start(f"{shlex.quote(sys.executable)} -m livemerc run --mic --asr pocketsphinx; echo exit code:$?")
    terminal.wait(lambda s: "mic:" in s, 60)
    player = pulse.play(wav)
    print(terminal.wait(lambda s: LABELLED.search(s) is not None, 90))
    assert player.poll() is None, "the first utterance came only after the call had ended"
    time.sleep(3)  # in the middle of the next utterance
    terminal.press("C-c")
    pressed = time.monotonic()
    screen = terminal.wait(lambda s: re.search(r"exit code:\d", s) is not None, 60)
    print(f"Ctrl+C to exit: {time.monotonic() - pressed:.1f} s", screen)
    assert "exit code:0" in screen
    player.terminate()
    player.wait()


def _write_wav(path: Path, samples: object) -> None:
    import wave

    import numpy as np

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.asarray(samples) * 32767).astype("<i2").tobytes())
