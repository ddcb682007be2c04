"""Measures the ears on real speech: what of it is inside utterances, when they end, and which words their cuts cost.

    python tools/measure_endpointing.py DATA [--engine silero] [--set endpoint.hangover_ms=300] [--cuts-only] [--json]

DATA holds `speech/call`, `speech/meetings`, `speech/read` and `speech/librispeech`; the bundled demo comes with
livemerc. Words are those of the bundled Whisper tiny.en, greedy, int8, full window; the reference for them is the same
Whisper over the whole file with word times, and the transcript where there is one. Everything that the recogniser said
is kept in `--cache` (a temporary folder), so a second run transcribes only what is cut otherwise.

The table, a line for each group of files:

- `in`: share of the reference speech (speaker turns, else the active level of the recording) inside utterances;
  `rest`: share of everything else inside; `n`: utterances; `long`: those cut at the maximum length
- `cut`: utterances that begin or end inside a word of the whole-file transcript, 80 ms of sound on both sides
- `wait`: ms of audio from the last active 10 ms of the speech to the decision, without forced cuts and ends of files
- `lost`: words of the whole file that are in no utterance's transcript; `errors`: all edits against the whole file's
- `wer`: errors against the transcript, where there is one; `whole`: those of the whole file
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import livemerc
from livemerc.asr.sidecar import read_cues
from livemerc.audio.ears import Ears
from livemerc.audio.items import Utterance
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block
from livemerc.bench.asr import edits, reference_words
from livemerc.bench.measuring import DEMO, percentiles
from livemerc.bench.vad import active_frames
from livemerc.config import SAMPLE_RATE_HZ, Config, load_config
from livemerc.notation import words

WEIGHTS = Path(livemerc.__file__).parent / "weights" / "whisper-tiny.en"
_INSIDE_FRAMES = 8
"""Whisper's word times are no better than 80 ms."""
_COMPRESSION = 2.4
"""Text that packs better says the same again and again; livemerc's screening drops it, too."""
_RELEASE_S = 0.3
"""Behind the last voiced frame speech may still sound."""
_FRAME = SAMPLE_RATE_HZ // 100

Turns = list[tuple[float, float]]
Words = list[tuple[str, float, float]]


