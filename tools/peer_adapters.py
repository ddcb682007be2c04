"""Drives one streaming transcriber for `compare_peers.py`: PCM at real pace in, JSON lines out.

    VENVS/NAME/bin/python tools/peer_adapters.py NAME WEIGHTS < pcm    (s16le, mono, 16 kHz)

Runs in the peer's own virtual environment, so it imports nothing of livemerc. WEIGHTS is a folder in faster-whisper's
format; whoever cannot read it brings weights of its own. Every peer runs with its own defaults, but for language
(English), device (CPU), hypotheses, which are switched on where there are any, and what its adapter says. Lines on
stdout, and nothing else:

- `{"ready": true}`: the models are there, and samples may come
- `{"t": ..., "text": ..., "final": true}`: text that is added to what is settled; `t` is the monotonic clock
- `{"t": ..., "text": ..., "final": false}`: what is shown behind the settled text until the next line
- `{"t": ..., "judged": ID}`: the emotion of the final whose `"id"` that is (livemerc alone has any)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ = 16_000
BLOCK_SAMPLES = 1_600
CHUNK_S = 5.0
FLUSH_S = 20.0
"""How long a peer that does not say when it has finished is waited for after the end of the audio."""
REALTIMESTT_SILENCE_S = 0.4
"""What livemerc waits for. By its own .6 s and WebRTC's detector RealtimeSTT joins most of the demo's turns."""
WHISPER_STREAMING_CHUNK_S = 1.0
"""`--min-chunk-size` of the original program."""


class Lines:
    """Writes JSON lines to what was stdout; whatever else a peer prints goes to stderr."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self._shown = ""

    def ready(self) -> None:
        self._write({"ready": True})

    def final(self, text: str, **more: Any) -> None:
        self._shown = ""
        self._write({"t": time.monotonic(), "text": text, "final": True, **more})

    def partial(self, text: str) -> None:
        if text != self._shown:
            self._shown = text
            self._write({"t": time.monotonic(), "text": text, "final": False})

    def judged(self, utterance_id: str) -> None:
        self._write({"t": time.monotonic(), "judged": utterance_id})

    def _write(self, line: dict[str, Any]) -> None:
        with self._lock:
            self._out.write(json.dumps(line) + "\n")
            self._out.flush()


def pcm_blocks(seconds: float = BLOCK_SAMPLES / RATE_HZ) -> Iterator[bytes]:
    """What comes on stdin, in blocks of that length; the last may be shorter."""
    size = 2 * round(seconds * RATE_HZ)
    while block := sys.stdin.buffer.read(size):
        yield block


def floats(pcm: bytes) -> np.ndarray:
    """(n,) float32 in -1 to 1."""
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768


