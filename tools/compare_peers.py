"""Compares livemerc with other streaming transcribers, side by side, at real pace, with the same Whisper weights.

    python tools/compare_peers.py --venvs FOLDER --install [--only NAME]     # virtual environments, from PyPI
    python tools/compare_peers.py --venvs FOLDER --data DATA [--only NAME] [--results FILE] [--json]
    python tools/compare_peers.py --list

Needs the development extras. Each peer lives in `FOLDER/NAME`, made by `--install`: `python -m venv`, a .pth file that
lends it this environment's site-packages (torch, faster-whisper, CTranslate2 and onnxruntime are then the same for all,
and 4 GB are spared), and the few packages that `PEERS` names. No model hub is asked: whoever reads a faster-whisper
folder gets livemerc's tiny.en (int8), Moonshine has its own in its package, and what cannot be had is listed with the
reason. `--results FILE` keeps the figures of peers measured before, so that each can be run alone.

A peer is a child process (`peer_adapters.py`) that reads PCM and prints JSON lines. Samples are written when their last
one has been spoken, by a clock that waits for nobody; all times are those at which a line *arrives* here, livemerc's as
well. Behind the recording there are 3 s of silence. Material: the demo, and with `--data` the telephone call.

- `final`: s from the last voiced sample (`bench.vad.active_frames`) of a stretch of speech until the last of its words
  is settled; stretches end in a pause of .4 s or more. `missed`: stretches of which no word was heard
- `emotion`: the same until the emotion of that utterance is there (livemerc alone)
- `seen`: s from the end of a word (by the same tiny.en over the whole file, word times) until it is shown as it was
  said, settled or not; words that are never right count in `wer` alone
- `wer`: words lost, added or changed (`bench.asr.edits`), of all that was settled
- `MB`: the most that the child and its children held (sum of RSS, twenty looks a second), `cores`: their CPU seconds a
  second while audio came
- `others`: cores that everything else on the machine used meanwhile, this script included: above .2 run it again
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import livemerc
from livemerc.asr.sidecar import read_cues
from livemerc.audio.read import read_samples
from livemerc.bench.measuring import DEMO, machine, machine_line
from livemerc.config import SAMPLE_RATE_HZ

sys.path.insert(0, str(Path(__file__).parent))  # the tools are no package

from measure_endpointing import Recogniser
from peer_figures import Clip, Log, figures, make_clip

WEIGHTS = Path(livemerc.__file__).parent / "weights" / "whisper-tiny.en"
ADAPTERS = Path(__file__).with_name("peer_adapters.py")
SILENCE_S = 3.0
BLOCK_S = 0.05
PATIENCE_S = 120.0
_PIPE_BYTES = 1 << 20  # half a minute of audio: a peer that is busy does not hold up the clock
_F_SETPIPE_SZ = 1031


@dataclass(frozen=True)
class Peer:
    """`packages`: what pip installs; None = this environment. `lacks`: why it cannot be run. `environ`: the child's."""

    title: str
    adapter: str
    packages: tuple[str, ...] | None = None
    lacks: str | None = None
    environ: dict[str, str] = field(default_factory=dict)


PEERS = {
    "livemerc": Peer("livemerc", "livemerc"),
    "livemerc-full": Peer("livemerc, full window", "livemerc", environ={"PEER_WINDOW": "full"}),
    "moonshine": Peer("Moonshine tiny (moonshine-voice 0.0.73)", "moonshine", ("--no-deps", "moonshine-voice==0.0.73")),
    "realtimestt": Peer(
        "RealtimeSTT 1.1.2", "realtimestt",
        ("--no-deps", "RealtimeSTT==1.1.2", "silero-vad", "soundfile", "halo", "colorama", "log-symbols", "spinners",
         "termcolor", "six"),  # not PyAudio, which needs a compiler: no microphone here
    ),
    "whisper-live": Peer(
        "WhisperLive 0.10.0", "whisper-live", ("--no-deps", "whisper-live==0.10.0", "websockets", "websocket-client")
    ),
    "whisperlivekit": Peer("WhisperLiveKit 0.2.26, LocalAgreement", "whisperlivekit", ("whisperlivekit==0.2.26",)),
    "whisper-streaming": Peer(
        "whisper-streaming 0.1.0 (PyPI's rewrite)", "whisper-streaming",
        ("--no-deps", "whisper-streaming==0.1.0", "opus-fast-mosestokenizer"),
    ),
    "chunks": Peer("faster-whisper, chunks of 5 s", "chunks"),
    "whole": Peer("faster-whisper, whole file at its end", "whole"),
    "whisperlivekit-simul": Peer(
        "WhisperLiveKit, SimulStreaming (its default)", "",
        lacks="its decoder reads PyTorch weights, which no package holds for tiny.en",
    ),
    "useful-moonshine-onnx": Peer("Moonshine (useful-moonshine-onnx)", "", lacks="its weights are on a model hub only"),
    "vosk": Peer("Vosk", "", lacks="no package holds English weights"),
}  # fmt: skip