@dataclass
class Clip:
    """One recording. `turns`: when somebody speaks, seconds; `reference`: what was said. None = unknown."""

    group: str
    name: str
    samples: np.ndarray
    turns: Turns | None = None
    reference: list[str] | None = None

    @property
    def spoken(self) -> np.ndarray:
        """(ceil(n / 160),) bool."""
        if self.turns is None:
            return active_frames(self.samples)
        return _mask(self.turns, -(-len(self.samples) // _FRAME))


@dataclass
class Figures:
    files: int = 0
    spoken: int = 0
    spoken_inside: int = 0
    rest: int = 0
    rest_inside: int = 0
    utterances: int = 0
    forced: int = 0
    cut: int = 0
    waits_ms: list[float] = field(default_factory=list)
    whole_words: int = 0
    lost: int = 0
    errors: int = 0
    said: int = 0
    wrong: int = 0
    whole_wrong: int = 0

    def add(self, other: Figures) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class Recogniser:
    """The bundled Whisper, with a memory on disk."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._cache.mkdir(parents=True, exist_ok=True)
        self._model: Any = None

    def text(self, samples: np.ndarray) -> str:
        """Of one utterance, as livemerc's own engine decodes it in the full window."""
        text = str(self._remembered("utterance", samples)[0])
        packed = len(zlib.compress(text.encode()))
        return "" if len(text.encode()) / packed > _COMPRESSION else text

    def whole(self, samples: np.ndarray) -> Words:
        """Of a whole file: (word, start, end)."""
        return [(str(word), float(start_s), float(end_s)) for word, start_s, end_s in self._remembered("file", samples)]

    def _remembered(self, kind: str, samples: np.ndarray) -> list[Any]:
        digest = hashlib.sha256(samples.astype("<f4").tobytes()).hexdigest()[:24]
        path = self._cache / f"{kind}-{digest}.json"
        if not path.exists():
            path.write_text(json.dumps(self._decode(samples, whole=kind == "file")))
        return list(json.loads(path.read_text()))

    def _decode(self, samples: np.ndarray, *, whole: bool) -> list[Any]:
        if self._model is None:
            from faster_whisper import WhisperModel

            self._model = WhisperModel(str(WEIGHTS), device="cpu", compute_type="int8", cpu_threads=1)
        segments, _ = self._model.transcribe(
            samples,
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            no_speech_threshold=None,
            log_prob_threshold=None,
            compression_ratio_threshold=None,
            without_timestamps=not whole,
            word_timestamps=whole,
        )
        if whole:
            return [[word.word, word.start, word.end] for segment in segments for word in segment.words or ()]
        return ["".join(segment.text for segment in segments).strip()]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--engine", default="silero", choices=("silero", "webrtc"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as JSON")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "livemerc-endpointing")
    parser.add_argument("--cuts-only", action="store_true", help="no recogniser: seconds instead of minutes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--each", action="store_true", help="a line for each file, with its words")
    asked = parser.parse_args(arguments)
    pairs = (setting.split("=", 1) for setting in asked.set)
    overrides = {key: json.loads(value) for key, value in pairs} | {"vad.engine": asked.engine}
    config = load_config(environ={}, overrides=overrides)
    recogniser = None if asked.cuts_only else Recogniser(asked.cache)
    groups: dict[str, Figures] = {}
    for clip in clips(asked.data):
        found = measure(clip, config, recogniser, talkative=asked.each)
        groups.setdefault(clip.group, Figures()).add(found)
    if asked.json:
        json.dump({name: vars(figures) for name, figures in groups.items()}, sys.stdout)
    else:
        print("\n".join(table(groups)))
    return 0


def clips(data: Path) -> list[Clip]:
    speech = data / "speech"
    call = speech / "call" / "sample"
    subtitles, transcript = DEMO.with_suffix(".vtt"), call.with_suffix(".stm")
    turns = [(cue.start_s, cue.end_s) for cue in read_cues(subtitles)]
    out = [Clip("demo", "demo", _read(DEMO), turns, reference_words(subtitles))]
    turns = _turns(call.with_suffix(".rttm"), call.name)
    out.append(Clip("call", "call", _read(call.with_suffix(".flac")), turns, reference_words(transcript)))
    for path in sorted((speech / "meetings").glob("*.flac")):
        out.append(Clip("meetings", path.stem, _read(path), _turns(path.with_name("reference.rttm"), path.stem)))
    for path in sorted((speech / "read").glob("*.flac")):
        text = path.with_suffix(".txt")
        out.append(Clip("read", path.stem, _read(path), reference=reference_words(text) if text.exists() else None))
    out += [Clip("librispeech", path.stem, _read(path)) for path in sorted((speech / "librispeech").glob("*.flac"))]
    return out


def measure(clip: Clip, config: Config, recogniser: Recogniser | None, *, talkative: bool = False) -> Figures:
    """The figures of one recording."""
    ears = Ears(config, SAMPLE_RATE_HZ)
    items = [*ears.feed(Block(clip.samples, 0.0)), *ears.flush()]
    utterances = [item for item in items if isinstance(item, Utterance)]
    spoken = clip.spoken
    inside = _mask([(u.start_s, u.end_s) for u in utterances], len(spoken))
    figures = Figures(
        files=1,
        spoken=int(spoken.sum()),
        spoken_inside=int(inside[spoken].sum()),
        rest=int((~spoken).sum()),
        rest_inside=int(inside[~spoken].sum()),
        utterances=len(utterances),
        forced=sum(u.forced_cut for u in utterances),
        waits_ms=_waits_ms(utterances, clip.samples),
    )
    if recogniser is None:
        return figures
    whole = recogniser.whole(clip.samples)
    whole_words = words("".join(word for word, _, _ in whole))
    texts = [recogniser.text(u.samples) for u in utterances]
    heard = words(" ".join(texts))
    active = active_frames(clip.samples)
    cut = [_inside_a_word(u, whole, active) for u in utterances]
    figures.cut = sum(cut)
    figures.whole_words = len(whole_words)
    against_whole = edits(whole_words, heard)
    figures.errors, figures.lost = against_whole.all, against_whole.lost
    if clip.reference is not None:
        figures.said = len(clip.reference)
        figures.wrong = edits(clip.reference, heard).all
        figures.whole_wrong = edits(clip.reference, whole_words).all
    if talkative:
        print(clip.group, clip.name, f"errors {figures.errors} lost {figures.lost}")
        print("  whole:", "".join(word for word, _, _ in whole).strip())
        for u, text, inside_a_word in zip(utterances, texts, cut, strict=True):
            mark = " cut" if inside_a_word else ""
            print(f"  {u.start_s:6.2f} {u.end_s:6.2f} {u.decided_s:6.2f}{mark}: {text}")
    return figures


