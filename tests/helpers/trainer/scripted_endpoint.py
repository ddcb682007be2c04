"""A real HTTP server that answers chat completions as a test tells it to, and counts what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """`body` None = a chat completion with `content`; a str goes out as it is. `close` hangs up without a word."""

    content: str | None = "neutral"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    delay_s: float = 0.0
    refusal: str | None = None
    finish_reason: str = "stop"
    usage: tuple[int, int] | None = (60, 1)
    close: bool = False

    def rendered(self) -> bytes:
        if isinstance(self.body, str):
            return self.body.encode()
        if self.body is not None:
            return json.dumps(self.body).encode()
        message = {"role": "assistant", "content": self.content, "refusal": self.refusal}
        completion: dict[str, Any] = {
            "id": "c", "object": "chat.completion", "created": 1, "model": "scripted-1",
            "choices": [{"index": 0, "finish_reason": self.finish_reason, "message": message}],
        }  # fmt: skip
        if self.usage is not None:
            prompt, answer = self.usage
            completion["usage"] = {
                "prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer
            }  # fmt: skip
        return json.dumps(completion).encode()


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    """An error as OpenAI phrases it; underscores in header names become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers=named, body={"error": {"message": message, "type": "x", "code": code}})


Script = Callable[[str, int], Reply]
"""(text, how often it was asked before) -> what it is told."""


class ScriptedEndpoint:
    """`asked[text]`: requests; `answered[text]`: replies of status 200 that went out whole."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.requests: list[tuple[float, str, dict[str, str], dict[str, Any]]] = []
        self.most_at_once = 0
        self._open = 0
        self.lock = threading.Lock()
        self.base_url = ""

    def reply(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[str, Reply]:
        text = body["messages"][-1]["content"]
        with self.lock:
            before = self.asked[text]
            self.asked[text] += 1
            self.requests.append((time.monotonic(), text, headers, body))
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
        reply = self.script(text, before)
        time.sleep(reply.delay_s)
        return text, reply

    def done(self, text: str, reply: Reply, sent: bool) -> None:
        with self.lock:
            self._open -= 1
            if sent and reply.status == 200:
                self.answered[text] += 1

    def wait_for(self, requests: int, timeout_s: float = 60.0) -> None:
        """Until so many were asked."""
        end = time.monotonic() + timeout_s
        while sum(self.asked.values()) < requests:
            assert time.monotonic() < end, f"only {sum(self.asked.values())} of {requests} requests came"
            time.sleep(0.01)


@contextmanager
def scripted_endpoint(script: Script) -> Iterator[ScriptedEndpoint]:
    """A server on a free port of this machine."""
    endpoint = ScriptedEndpoint(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            text, reply = endpoint.reply({k.lower(): v for k, v in self.headers.items()}, body)
            sent = False
            try:
                if reply.close:
                    self.close_connection = True
                    return
                data = reply.rendered()
                self.send_response(reply.status)
                for name, value in {"content-type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                sent = True
            except OSError:
                self.close_connection = True  # the client no longer waits
            finally:
                endpoint.done(text, reply, sent)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a killed client resets its connection

    with Server(("127.0.0.1", 0), Handler) as server:
        endpoint.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()
