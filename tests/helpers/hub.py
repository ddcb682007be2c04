"""A hub on this machine: the three calls that a snapshot needs, of a few repositories."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from helpers.paths import PROJECT

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub(repositories: Mapping[str, Mapping[str, bytes]]) -> Iterator[str]:
    """Its address. repositories: files by their names, of each."""

    class Hub(BaseHTTPRequestHandler):
        """Revision, tree, and files with their etag and commit."""

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            body = answer(unquote(self.path.split("?")[0]), repositories)
            if body is None:
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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(path: str, repositories: Mapping[str, Mapping[str, bytes]]) -> bytes | None:
    """What the hub says of a path; None = there is no such thing."""
    for name, files in repositories.items():
        if path.startswith(f"/api/models/{name}/tree/"):
            rows = [
                {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for file, content in files.items()
            ]
            return json.dumps(rows).encode()
        if path == f"/api/models/{name}" or path.startswith(f"/api/models/{name}/revision/"):
            siblings = [{"rfilename": file} for file in files]
            return json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode()
        if path.startswith(f"/{name}/resolve/") and path.rsplit("/", 1)[1] in files:
            return files[path.rsplit("/", 1)[1]]
    return None


def python_with_hub(code: str, endpoint: str, home: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: huggingface_hub reads its environment once, at import. home: of the cache."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_") and "proxy" not in key.lower()},
        "HF_HOME": str(home),
        "HF_ENDPOINT": endpoint,
        "XDG_DATA_HOME": str(home / "data"),
        "PYTHONPATH": str(PROJECT),
        **extra,
    }
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
