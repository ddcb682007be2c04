"""`speakers.embedder`: the same one enrols and listens, `doctor` tells it, and what is not there is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.command_line import environment, livemerc
from helpers.embedders import measured_network, voice
from helpers.onnx_file import speaker_network
from helpers.paths import DEMO
from helpers.voiceprints import voiceprint
from helpers.wav_file import write

from livemerc.audio.read import read_samples
from livemerc.cli import call
from livemerc.config import SAMPLE_RATE_HZ, load_config
from livemerc.console.enrolment import enrol
from livemerc.errors import ModelError
from livemerc.speakers.choose import id_asked_for
from livemerc.speakers.voiceprints import Voiceprints


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setattr("sys.stdin", io.StringIO())


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = call(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def test_who_is_enrolled_with_it_is_listed_as_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    network = measured_network(tmp_path, 512)
    pause = np.zeros(SAMPLE_RATE_HZ, np.float32)
    clips = [part for seed in range(6) for part in (voice(1, 3.0, seed), pause)]
    recording = write(tmp_path / "ann.wav", np.concatenate(clips), SAMPLE_RATE_HZ)
    Voiceprints().add(voiceprint("Ben", [1.0] * 256, id_asked_for()))
    monkeypatch.setenv("LIVEMERC_SPEAKERS_EMBEDDER", str(network))
    monkeypatch.setenv("LIVEMERC_VAD_ENGINE", "webrtc")  # silero takes no pulses for speech
    code, out, err = said(capsys, "speakers", "enroll", "Ann", "--file", str(recording), "--consent")
    assert code == 0, err
    assert out.startswith("Ann: enrolled with ")
    ann = Voiceprints().find("Ann")
    assert ann is not None
    assert len(ann.mean) == 512
    assert ann.embedder == id_asked_for(str(network))
    code, out, err = said(capsys, "speakers", "list")
    assert code == 0
    first, second = out.splitlines()
    assert "another embedder" not in first
    assert second.endswith("by another embedder (ge2e): not compared")


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("speaker", "livemerc models pull speaker"),
        ("absent.onnx", "absent.onnx is no file"),
        ("new.onnx", "measure-embedder"),
    ],
)
def test_what_cannot_be_used_is_exit_code_3_before_anything_is_loaded_or_asked(
    asked: str, named: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    speaker_network(tmp_path / "new.onnx", 32)
    monkeypatch.setenv("LIVEMERC_SPEAKERS_EMBEDDER", asked)
    for words in (
        ("run", "--file", str(DEMO), "--speed", "0", "--asr", "none", "--json", "--diarize"),
        ("speakers", "list"),
    ):
        if words[0] == "speakers":
            Voiceprints().add(voiceprint("Ben"))
        code, out, err = said(capsys, *words)
        assert (code, out) == (3, ""), words
        assert named in err
        assert len(err.splitlines()) == 1
    with pytest.raises(ModelError, match=named):
        enrol("Ann", lambda: pytest.fail("it listened"), load_config(), consent_given=False, prints=Voiceprints())


def test_doctor_says_what_it_lacks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEMERC_SPEAKERS_EMBEDDER", "speaker")
    code, out, _ = said(capsys, "doctor", "--json")
    assert code == 0  # it is needed for --diarize alone
    found = {one["name"]: one for one in json.loads(out)["findings"]}["Speaker embedder"]
    assert found["state"] == "warn"
    assert "livemerc models pull speaker" in found["found"]


@pytest.mark.parametrize("diarize", [True, False])
def test_a_session_hears_by_it_and_says_so_where_speakers_are_told_apart(diarize: bool, tmp_path: Path) -> None:
    asked = str(measured_network(tmp_path)) if diarize else "speaker"  # which is not here, and nobody asks for it
    recording = write(tmp_path / "call.wav", read_samples(DEMO, SAMPLE_RATE_HZ, 0.0, 12.0), SAMPLE_RATE_HZ)
    words = ["run", "--file", recording, "--speed", "0", "--asr", "none", "--json", *["--diarize"] * diarize]
    done = livemerc(*words, env=environment(tmp_path, LIVEMERC_SPEAKERS_EMBEDDER=asked))
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert any(event["type"] == "utterance.final" for event in events)
    assert any(event["type"] == "utterance.speaker" and event["status"] == "frozen" for event in events) == diarize
    assert (b"voices are told apart by drawn (speakers.embedder)" in done.stderr) == diarize
