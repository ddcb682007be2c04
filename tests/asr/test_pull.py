"""Fetching a model, from a hub on this machine: what is stored is found again, and progress counts bytes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"config.json": b"{}", "model.bin": b"w" * 300_000, "tokenizer.json": b"{ }", "vocabulary.txt": b"a\n"}
OTHER = {"README.md": b"not asked for"}


class Hub(BaseHTTPRequestHandler):
    """The three calls of the hub that a snapshot needs: revision, tree, and files with their etag and commit."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        path = self.path.split("?")[0]
        files = FILES | OTHER
        if path.startswith("/api/models/Systran/faster-whisper-tiny/tree/"):
            body = json.dumps(
                [
                    {"type": "file", "path": k, "size": len(v), "oid": hashlib.sha1(v).hexdigest()}
                    for k, v in files.items()
                ]
            ).encode()
        elif path.startswith("/api/models/Systran/faster-whisper-tiny"):
            siblings = [{"rfilename": name} for name in files]
            body = json.dumps({"id": "Systran/faster-whisper-tiny", "sha": COMMIT, "siblings": siblings}).encode()
        elif path.startswith("/Systran/faster-whisper-tiny/resolve/") and path.rsplit("/", 1)[1] in files:
            body = files[path.rsplit("/", 1)[1]]
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def pull(name: str, endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own: huggingface_hub reads its environment once, at import."""
    code = (
        "import sys, json\n"
        "from livemerc.asr.models import pull, cached_path\n"
        "from livemerc.errors import ModelError\n"
        "seen = []\n"
        "try:\n"
        f"    path = pull({name!r}, lambda done, total: seen.append((done, total)))\n"
        f"    print(json.dumps([str(path), str(cached_path({name!r})), seen[-1]]))\n"
        "except ModelError as error:\n"
        "    print(error)\n"
    )
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_") and "proxy" not in key.lower()},
        "HF_HOME": str(home),
        "HF_ENDPOINT": endpoint,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)


def test_a_pulled_model_is_complete_found_again_and_counted(endpoint, tmp_path):
    result = pull("tiny", endpoint, tmp_path)
    assert result.returncode == 0, result.stderr
    path, found, (done, total) = json.loads(result.stdout)
    assert path == found
    assert {file.name for file in Path(path).iterdir()} == set(FILES)
    assert Path(path, "model.bin").read_bytes() == FILES["model.bin"]
    assert done == total == sum(map(len, FILES.values()))
    assert result.stderr == ""


def test_a_model_that_the_hub_does_not_have_is_one_sentence(endpoint, tmp_path):
    result = pull("base", endpoint, tmp_path)
    assert result.stdout.startswith("Whisper base cannot be fetched")
    assert result.stdout.count("\n") == 1


def test_an_unreachable_hub_is_one_sentence(tmp_path):
    result = pull("base", "http://127.0.0.1:9", tmp_path)
    assert result.stdout == "Whisper base cannot be fetched: the hub is not reachable; check the network.\n"
