"""What is not needed is not loaded: each command in a process of its own, then a look at sys.modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command_line import environment
from helpers.paths import PROJECT
from helpers.sessions import conversation, write_session

import livemerc

TORCH = {"torch", "torchaudio", "transformers"}
HEAVY = TORCH | {"faster_whisper", "ctranslate2", "onnxruntime", "textual"}


def _loaded_by(code: str, home: Path) -> set[str]:
    """Top-level modules in sys.modules after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('MODULES', *(m for m in sys.modules if '.' not in m))"],
        capture_output=True,
        text=True,
        env=environment(home),
        cwd=PROJECT,
        timeout=120,
        check=False,
    )
    # a command that prints events keeps stdout for these, and the rest goes to stderr
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("MODULES ")]
    assert lines, done.stderr
    return set(lines[0].split()[1:])


def _command(*arguments: str) -> str:
    return f"from livemerc.cli import call\ncall({list(arguments)!r})"


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("--version",), ("run", "--bogus"), ("run",)])
def test_help_and_usage_errors_load_next_to_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    loaded = _loaded_by(_command(*arguments), tmp_path)
    assert "cyclopts" in loaded
    assert not loaded & (HEAVY | {"numpy", "av", "sounddevice", "msgspec"})


@pytest.mark.parametrize("command", ["devices", "models", "doctor", "speakers list", "speakers forget --all"])
def test_listing_commands_load_neither_torch_nor_the_dashboard(tmp_path: Path, command: str) -> None:
    assert not _loaded_by(_command(*command.split()), tmp_path) & HEAVY


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "SESSION", "--json"), ("replay", "SESSION", "--plain"), ("sessions", "SESSION"),
        ("watch", "SESSION", "--json"), ("watch", "SESSION"),
    ],
)  # fmt: skip
def test_a_recorded_session_needs_no_model_no_ears_and_no_screen(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    session = write_session(tmp_path / "session", conversation(1, every_s=0.1))
    named = [str(session) if argument == "SESSION" else argument for argument in arguments]
    loaded = _loaded_by(_command(*named), tmp_path)
    assert "msgspec" in loaded
    assert not loaded & (HEAVY | {"sounddevice", "webrtcvad", "av", "numpy"})


def test_the_screen_of_a_replay_needs_no_model(tmp_path: Path) -> None:
    for modules in ("livemerc.console.show, livemerc.dashboard.replay_app", "livemerc.dashboard.viewer"):
        loaded = _loaded_by(f"import {modules}", tmp_path)
        assert "textual" in loaded
        assert not loaded & (HEAVY - {"textual"} | {"numpy"})


def test_the_server_of_the_screen_loads_neither_screen_nor_model(tmp_path: Path) -> None:
    loaded = _loaded_by("import livemerc.web.server", tmp_path)
    assert "aiohttp" in loaded
    assert not loaded & (HEAVY | {"numpy"})


def test_bad_input_is_refused_before_anything_heavy_loads(tmp_path: Path) -> None:
    assert not _loaded_by(_command("run", "--file", str(tmp_path / "absent.wav")), tmp_path) & HEAVY


def test_importing_the_package_costs_nothing(tmp_path: Path) -> None:
    loaded = _loaded_by("import livemerc", tmp_path)
    assert "livemerc" in loaded
    assert not loaded & (HEAVY | {"numpy", "cyclopts", "msgspec"})


def test_the_public_names_are_there_documented_and_typed() -> None:
    for name in livemerc.__all__:
        assert getattr(livemerc, name) is not None
    assert callable(livemerc.monitor)
    assert callable(livemerc.load)
    for name in ("monitor", "load", "Predictor"):
        assert getattr(livemerc, name).__doc__
    assert (Path(livemerc.__file__).parent / "py.typed").is_file()


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'listen'"):
        livemerc.listen  # noqa: B018


@pytest.mark.parametrize(
    "arguments",
    [("compare", "SESSION", "SESSION", "--json"), ("label", "SESSION", "--export", "OUT"), ("label", "SESSION")],
)
def test_correcting_and_comparing_needs_no_model(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    session = write_session(tmp_path / "session", conversation(1, every_s=0.1))
    (session / "corrections.jsonl").write_text('{"utterance_id":"u1","emotion":"joy"}\n')
    named = [{"SESSION": str(session), "OUT": str(tmp_path / "out.csv")}.get(word, word) for word in arguments]
    loaded = _loaded_by(_command(*named), tmp_path)
    assert "msgspec" in loaded
    assert not loaded & (HEAVY | {"sounddevice"})


def test_the_label_screen_needs_no_model(tmp_path: Path) -> None:
    loaded = _loaded_by("import livemerc.dashboard.label.run, livemerc.dashboard.label.app", tmp_path)
    assert "textual" in loaded
    assert not loaded & (HEAVY - {"textual"} | {"numpy"})
