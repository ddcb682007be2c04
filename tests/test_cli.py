"""The command line's promises: exit codes, one sentence, clean streams, one stop path."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from cyclopts import App
from helpers.command_line import livemerc
from helpers.paths import PROJECT

from livemerc import cli
from livemerc.errors import ConfigError, InputError, LivemercError, MicrophoneError, ModelError

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and terminals")


# -- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "--mic, --file PATH, --stdin or --demo"),
        (["run", "--mic", "--demo"], "--mic and --demo exclude each other"),
        (["run", "--file", "a.wav", "--stdin"], "--file and --stdin exclude each other"),
        (["run", "--stdin", "--audio-track", "2"], "--audio-track goes with --file, not with --stdin"),
        (["run", "--mic", "--record", "talk", "--resume"], "--resume goes with --file PATH and --record DIR"),
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
        (["run", "--demo", "--transcript", "a.vtt", "--asr", "faster-whisper"], "--transcript"),
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


def test_the_commands_are_listed() -> None:
    text = livemerc("--help").stdout.decode()
    listed = set(re.findall(r"^. ([a-z]+)  ", text, re.MULTILINE))
    assert listed >= {"run", "devices", "doctor", "models", "replay", "watch", "sessions", "bench"}
    assert listed >= {"export", "report", "rerun", "compare", "label"}
    assert "--record DIR" in livemerc("run", "--help").stdout.decode()


def test_the_version_is_the_packages() -> None:
    import livemerc as package

    assert livemerc("--version").stdout.decode().strip() == package.__version__


# -- errors ----------------------------------------------------------------------------------------------------------


def failing(error: Exception) -> App:
    """`livemerc` with a command that fails."""
    app = App(name="livemerc")

    @app.command
    def devices() -> None:
        raise error

    return app


@pytest.mark.parametrize("kind", [LivemercError, ConfigError, ModelError, MicrophoneError, InputError])
def test_every_error_has_its_exit_code_and_a_traceback_only_with_debug(
    capfd: pytest.CaptureFixture[str], kind: type[LivemercError]
) -> None:
    assert cli.call(["devices"], failing(kind("It broke;\nmend it."))) == kind.exit_code
    assert capfd.readouterr().err == "livemerc: It broke; mend it.\n"


def test_debug_shows_the_traceback_and_still_the_sentence() -> None:
    done = livemerc("run", "--file", "/nonexistent.wav", "--debug")
    assert done.returncode == InputError.exit_code
    assert b"Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(b"livemerc: ")


def test_an_unexpected_error_is_a_sentence_too_and_exit_code_6(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["devices"], failing(ZeroDivisionError("division by zero"))) == 6
    err = capfd.readouterr().err
    assert len(err.splitlines()) == 1
    assert "ZeroDivisionError (division by zero)" in err
    assert "--debug" in err


# -- streams ---------------------------------------------------------------------------------------------------------


@posix
def test_what_libraries_print_does_not_reach_standard_output() -> None:
    code = (
        "import os\nfrom livemerc.runtime import process\nprint('before', flush=True)\nout = process.claim_stdout()\n"
        "os.write(1, b'noise of a C library\\n')\nprint('a stray print')\nout.write(b'{}\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=PROJECT, timeout=60, check=True)
    assert done.stdout == b"before\n{}\n"
    assert done.stderr == b"noise of a C library\na stray print\n"
