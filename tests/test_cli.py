"""The command line's promises: exit codes, one sentence, clean streams, one stop path."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import wav_file
from helpers.command_line import environment, livemerc, sentence, start
from helpers.paths import PROJECT

from livemerc import cli
from livemerc.audio.read import read_samples
from livemerc.config import Config
from livemerc.console import show as session
from livemerc.errors import ConfigError, InputError, LivemercError, MicrophoneError, ModelError

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and terminals")


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`livemerc run ...` up to the moment when the source would be opened: what it was asked for."""
    seen: list[Any] = []

    def remember(*arguments: Any) -> None:
        seen.append(arguments)
        raise InputError("stop here.")

    monkeypatch.setattr(session, "open_source", remember)
    for name in [name for name in os.environ if name.startswith(("LIVEMERC_", "HF_HUB_OFFLINE"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("livemerc.config.user_config_file", lambda: Path("/nonexistent/livemerc.toml"))

    def parse(*arguments: str) -> tuple[Any, ...]:
        assert cli.call(["run", *arguments]) == InputError.exit_code
        return seen[-1]

    return parse


# -- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "--mic, --file PATH, --stdin or --demo"),
        (["run", "--mic", "--demo"], "--mic and --demo exclude each other"),
        (["run", "--file", "a.wav", "--stdin"], "--file and --stdin exclude each other"),
        (["run", "--demo", "--bogus"], "unknown option: --bogus"),
        (["run", "--demo", "--spede", "1"], "did you mean --speed?"),
        (["run", "--demo", "extra"], "unexpected argument 'extra'"),
        (["run", "--demo", "--speed", "fast"], "--speed"),
        (["run", "--demo", "--speed", "-1"], "--speed"),
        (["run", "--demo", "--speed", "nan"], "--speed"),
        (["run", "--demo", "--speed"], "--speed"),
        (["run", "--mic", "--speed", "2"], "--speed goes with --file or --demo"),
        (["run", "--stdin", "--speed", "0"], "--speed goes with --file or --demo"),
        (["run", "--demo", "--rate", "8000"], "--rate goes with --stdin"),
        (["run", "--stdin", "--rate", "0"], "--rate"),
        (["run", "--demo", "--asr", "kaldi"], "--asr"),
        (["run", "--demo", "--vad", "best"], "--vad"),
        (["run", "--demo", "--device", "tpu"], "--device"),
        (["run", "--demo", "--context", "0"], "dialogue.context"),
        (["run", "--demo", "--block-ms", "0"], "audio.block_ms"),
        (["run", "--demo", "--json", "--plain"], "--json and --plain"),
        (["run", "--demo", "--transcript", "a.vtt", "--asr", "pocketsphinx"], "--transcript"),
        (["run", "--demo", "--text-only", "--asr", "none"], "--text-only"),
        (["run", "--demo", "--speakers", "a,b"], "--speakers goes with --mic or --file"),
        (["run", "--stdin", "--speakers", "a,b"], "--speakers goes with --mic or --file"),
        (["run", "--mic", "--speakers", "a,"], "an empty name"),
        (["run", "--mic", "--speakers", ""], "an empty name"),
        (["run", "--mic", "--speakers", "a,b,a"], "one speaker twice"),
        (["run", "--mic", "a", "b"], "--mic"),
        (["listen"], 'unknown command "listen"'),
        (["models", "pull"], "NAME"),
    ],
)
def test_a_usage_error_is_one_sentence_and_exit_code_2(
    capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert cli.call(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("livemerc: ")
    assert said in err


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
    speech = read_samples(session.DEMO_FOLDER / "demo.flac", 16_000, 0.0, 5.0)
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


def test_the_commands_are_listed() -> None:
    text = livemerc("--help").stdout.decode()
    listed = set(re.findall(r"^. ([a-z]+)  ", text, re.MULTILINE))
    assert listed >= {"run", "devices", "doctor", "models", "replay", "watch", "sessions", "bench"}
    assert listed >= {"export", "report", "rerun", "compare", "label"}
    assert "--record DIR" in livemerc("run", "--help").stdout.decode()


def test_the_version_is_the_packages() -> None:
    import livemerc as package

    assert livemerc("--version").stdout.decode().strip() == package.__version__


# -- flags become settings -------------------------------------------------------------------------------------------


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


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LivemercError, ConfigError, ModelError, MicrophoneError, InputError])
def test_every_error_has_its_exit_code_and_a_traceback_only_with_debug(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], kind: type[LivemercError]
) -> None:
    def fail() -> None:
        raise kind("It broke;\nmend it.")

    monkeypatch.setattr("livemerc.audio.microphone.devices.list_inputs", fail)
    assert cli.call(["devices"]) == kind.exit_code
    assert capfd.readouterr().err == "livemerc: It broke; mend it.\n"


