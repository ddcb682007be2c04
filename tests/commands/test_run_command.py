"""`livemerc run`: flags become settings and a source, and no other."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import wav_file
from helpers.command_line import livemerc

from livemerc import cli
from livemerc.audio.read import read_samples
from livemerc.commands import sources
from livemerc.config import Config
from livemerc.errors import InputError


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`livemerc run ...` up to the moment when the source would be opened: what it was asked for."""
    seen: list[Any] = []

    def remember(*arguments: Any) -> None:
        seen.append(arguments)
        raise InputError("stop here.")

    monkeypatch.setattr(sources, "open_source", remember)
    for name in [name for name in os.environ if name.startswith(("LIVEMERC_", "HF_HUB_OFFLINE"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("livemerc.config.user_config_file", lambda: Path("/nonexistent/livemerc.toml"))

    def parse(*arguments: str) -> tuple[Any, ...]:
        assert cli.call(["run", *arguments]) == InputError.exit_code
        return seen[-1]

    return parse


@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [
        (["--block-ms", "10"], "audio.block_ms", 10.0),
        (["--vad", "silero"], "vad.engine", "silero"),
        (["--asr", "none"], "asr.engine", "none"),
        (["--transcript", "call.vtt"], "asr.engine", "transcript"),
        (["--transcript", "call.vtt"], "asr.transcript", "call.vtt"),
        (["--model", "base"], "asr.model", "base"),
        (["--language", "de"], "asr.language", "de"),
        (["--checkpoint", "own"], "model.checkpoint", "own"),
        (["--device", "cpu"], "model.device", "cpu"),
        (["--context", "8"], "dialogue.context", 8),
        (["--text-only"], "model.text_only", True),
        (["--offline"], "offline", True),
        ([], "offline", False),
    ],
)
def test_a_flag_sets_its_key_and_no_other(settings_of: Any, flags: list[str], key: str, value: object) -> None:
    settings = settings_of("--file", "call.wav", *flags)[-1]
    at: Any = settings
    for name in key.split("."):
        at = getattr(at, name)
    assert at == value
    if not flags:
        assert settings == Config()


def test_the_hubs_own_switch_means_offline(settings_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert settings_of("--file", "call.wav")[-1].offline


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (["--mic"], []),
        (["--mic", "--json"], []),
        (["--mic", "Built-in"], ["Built-in"]),
        (["--mic=2"], ["2"]),
        (["--mic", "default", "--mic", "Monitor of Speakers"], ["default", "Monitor of Speakers"]),
        (["--mic", "--mic", "Monitor of Speakers", "--json"], ["default", "Monitor of Speakers"]),
        (["--mic", "Monitor of Speakers", "--mic"], ["Monitor of Speakers", "default"]),
    ],
)
def test_a_microphone_is_bare_or_named(settings_of: Any, flags: list[str], names: list[str]) -> None:
    flag, mic = settings_of(*flags)[:2]
    assert flag == "--mic"
    assert mic == names


def test_speakers_are_named_in_order(settings_of: Any) -> None:
    assert settings_of("--mic", "--speakers", "left, right")[-2] == ("left", "right")
    assert settings_of("--file", "a.wav")[-2] == ()


def test_the_demo_brings_its_own_transcript(settings_of: Any) -> None:
    path = settings_of("--demo", "--asr", "transcript")[-1].asr.transcript
    assert Path(path).is_file()


@pytest.mark.parametrize(
    ("channels", "speakers", "said"),
    [(2, "a,b,c", "has 2 channels; give one name or 2 names"), (1, "left,right", "has 1 channel; give one name")],
)
def test_speakers_that_are_not_as_many_as_the_channels(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], channels: int, speakers: str, said: str
) -> None:
    path = wav_file.write(tmp_path / "some.wav", np.zeros((1_600, channels)), 16_000)
    assert cli.call(["run", "--file", str(path), "--speakers", speakers, "--speed", "0", "--json"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert said in err


def test_two_people_on_two_channels_are_named_in_the_events(tmp_path: Path, checkpoint: Path) -> None:
    speech = read_samples(sources.DEMO_FOLDER / "demo.flac", 16_000, 0.0, 5.0)
    apart = np.zeros((len(speech) * 2, 2))
    apart[: len(speech), 1], apart[len(speech) :, 0] = speech, speech
    path = wav_file.write(tmp_path / "call.wav", apart, 16_000)
    done = livemerc(
        "run", "--file", path, "--speakers", "left,right", "--speed", "0", "--json", "--asr", "none",
        "--checkpoint", checkpoint,
    )  # fmt: skip
    events = [json.loads(line) for line in done.stdout.splitlines()]
    speakers = [event["speaker"] for event in events if event["type"] == "utterance.final"]
    assert speakers == sorted(speakers, reverse=True)
    assert set(speakers) == {"left", "right"}
