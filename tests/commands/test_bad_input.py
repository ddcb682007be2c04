"""Bad input: one plain sentence with the mend, the contract's exit code, nothing on standard output, no traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import wave
from pathlib import Path

import pytest
from helpers.command_line import environment, livemerc, sentence
from helpers.paths import DEMO


def _wav(path: Path, samples: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\x01\x00" * samples)
    return path


def _input(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.wav"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("This is no sound.\n" * 50)
    elif kind == "no-samples":
        _wav(path, 0)
    elif kind == "directory":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(bytes(range(256)) * 64)
    return path


@pytest.mark.parametrize("kind", ["missing", "directory", "empty", "text", "no-samples", "binary"])
def test_what_is_no_audio_is_exit_code_5_and_named(tmp_path: Path, kind: str) -> None:
    path = _input(kind, tmp_path)
    done = livemerc("run", "--file", path, "--json", env=environment(tmp_path))
    assert path.name in sentence(done)
    assert done.returncode == 5
    assert done.stdout == b""


def test_a_file_that_may_not_be_read_is_exit_code_5(tmp_path: Path) -> None:
    path = _wav(tmp_path / "secret.wav", 16_000)
    path.chmod(0)
    prefix: tuple[str, ...] = ()
    if os.access(path, os.R_OK):  # root reads everything, unless it gives that up
        if shutil.which("setpriv") is None:
            pytest.skip("running as root without setpriv (util-linux): no file is unreadable here")
        prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
    done = livemerc("run", "--file", path, "--json", env=environment(tmp_path), prefix=prefix)
    assert "secret.wav" in sentence(done)
    assert "permission" in sentence(done).lower()
    assert done.returncode == 5
    assert done.stdout == b""


def test_a_pipe_without_samples_is_exit_code_5(tmp_path: Path, checkpoint: Path) -> None:
    done = livemerc(
        "run", "--stdin", "--asr", "none", "--checkpoint", checkpoint, "--json", env=environment(tmp_path), stdin=b""
    )
    assert done.returncode == 5
    assert "stdin holds no audio" in done.stderr.decode().splitlines()[-1]
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["No such microphone", "9999"])
def test_an_unknown_microphone_is_exit_code_4(tmp_path: Path, name: str) -> None:
    done = livemerc("run", "--mic", name, "--json", env=environment(tmp_path))
    assert "microphone" in sentence(done).lower()
    assert done.returncode == 4
    assert done.stdout == b""


def test_no_microphone_is_exit_code_4(tmp_path: Path) -> None:
    env = environment(tmp_path, PULSE_SERVER="unix:/nonexistent", JACK_NO_START_SERVER="1")
    listed = livemerc("devices", env=env)
    if listed.returncode == 0:
        pytest.skip(f"this machine has microphones of its own: {listed.stdout.decode().strip()}")
    assert listed.returncode == 4
    done = livemerc("run", "--mic", "--json", env=env)
    assert "microphone" in sentence(done).lower()
    assert done.returncode == 4
    assert done.stdout == b""


def test_an_unknown_flag_is_exit_code_2(tmp_path: Path) -> None:
    done = livemerc("run", "--demo", "--json", "--frobnicate", env=environment(tmp_path))
    assert "--frobnicate" in sentence(done)
    assert done.returncode == 2
    assert done.stdout == b""


@pytest.mark.parametrize(
    ("text", "key"), [("[endpoint]\nhangover = 3\n", "endpoint.hangover"), ("[vad]\nengine = 'x'\n", "vad.engine")]
)
def test_a_bad_configuration_key_is_exit_code_2_and_named_with_its_path(tmp_path: Path, text: str, key: str) -> None:
    config = tmp_path / "own.toml"
    config.write_text(text)
    done = livemerc("run", "--demo", "--json", "--config", config, env=environment(tmp_path))
    assert key in sentence(done)
    assert str(config) in sentence(done)
    assert done.returncode == 2
    assert done.stdout == b""


def test_a_configuration_file_that_is_missing_is_exit_code_2(tmp_path: Path) -> None:
    done = livemerc("run", "--demo", "--json", "--config", tmp_path / "absent.toml", env=environment(tmp_path))
    assert "absent.toml" in sentence(done)
    assert done.returncode == 2


@pytest.mark.parametrize("damage", ["missing", "file", "no-manifest", "foreign", "missing-part", "truncated"])
def test_a_broken_checkpoint_is_exit_code_3(tmp_path: Path, checkpoint: Path, damage: str) -> None:
    folder = tmp_path / "broken"
    if damage == "file":
        folder.write_bytes(b"PK\x03\x04 a pickled checkpoint of something else")
    elif damage != "missing":
        shutil.copytree(checkpoint, folder)
        weights = folder / "speech.safetensors"
        if damage == "no-manifest":
            (folder / "merits-l.json").unlink()
        elif damage == "foreign":
            (folder / "merits-l.json").write_text('{"architectures": ["BertModel"]}')
        elif damage == "missing-part":
            weights.unlink()
        else:
            weights.write_bytes(weights.read_bytes()[:1000])
    done = livemerc(
        "run", "--demo", "--speed", "0", "--asr", "none", "--json", "--checkpoint", folder, env=environment(tmp_path)
    )
    assert done.returncode == 3, done.stderr
    assert "broken" in done.stderr.decode().splitlines()[-1]
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""
    if damage != "truncated":  # found when the weights are read, after the recogniser was announced
        assert "broken" in sentence(done)


@pytest.mark.parametrize("model", ["base", "./no-such-folder", "enormous"])
def test_a_whisper_that_is_not_here_is_exit_code_3(tmp_path: Path, checkpoint: Path, model: str) -> None:
    done = livemerc(
        "run", "--demo", "--speed", "0", "--offline", "--asr", "faster-whisper", "--model", model, "--json",
        "--checkpoint", checkpoint, env=environment(tmp_path),
    )  # fmt: skip
    assert model in sentence(done)
    assert done.returncode == 3
    assert done.stdout == b""


@pytest.mark.parametrize("kind", ["missing", "binary", "empty"])
def test_a_transcript_that_cannot_be_read_is_refused(tmp_path: Path, checkpoint: Path, kind: str) -> None:
    path = tmp_path / "call.vtt"
    if kind == "binary":
        path.write_bytes(bytes(range(256)) * 8)
    elif kind == "empty":
        path.touch()
    done = livemerc(
        "run", "--demo", "--speed", "0", "--transcript", path, "--json", "--checkpoint", checkpoint,
        env=environment(tmp_path),
    )  # fmt: skip
    assert "call.vtt" in sentence(done)
    assert done.returncode in (2, 5)
    assert done.stdout == b""


@pytest.mark.parametrize("suffix", ["mp3", "m4a"])
def test_a_truncated_file_is_processed_as_far_as_it_decodes_with_a_warning(
    tmp_path: Path, checkpoint: Path, suffix: str
) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("no ffmpeg here to make the file with")
    whole = tmp_path / f"whole.{suffix}"
    command = [ffmpeg, "-v", "error", "-i", DEMO, "-t", "20"]
    command += [*(["-movflags", "+faststart"] if suffix == "m4a" else []), whole]
    subprocess.run(command, check=True)
    cut = tmp_path / f"cut.{suffix}"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 6 // 10])
    done = livemerc(
        "run", "--file", cut, "--speed", "0", "--asr", "none", "--checkpoint", checkpoint, "--json",
        env=environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["type"] == "session.end"
    assert 5 < events[-1]["duration_s"] < 15
    warning = done.stderr.decode().splitlines()[-1]
    assert warning.startswith("livemerc: warning:")
    assert cut.name in warning
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    done = livemerc("run", "--file", pipe, "--json", env=environment(tmp_path))
    assert "--stdin" in sentence(done)
    assert done.returncode == 5


def test_a_file_name_cannot_steer_the_terminal_through_an_error(tmp_path: Path) -> None:
    done = livemerc("run", "--file", tmp_path / "a\x1b[31mred.wav", "--json", env=environment(tmp_path))
    assert done.returncode == 5
    assert b"\x1b" not in done.stderr


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="file names are text on this system")
def test_a_file_name_that_is_no_utf8_still_gives_json(tmp_path: Path) -> None:
    from livemerc.audio.file_source import FileSource
    from livemerc.events import AsrInfo, CheckpointInfo, SessionStart, decode, encode

    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    source = FileSource(_wav(path, 1600))
    source.close()
    start = SessionStart(
        version="1", labels=["joy"], checkpoint=CheckpointInfo(id="c", sha256="0", licence="l"),
        asr=AsrInfo(engine="none", model=None), device="cpu", source=source.name, started_at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    assert decode(encode(start)).source == "file:caf\ufffd.wav"  # type: ignore[union-attr]


@pytest.mark.skipif(os.name == "nt", reason="pipes cannot be set non-blocking there")
def test_a_line_is_written_whole_to_a_pipe_that_does_not_block() -> None:
    from livemerc.runtime.process import WholeWrites

    read, write = os.pipe()
    os.set_blocking(write, False)
    line = b"x" * 300_000 + b"\n"  # more than any pipe holds
    got = bytearray()
    reader = threading.Thread(target=lambda: [got.extend(piece) for piece in iter(lambda: os.read(read, 65536), b"")])
    with WholeWrites(write, "wb") as stream:
        reader.start()
        assert stream.write(line) == len(line)
    reader.join()
    os.close(read)
    assert got == line