def table(groups: dict[str, Figures]) -> list[str]:
    """The figures as lines."""
    both = Figures()
    for figures in groups.values():
        both.add(figures)
    lines = [
        f"{'':12}{'files':>6}{'in':>7}{'rest':>6}{'n':>5}{'long':>5}{'cut':>5}{'wait p50 / p95 ms':>19}"
        f"{'words':>7}{'lost':>6}{'errors':>8}{'wer':>7}{'whole':>7}"
    ]
    for name, f in [*groups.items(), ("all", both)]:
        waits = percentiles(f.waits_ms) if f.waits_ms else {"p50": 0.0, "p95": 0.0}
        known = f"{f.wrong / f.said:7.3f}{f.whole_wrong / f.said:7.3f}" if f.said and name != "all" else ""
        lines.append(
            f"{name:12}{f.files:6}{f.spoken_inside / f.spoken:7.3f}{f.rest_inside / max(1, f.rest):6.3f}"
            f"{f.utterances:5}{f.forced:5}{f.cut:5}{waits['p50']:12.0f} /{waits['p95']:5.0f}"
            f"{f.whole_words:7}{f.lost:6}{f.errors:8}{known}"
        )
    return lines


def _waits_ms(utterances: Sequence[Utterance], samples: np.ndarray) -> list[float]:
    active = active_frames(samples)
    out = []
    for u in utterances:
        if u.forced_cut or u.decided_s > len(samples) / SAMPLE_RATE_HZ - 0.05:
            continue
        begin, end = round(u.start_s * 100), round(min(u.end_s + _RELEASE_S, u.decided_s) * 100)
        frames = np.flatnonzero(active[begin:end])
        if len(frames):
            out.append(1000 * (u.decided_s - (begin + int(frames[-1]) + 1) / 100))
    return out


def _inside_a_word(u: Utterance, whole: Words, active: np.ndarray) -> bool:
    """Whether it begins or ends where a word of the whole file still sounds on both sides.

    Whisper draws words out over the pauses beside them, so a word counts only with its active frames.
    """
    for at in (round(u.start_s * 100), round(u.end_s * 100)):
        for _, start_s, end_s in whole:
            begin, end = round(start_s * 100), round(end_s * 100)
            if begin < at < end and min(active[begin:at].sum(), active[at:end].sum()) > _INSIDE_FRAMES:
                return True
    return False


def _mask(turns: Turns, frames: int) -> np.ndarray:
    mask = np.zeros(frames, bool)
    for start_s, end_s in turns:
        mask[round(start_s * 100) : round(end_s * 100)] = True
    return mask


def _turns(rttm: Path, name: str) -> Turns:
    rows = [line.split() for line in rttm.read_text("utf-8").splitlines()]
    return [(float(row[3]), float(row[3]) + float(row[4])) for row in rows if row and row[1] == name]


def _read(path: Path) -> np.ndarray:
    return read_samples(path, SAMPLE_RATE_HZ)


if __name__ == "__main__":
    sys.exit(main())