# -- one peer, one recording ------------------------------------------------------------------------------------------


def play(peer: Peer, python: Path, clip: Clip) -> dict[str, Any]:
    """Its figures over the recording at real pace, with `rss_mb` and `cores`. Raises `RuntimeError` with the last line
    of its errors where it does not get ready, or fails."""
    pcm = (clip.samples * 32767).astype("<i2").tobytes() + bytes(2 * round(SILENCE_S * SAMPLE_RATE_HZ))
    environ = os.environ | {"HF_HUB_OFFLINE": "1"} | peer.environ
    if peer.packages is not None:
        environ.pop("PYTHONPATH", None)
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [str(python), str(ADAPTERS), peer.adapter, str(WEIGHTS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environ,
        )  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        log, ready, began, wrong = Log(), threading.Event(), [0.0], list[str]()

        def listen() -> None:
            assert child.stdout is not None
            try:
                for raw in child.stdout:
                    log.read(raw.decode(), time.monotonic() - began[0])
                    if log.ready:
                        ready.set()
            except ValueError as error:
                wrong.append(str(error))
            ready.set()

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        usage = _Usage(child.pid)
        try:
            if not ready.wait(PATIENCE_S) or not log.ready:
                raise RuntimeError("".join(wrong) or _last_line(errors) or "it did not get ready")
            usage.begin()
            began[0] = time.monotonic()
            taken = _speak(child, pcm, began[0])
            usage.end()
            with contextlib.suppress(BrokenPipeError):  # it has ended, and says why below
                child.stdin.close()
            listener.join(PATIENCE_S)
            if child.wait(PATIENCE_S) or wrong or not taken:
                raise RuntimeError("".join(wrong) or _last_line(errors) or f"it ended early, with {child.returncode}")
        finally:
            usage.close()
            for process in (*usage.children(), child):
                process.kill()
            child.wait()
            listener.join(PATIENCE_S)
            child.stdout.close()
            with contextlib.suppress(OSError):
                child.stdin.close()
    return figures(clip, log) | {
        "rss_mb": usage.most_mb,
        "cores": usage.cores,
        "others": usage.others,
        "lines": [vars(one) for one in log.lines],
    }


def _speak(child: subprocess.Popen[bytes], pcm: bytes, began_s: float) -> bool:
    """Whether all of it was taken."""
    import fcntl

    assert child.stdin is not None
    fcntl.fcntl(child.stdin.fileno(), _F_SETPIPE_SZ, _PIPE_BYTES)
    size = 2 * round(BLOCK_S * SAMPLE_RATE_HZ)
    for at in range(0, len(pcm), size):
        due_s = began_s + min(at + size, len(pcm)) / 2 / SAMPLE_RATE_HZ
        time.sleep(max(0.0, due_s - time.monotonic()))
        try:
            child.stdin.write(pcm[at : at + size])
            child.stdin.flush()
        except BrokenPipeError:
            return False
    return True


class _Usage:
    """Memory and processor time of a process and its children, looked at twenty times a second."""

    def __init__(self, pid: int) -> None:
        import psutil

        self.most_mb = self.cores = self.others = 0.0
        self._process = psutil.Process(pid)
        self._spent: dict[int, float] = {}
        self._began = (0.0, 0.0, 0.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def children(self) -> list[Any]:
        import psutil

        with contextlib.suppress(psutil.Error):
            return list(self._process.children(recursive=True))
        return []

    def _look(self) -> None:
        import psutil

        while not self._ended.wait(0.05):
            held = 0
            for one in (self._process, *self.children()):
                with contextlib.suppress(psutil.Error):  # it has just ended
                    held += one.memory_info().rss
                    self._spent[one.pid] = sum(one.cpu_times()[:2])
            self.most_mb = max(self.most_mb, held / 2**20)

    def begin(self) -> None:
        self._began = (time.monotonic(), sum(self._spent.values()), self._busy_s())

    def end(self) -> None:
        began_s, spent_s, busy_s = self._began
        passed_s = time.monotonic() - began_s
        self.cores = (sum(self._spent.values()) - spent_s) / passed_s
        self.others = (self._busy_s() - busy_s) / passed_s - self.cores

    @staticmethod
    def _busy_s() -> float:
        import psutil

        times = psutil.cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()


def _last_line(errors: Any) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


# -- the command ------------------------------------------------------------------------------------------------------


def install(name: str, peer: Peer, folder: Path) -> str | None:
    """Makes its virtual environment. What went wrong, None = nothing."""
    if peer.packages is None or peer.lacks:
        return None
    python = folder / "bin" / "python"
    site_packages = next(path for path in sys.path if path.endswith("site-packages"))
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    for lent in folder.glob("lib/python*/site-packages"):
        (lent / "lent.pth").write_text(site_packages + "\n")
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", *peer.packages], capture_output=True, text=True, check=False
    )
    failed = folder / "failed.txt"
    failed.unlink(missing_ok=True)
    if done.returncode:
        failed.write_text(done.stderr.strip().splitlines()[-1])
        return failed.read_text()
    return None


def why_not(name: str, peer: Peer, folder: Path) -> str | None:
    """Why it cannot be run here; None = it can."""
    if peer.lacks or peer.packages is None:
        return peer.lacks
    if (folder / "failed.txt").exists():
        return f"could not be installed: {(folder / 'failed.txt').read_text()}"
    return None if (folder / "bin" / "python").exists() else "not installed; run --install"


def table(rows: dict[str, dict[str, Any]]) -> list[str]:
    """A Markdown table of what was measured, and what could not be had."""
    lines = [
        "| s, p50 / p95 | demo: final | seen | WER | call: final | seen | WER | MB | cores | others |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    without = []
    for name, row in rows.items():
        title = PEERS[name].title if name in PEERS else name
        if "why_not" in row:
            without.append(f"- {title}: {row['why_not']}")
            continue
        cells = []
        for clip in ("demo", "call"):
            f = row.get(clip)
            cells += ["-"] * 3 if f is None else [_cell(f["final_s"], f), _cell(f["seen_s"]), f"{f['wer']:.3f}"]
        clips = [row[clip] for clip in ("demo", "call") if clip in row]
        most, cores = max(f["rss_mb"] for f in clips), clips[0]["cores"]
        lines.append(f"| {title} | {' | '.join(cells)} | {most:.0f} | {cores:.2f} | {_most_of_others(clips)} |")
    for name, row in rows.items():
        for clip in ("demo", "call"):
            if (row.get(clip) or {}).get("emotion_s"):
                lines += ["", f"{name}, {clip}: to the emotion {_cell(row[clip]['emotion_s'])} s"]
    return [*lines, *(["", "Could not be had:", *without] if without else [])]


def _most_of_others(clips: list[dict[str, Any]]) -> str:
    known = [f["others"] for f in clips if "others" in f]
    return f"{max(known):.2f}" if known else "-"


def _cell(v: dict[str, float] | None, f: dict[str, Any] | None = None) -> str:
    if v is None:
        return "-"
    missed = f", {f['missed']} of {f['of']} missed" if f and f["missed"] else ""
    return f"{v['p50']:.2f} / {v['p95']:.2f}{missed}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path, default=Path(tempfile.gettempdir()) / "livemerc-peers")
    parser.add_argument("--data", type=Path, help="folder that holds speech/call; without it the demo alone")
    parser.add_argument("--only", action="append", choices=PEERS, metavar="NAME", help="may be repeated")
    parser.add_argument("--list", action="store_true", help="which peers there are, and which cannot be run here")
    parser.add_argument("--install", action="store_true", help="makes the virtual environments; asks PyPI alone")
    parser.add_argument("--results", type=Path, help="JSON file that figures are added to")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    chosen = {name: PEERS[name] for name in asked.only or PEERS}
    if asked.list or asked.install:
        for name, peer in chosen.items():
            if asked.install:
                install(name, peer, asked.venvs / name)
            print(f"{name:22} {peer.title:46} {why_not(name, peer, asked.venvs / name) or 'ready'}")
        return 0
    rows = json.loads(asked.results.read_text())["rows"] if asked.results and asked.results.exists() else {}
    clips = read_clips(asked.data)
    for name, peer in chosen.items():
        if reason := why_not(name, peer, asked.venvs / name):
            rows[name] = {"why_not": reason}
            continue
        python = Path(sys.executable) if peer.packages is None else asked.venvs / name / "bin" / "python"
        try:
            rows[name] = {}
            for clip in clips:
                print(f"{name}: {clip.name}, {len(clip.samples) / SAMPLE_RATE_HZ:.0f} s", file=sys.stderr, flush=True)
                rows[name][clip.name] = play(peer, python, clip)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            rows[name] = {"why_not": f"failed: {error}"}
    result = {"machine": machine(), "rows": {name: rows[name] for name in PEERS if name in rows}}
    if asked.results:
        asked.results.write_text(json.dumps(result))
    print(
        json.dumps(result) if asked.json else "\n".join([machine_line(result["machine"]), "", *table(result["rows"])])
    )
    return 0


def read_clips(data: Path | None) -> list[Clip]:
    """The demo, and of DATA the call."""
    recogniser = Recogniser(Path(tempfile.gettempdir()) / "livemerc-endpointing")
    found = [("demo", DEMO, DEMO.with_suffix(".vtt"))]
    if data is not None:
        call = data / "speech" / "call" / "sample.flac"
        found.append(("call", call, call.with_suffix(".stm")))
    out = []
    for name, path, transcript in found:
        samples = read_samples(path, SAMPLE_RATE_HZ)
        out.append(make_clip(name, samples, read_cues(transcript), recogniser.whole(samples)))
    return out


if __name__ == "__main__":
    sys.exit(main())