def test_debug_shows_the_traceback_and_still_the_sentence() -> None:
    done = livemerc("run", "--file", "/nonexistent.wav", "--debug")
    assert done.returncode == InputError.exit_code
    assert b"Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(b"livemerc: ")


def test_an_unexpected_error_is_a_sentence_too_and_exit_code_6(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("livemerc.audio.microphone.devices.list_inputs", fail)
    assert cli.call(["devices"]) == 6
    err = capfd.readouterr().err
    assert len(err.splitlines()) == 1
    assert "ZeroDivisionError (division by zero)" in err
    assert "--debug" in err


# -- streams ---------------------------------------------------------------------------------------------------------


def test_json_is_json_lines_and_nothing_else(checkpoint: Path) -> None:
    done = livemerc("run", "--demo", "--speed", "0", "--asr", "none", "--checkpoint", checkpoint, "--json")
    assert done.returncode == 0, done.stderr
    types = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert types[0] == "session.start"
    assert types[-1] == "session.end"
    assert types.count("session.start") == types.count("session.end") == 1
    assert "ASR: none" in sentence(done)


def test_without_a_terminal_settled_labels_are_lines(checkpoint: Path) -> None:
    done = livemerc("run", "--demo", "--speed", "0", "--asr", "transcript", "--checkpoint", checkpoint)
    assert done.returncode == 0, done.stderr
    assert b"Good morning" in done.stdout.splitlines()[0]
    assert b"\x1b" not in done.stdout


@posix
def test_what_libraries_print_does_not_reach_standard_output() -> None:
    code = (
        "import os\nfrom livemerc.runtime import process\nprint('before', flush=True)\nout = process.claim_stdout()\n"
        "os.write(1, b'noise of a C library\\n')\nprint('a stray print')\nout.write(b'{}\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=PROJECT, timeout=60, check=True)
    assert done.stdout == b"before\n{}\n"
    assert done.stderr == b"noise of a C library\na stray print\n"


@posix
@pytest.mark.parametrize("output", ["--json", "--plain"])
def test_a_reader_that_leaves_ends_the_session_quietly(checkpoint: Path, output: str) -> None:
    arguments = ("--demo", "--speed", "0", "--asr", "transcript", "--checkpoint", checkpoint)
    with start("run", *arguments, output) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait(60) == 0, said
    assert "Traceback" not in said
    assert "Broken pipe" not in said


# -- the other commands ----------------------------------------------------------------------------------------------


def test_doctor_names_what_is_wrong_and_how_to_mend_it(tmp_path: Path) -> None:
    home = environment(tmp_path) | {"LIVEMERC_MODEL_CHECKPOINT": str(tmp_path / "absent")}
    done = livemerc("doctor", "--json", env=home)
    report = json.loads(done.stdout)
    by_name = {finding["name"]: finding for finding in report["findings"]}
    assert done.returncode == 3
    assert report["usable"] is False
    assert by_name["Checkpoint"]["state"] == "fail"
    assert str(tmp_path / "absent") in by_name["Checkpoint"]["found"]
    assert by_name["torch"]["state"] == "ok"
    assert by_name["pocketsphinx"]["state"] == "ok"
    assert "none" in by_name["Whisper models"]["found"]
    assert "Art. 5(1)(f)" in by_name["Lawful use"]["found"]
    assert all(finding["mend"] for finding in report["findings"] if finding["state"] in ("warn", "fail"))


def test_models_lists_sizes_and_the_checkpoint(tmp_path: Path) -> None:
    done = livemerc("models", env=environment(tmp_path))
    assert done.returncode == 0
    assert b"base" in done.stdout
    assert b"Emotion checkpoint" in done.stdout


def test_an_unknown_model_is_refused_without_network(tmp_path: Path) -> None:
    done = livemerc("models", "pull", "enormous", env=environment(tmp_path, HF_HUB_OFFLINE="1"))
    assert done.returncode == 3
    assert "enormous" in sentence(done)
