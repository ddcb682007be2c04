"""What livemerc promises of privacy and security: nothing written unasked, no internet, no voice, no pickles."""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from helpers import wav_file
from helpers.command_line import environment, finished, livemerc
from helpers.paths import DEMO, DEMO_WORDS, PROJECT
from torch.nn.modules.module import register_module_forward_pre_hook

from livemerc.audio.file_source import FileSource
from livemerc.audio.read import read_samples
from livemerc.config import load_config
from livemerc.errors import ModelError
from livemerc.events import EmotionEvent
from livemerc.model.checkpoint import MANIFEST, file_sha256, load_checkpoint
from livemerc.model.merits import ConversationModel
from livemerc.model.speech import SpeechEncoder
from livemerc.pipeline.monitor import Monitor

HOOK = """
import os, sys
def watch(event, arguments):
    if event == "socket.__new__" and arguments[1] in (2, 10, 23, 30):  # AF_INET; AF_INET6 on Linux, Windows, macOS
        found = f"{event} {arguments[1:]}"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "urllib.Request"):
        if event == "socket.connect" and isinstance(arguments[1], (str, bytes)):
            return  # a path: the sound server's own socket
        found = f"{event} {arguments[-1] if event == 'socket.connect' else arguments[0]}"
    else:
        return
    with open(os.environ["SOCKET_LOG"], "a") as log:
        log.write(found + chr(10))
    raise OSError("no internet here: " + found)
sys.addaudithook(watch)
"""
WORDS = ("--file", DEMO, "--speed", "0", "--transcript", DEMO_WORDS, "--json", "--offline")


def watched(home: Path, **extra: str) -> dict[str, str]:
    """The environment of a child that writes down, and refuses, every internet socket that Python opens."""
    hook = home / "hook"
    hook.mkdir(parents=True)
    (hook / "sitecustomize.py").write_text(HOOK)
    path = f"{hook}{os.pathsep}{PROJECT}"
    return environment(home, PYTHONPATH=path, SOCKET_LOG=str(home / "sockets.txt"), **extra)


def sockets(home: Path) -> list[str]:
    log = home / "sockets.txt"
    return log.read_text().splitlines() if log.is_file() else []


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> tuple[str | Path, ...]:
    """The first sentences of the demo as a file: recognising them all takes long."""
    start = read_samples(DEMO, 16_000, 0.0, 9.0)
    return "--file", wav_file.write(tmp_path_factory.mktemp("heard") / "start.wav", start, 16_000)


def test_the_watch_sees_an_internet_socket(tmp_path: Path) -> None:
    code = "import urllib.request\ntry: urllib.request.urlopen('http://127.0.0.1:9/')\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", code], env=watched(tmp_path), check=True, timeout=60)
    assert sockets(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "HEARD", "--speed", "0", "--json", "--offline"),
        ("run", *WORDS),
        ("run", "--demo", "--speed", "0", "--plain", "--asr", "none"),
        ("models",),
        ("devices",),
    ],
    ids=["the recogniser that is here", "words of a file", "demo without --offline", "models", "devices"],
)
def test_no_internet_socket_is_opened(
    tmp_path: Path, checkpoint: Path, heard: tuple[str | Path, ...], arguments: tuple[str | Path, ...]
) -> None:
    if arguments[0] == "run":
        named = heard if arguments[1] == "HEARD" else arguments[1:2]
        arguments = ("run", *named, *arguments[2:], "--checkpoint", checkpoint)
    done = livemerc(*arguments, env=watched(tmp_path), timeout_s=280)
    assert done.returncode in ((0,) if arguments[0] != "devices" else (0, 4)), done.stderr
    assert sockets(tmp_path) == []


def test_a_session_runs_where_there_is_no_network_at_all(tmp_path: Path, checkpoint: Path) -> None:
    """Native libraries too: in a network namespace of its own, with nothing in it."""
    prefix = ("unshare", "--map-root-user", "--net")
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("no network namespace can be made here (unshare --net)")
    done = livemerc("run", *WORDS, "--checkpoint", checkpoint, env=environment(tmp_path), prefix=prefix, timeout_s=280)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["type"] == "session.end"