def livemerc(lines: Lines, weights: str) -> None:
    """The command line as a user starts it, with the weights that it ships."""
    command = [sys.executable, "-m", "livemerc", "run", "--stdin", "--rate", str(RATE_HZ), "--json", "--offline"]
    window = os.environ.get("PEER_WINDOW")
    child = subprocess.Popen([*command, "--asr-window", window] if window else command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    open_texts: dict[str, str] = {}
    for line in child.stdout:
        event = json.loads(line)
        kind, utterance_id = event["type"], event.get("utterance_id", "")
        if kind == "session.start":
            lines.ready()
        elif kind == "utterance.partial":
            open_texts[utterance_id] = event["text"]
            lines.partial(" ".join(open_texts.values()))
        elif kind == "utterance.final":
            open_texts.pop(utterance_id, None)
            lines.final(event["text"], id=utterance_id)
        elif kind == "emotion" and event["status"] == "provisional":
            lines.judged(utterance_id)
    if child.wait():
        raise RuntimeError(f"livemerc ended with {child.returncode}")


def _faster_whisper(weights: str) -> Callable[[np.ndarray], str]:
    from faster_whisper import WhisperModel

    model = WhisperModel(weights, device="cpu")

    def transcribe(samples: np.ndarray) -> str:
        segments, _ = model.transcribe(samples, language="en")
        return "".join(segment.text for segment in segments).strip()

    transcribe(np.zeros(RATE_HZ, np.float32))  # the first call allocates
    return transcribe


def chunks(lines: Lines, weights: str) -> None:
    """faster-whisper on every 5 s, whatever is said at the seam."""
    transcribe = _faster_whisper(weights)
    lines.ready()
    for pcm in pcm_blocks(CHUNK_S):
        lines.final(transcribe(floats(pcm)))


def whole(lines: Lines, weights: str) -> None:
    """faster-whisper on the whole recording, once it has ended."""
    transcribe = _faster_whisper(weights)
    lines.ready()
    lines.final(transcribe(floats(b"".join(pcm_blocks()))))


def realtimestt(lines: Lines, weights: str) -> None:
    from RealtimeSTT import AudioToTextRecorder

    recorder = AudioToTextRecorder(
        model=weights,
        realtime_model_type=weights,
        language="en",
        device="cpu",
        use_microphone=False,
        spinner=False,
        no_log_file=True,
        post_speech_silence_duration=REALTIMESTT_SILENCE_S,
        silero_deactivity_detection=True,
        enable_realtime_transcription=True,
        on_realtime_transcription_update=lines.partial,
    )
    listening = threading.Event()
    listening.set()
    said_at = [time.monotonic()]

    def hear() -> None:
        while listening.is_set():
            text = recorder.text()
            if text:
                said_at[0] = time.monotonic()
                lines.final(text)

    threading.Thread(target=hear, daemon=True).start()
    lines.ready()
    for pcm in pcm_blocks():
        recorder.feed_audio(pcm)
    _until_quiet(lambda: said_at[0])
    listening.clear()
    recorder.shutdown()


def whisper_live(lines: Lines, weights: str) -> None:
    """Its server and a client on this machine, as it is meant to be used."""
    from websockets.sync.client import connect
    from whisper_live.server import TranscriptionServer

    port = _free_port()
    server = TranscriptionServer()
    options = {"backend": "faster_whisper", "faster_whisper_custom_model_path": weights}
    threading.Thread(target=server.run, args=("127.0.0.1",), kwargs=options | {"port": port}, daemon=True).start()
    socket = _patiently(lambda: connect(f"ws://127.0.0.1:{port}", max_size=None))
    socket.send(
        json.dumps({"uid": "peer", "language": "en", "task": "transcribe", "model": weights, "use_vad": True,
                    "audio_format": "int16", "send_last_n_segments": 10})
    )  # fmt: skip
    if json.loads(socket.recv(timeout=FLUSH_S)).get("message") != "SERVER_READY":
        raise RuntimeError("WhisperLive's server did not get ready")
    said_at = [time.monotonic()]

    rest = [""]

    def hear() -> None:
        settled_s = -1.0
        for message in socket:
            segments = json.loads(message).get("segments", [])
            for segment in segments:
                if segment["completed"] and float(segment["start"]) > settled_s:
                    settled_s = float(segment["start"])
                    said_at[0] = time.monotonic()
                    lines.final(segment["text"])
            rest[0] = " ".join(s["text"] for s in segments if not s["completed"])
            lines.partial(rest[0])

    threading.Thread(target=hear, daemon=True).start()
    lines.ready()
    for pcm in pcm_blocks():
        socket.send(pcm)
    _until_quiet(lambda: said_at[0], 12)
    lines.final(rest[0])  # its client keeps what was never completed, too


def whisperlivekit(lines: Lines, weights: str) -> None:
    """With LocalAgreement: its default policy reads PyTorch weights."""
    import asyncio

    from whisperlivekit.audio_processor import AudioProcessor
    from whisperlivekit.core import TranscriptionEngine

    async def run() -> None:
        engine = TranscriptionEngine(
            model_path=weights, backend="faster-whisper", backend_policy="localagreement", lan="en", pcm_input=True
        )
        processor = AudioProcessor(transcription_engine=engine)
        results = await processor.create_tasks()

        async def hear() -> None:
            settled: list[str] = []
            async for front in results:
                said = " ".join(line.text for line in front.lines if line.text).split()
                if len(said) > len(settled):  # lines are joined and split again; words are only added
                    lines.final(" ".join(said[len(settled) :]))
                    settled = said
                lines.partial(front.buffer_transcription)

        hearing = asyncio.create_task(hear())
        lines.ready()
        blocks = pcm_blocks()
        while (pcm := await asyncio.to_thread(next, blocks, b"")) != b"":
            await processor.process_audio(pcm)
        await processor.process_audio(b"")
        await asyncio.wait_for(hearing, 3 * FLUSH_S)

    asyncio.run(run())


def whisper_streaming(lines: Lines, weights: str) -> None:
    """The rewrite that is on PyPI, not the original program. Its sentence trimming raises, so it trims by time."""
    from whisper_streaming import ASRProcessor, AudioReceiver, Backend, OutputSender, TimeTrimming
    from whisper_streaming.backend import (
        FasterWhisperFeatureExtractorConfig,
        FasterWhisperModelConfig,
        FasterWhisperTranscribeConfig,
    )

    class Stdin(AudioReceiver):
        def _do_receive(self) -> np.ndarray | None:
            pcm = next(self._blocks, b"")
            return floats(pcm) if pcm else None

        def _do_close(self) -> None:
            pass

        _blocks = pcm_blocks(WHISPER_STREAMING_CHUNK_S)

    class Print(OutputSender):
        def _do_output(self, data: Any) -> None:
            lines.final(data.word)

        def _do_close(self) -> None:
            pass

    sender = Print()
    processor = ASRProcessor(
        ASRProcessor.ProcessorConfig(
            sampling_rate=RATE_HZ,
            prompt_size=200,
            audio_receiver_timeout=WHISPER_STREAMING_CHUNK_S + 4,
            audio_trimming=TimeTrimming(seconds=15),
            language="en",
        ),
        Stdin(),
        sender,
        Backend.FASTER_WHISPER,
        FasterWhisperModelConfig(model_size_or_path=weights, device="cpu"),
        FasterWhisperTranscribeConfig(),
        FasterWhisperFeatureExtractorConfig(),
    )
    lines.ready()
    processor.run()
    sender.join()
    while not sender.queue.empty():  # it is stopped before it has given out the end
        lines.final(sender.queue.get().word)


def moonshine(lines: Lines, weights: str) -> None:
    """Its own tiny English model, which 0.0.73 holds and later versions fetch."""
    import moonshine_voice
    from moonshine_voice.transcriber import LineCompleted, LineTextChanged, ModelArch, Transcriber

    folder = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en"
    stream = Transcriber(folder, ModelArch.TINY).create_stream()

    def hear(event: Any) -> None:
        if isinstance(event, LineCompleted):
            lines.final(event.line.text)
        elif isinstance(event, LineTextChanged) and not event.line.is_complete:
            lines.partial(event.line.text)

    stream.add_listener(hear)
    stream.start()
    lines.ready()
    for pcm in pcm_blocks():
        stream.add_audio(floats(pcm).tolist(), RATE_HZ)
    stream.stop()


def _until_quiet(last_s: Callable[[], float], quiet_s: float = 6.0) -> None:
    """Returns when nothing came for `quiet_s`, `FLUSH_S` later at most."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < FLUSH_S and time.monotonic() - max(began_s, last_s()) < quiet_s:
        time.sleep(0.1)


def _free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _patiently(connect: Callable[[], Any]) -> Any:
    began_s = time.monotonic()
    while True:
        try:
            return connect()
        except ConnectionRefusedError:
            if time.monotonic() - began_s > FLUSH_S:
                raise
            time.sleep(0.2)


ADAPTERS: dict[str, Callable[[Lines, str], None]] = {
    "livemerc": livemerc,
    "chunks": chunks,
    "whole": whole,
    "realtimestt": realtimestt,
    "whisper-live": whisper_live,
    "whisperlivekit": whisperlivekit,
    "whisper-streaming": whisper_streaming,
    "moonshine": moonshine,
}


def main() -> None:
    name, weights = sys.argv[1:]
    ADAPTERS[name](Lines(), weights)
    sys.stderr.flush()
    os._exit(0)  # servers and recorders leave threads behind that wait for ever


if __name__ == "__main__":
    main()
