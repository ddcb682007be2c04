"""`livemerc label` in a real terminal: what is played is heard, what is pressed survives kill -9."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.command_line import livemerc
from helpers.pulse import SINK, PulseServer
from helpers.tmux import Tmux

from livemerc.audio.read import read_samples
from livemerc.dashboard.label.run import AFTERWARDS_S, PRE_ROLL_S
from livemerc.sessions.session import read_session

pytestmark = [pytest.mark.mic, pytest.mark.timeout(240)]


def similarity(heard: np.ndarray, said: np.ndarray) -> float:
    """Largest normalised cross-correlation, 0 to 1, of `said` inside `heard`, which may lack its begin or end."""
    silence = np.zeros(len(said), np.float32)
    heard = np.concatenate((silence, heard, silence))
    size = 1 << (len(heard) + len(said)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size)[: len(heard)]
    energy = np.concatenate(([0.0], np.cumsum(heard.astype(np.float64) ** 2)))
    at = int(product.argmax())
    there = energy[min(at + len(said), len(heard))] - energy[at]
    return float(product[at] / np.sqrt(max(there, 1e-9) * float((said**2).sum())))


def test_an_utterance_is_heard_labelled_and_kept_through_kill_9(
    pulse: PulseServer, terminal: Tmux, tmp_path: Path
) -> None:
    if shutil.which("parec") is None:
        pytest.skip("parec is not installed: nobody hears what is played")
    folder = tmp_path / "demo"
    run = ("run", "--demo", "--speed", "0", "--asr", "transcript", "--plain", "--record", folder, "--record-audio")
    assert livemerc(*run).returncode == 0
    third = read_session(folder).utterances[2]
    begin_s, end_s = third.start_s - PRE_ROLL_S, third.end_s + AFTERWARDS_S
    said = read_samples(folder / "audio.flac", 16_000, begin_s, end_s)
    pid = tmp_path / "pid"
    terminal.type(
        f"sh -c 'echo $$ > {pid}; exec {shlex.join([sys.executable, '-m', 'livemerc', 'label', str(folder)])}'"
    )
    terminal.until("0/20", give_up_s=60)
    with (tmp_path / "heard.raw").open("wb") as file:
        listening = ["parec", f"--device={SINK}.monitor", "--raw", "--format=float32le", "--rate=16000", "--channels=1"]
        listening.append("--latency-msec=50")
        with subprocess.Popen(listening, env=pulse.env, stdout=file) as parec:
            terminal.press("Down", "Down", "Space")
            terminal.until("playing", give_up_s=60)
            terminal.press("2")
            terminal.until("1/20", give_up_s=60)
            time.sleep(end_s - begin_s + 1.0)  # the sound takes as long as it takes
            parec.terminate()
    heard = np.fromfile(tmp_path / "heard.raw", np.float32)
    # Piece by piece: where a busy machine leaves a hole in what is played, what comes after is a little later.
    pieces = np.array_split(said, 6)
    assert np.median([similarity(heard, piece) for piece in pieces]) > 0.9
    os.kill(int(pid.read_text()), signal.SIGKILL)
    assert [u.corrected_emotion for u in read_session(folder).utterances][:4] == [None, None, "joy", None]