def test_nothing_is_written_unless_asked(tmp_path: Path, checkpoint: Path, heard: tuple[str | Path, ...]) -> None:
    places = {name: tmp_path / name for name in ("home", "here", "temporary")}
    for place in places.values():
        place.mkdir()
    env = environment(places["home"], TMPDIR=str(places["temporary"]))
    for kind in ("DATA", "STATE"):
        env[f"XDG_{kind}_HOME"] = str(places["home"] / kind.lower())
    how = ("--speed", "0", "--plain", "--asr", "faster-whisper", "--checkpoint", checkpoint)
    done = finished("livemerc", "run", *heard, *how, env=env, folder=places["here"], timeout_s=280)
    assert done.returncode == 0, done.stderr
    assert done.stdout  # a whole session was shown, and
    assert [path for place in places.values() for path in place.rglob("*")] == []


def test_text_only_never_runs_the_speech_encoder(checkpoint: Path) -> None:
    runs: list[type] = []

    def estimates(text_only: bool) -> list[EmotionEvent]:
        overrides = {
            "model.checkpoint": str(checkpoint), "model.text_only": text_only, "asr.engine": "transcript",
            "asr.transcript": str(DEMO_WORDS),
        }  # fmt: skip
        config = load_config(overrides=overrides, environ={})
        events = list(Monitor(FileSource(DEMO, speed=0), config).events())
        return [event for event in events if isinstance(event, EmotionEvent)]

    with register_module_forward_pre_hook(lambda module, _: runs.append(type(module))):
        words = estimates(text_only=True)
        assert words
        assert all(event.modality.speech is None for event in words)
        assert any(event.modality.text is not None for event in words)
        assert SpeechEncoder not in runs
        assert ConversationModel in runs  # the count counts
        estimates(text_only=False)
        assert SpeechEncoder in runs


class Opens:
    """What an attacker pickles: loading it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("part", ["text", "speech", "fusion"])
def test_a_pickle_under_the_name_of_weights_is_refused_and_never_opened(
    tmp_path: Path, checkpoint: Path, part: str
) -> None:
    import torch

    for number, write in enumerate((lambda o, p: p.write_bytes(pickle.dumps(o)), torch.save)):
        folder = tmp_path / f"checkpoint{number}"
        shutil.copytree(checkpoint, folder)
        trap = tmp_path / f"trap{number}"
        weights = folder / f"{part}.safetensors"
        write({"weight": Opens(trap)}, weights)
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
        manifest[part]["sha256"] = file_sha256(weights)  # its hash is right: it is refused for what it is
        (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
        with pytest.raises(ModelError, match="export the checkpoint again"):
            load_checkpoint(folder)
        assert not trap.exists()


def test_nothing_in_the_monitor_can_load_a_pickle() -> None:
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
    for path in sorted((PROJECT / "livemerc").rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.partition(".")[0] for name in names} & forbidden, f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                call = f"{node.value.id}.{node.attr}"
                assert call not in ("torch.load", "np.load", "numpy.load"), f"{path}:{node.lineno}: {call}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec"), f"{path}:{node.lineno}: {node.func.id}"


def test_telemetry_of_libraries_is_off() -> None:
    code = (
        "import os; from livemerc import cli; cli.call(['--version'])\n"
        "from huggingface_hub import constants; print(constants.HF_HUB_DISABLE_TELEMETRY)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split()[-1] == "True"


def test_a_session_begins_with_a_notice_on_lawful_use(checkpoint: Path, tmp_path: Path) -> None:
    done = livemerc(
        "run",
        "--demo",
        "--speed",
        "0",
        "--plain",
        "--asr",
        "none",
        "--checkpoint",
        checkpoint,
        env=environment(tmp_path),
    )
    said = done.stderr.decode()
    assert all(word in said for word in ("expressed", "no diagnosis", "consent", "covertly", "at work", "--text-only"))
