"""What screening lets through: non-speech, foreign speech and real English speech, through the whole chain.

    python tools/measure_screening.py --data ../shared/data [--model FOLDER] [--vad silero|webrtc] [--half held-out]
        [--minutes 60] [--skip MINUTES] [--sets NAME ...] [--figures FILE]

Nothing is played: each set is fed to ears, recogniser, screening and model as fast as they go. Speakers (of noise: the
seed) are halved; the limits of `ScreeningConfig` were chosen on the half `chosen-on`, and `held-out` is reported.
Prints one Markdown row a set. `--figures` writes what the recogniser said of each utterance, one JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

import livemerc
from livemerc.asr.engine import Transcript
from livemerc.asr.faster_whisper_engine import FasterWhisperEngine
from livemerc.asr.screening import voiced_level
from livemerc.audio.ears import Ears
from livemerc.audio.items import Quiet, Utterance
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block
from livemerc.config import SAMPLE_RATE_HZ, Config, load_config
from livemerc.events import EmotionEvent, UtteranceFinal
from livemerc.pipeline.loader import load_processor
from livemerc.pipeline.processor import Processor

BUNDLED_WHISPER = Path(livemerc.__file__).parent / "weights" / "whisper-tiny.en"
ROOM_DBFS = -70.0
PAUSE_S = 1.0  # between clips: longer than the hangover of the endpointing
QUIET_DBFS = -45.0
SURE = 0.6
NOT_SPEECH_MIX = {"bursts": 25, "noise": 10, "music": 15, "keyboard": 5, "tones": 5}
"""Minutes of one hour of non-speech."""

Clips = Iterator[np.ndarray]


# -- sounds that nobody makes with a mouth -----------------------------------------------------------------------------


def _time(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ


def _level(samples: np.ndarray, dbfs: float) -> np.ndarray:
    rms = float(np.sqrt(np.mean(np.square(samples)))) or 1.0
    return np.clip(samples * 10 ** (dbfs / 20) / rms, -1, 1).astype(np.float32)


def make_noise(rng: np.random.Generator) -> np.ndarray:
    """10 to 20 s of coloured noise, steady or in bursts, as a fan, a street or the wind makes it."""
    t = _time(rng.uniform(10, 20))
    spectrum = np.fft.rfft(rng.standard_normal(len(t)))
    hz = np.fft.rfftfreq(len(t), 1 / SAMPLE_RATE_HZ)
    spectrum *= (np.maximum(hz, 50.0) / 1000) ** -rng.uniform(0, 1.2)
    samples = np.fft.irfft(spectrum, len(t))
    if rng.random() < 0.6:
        swell = np.sin(2 * np.pi * rng.uniform(0.1, 3) * t + rng.uniform(0, 6))
        samples = samples * (0.1 + np.clip(swell, 0, 1)) ** rng.uniform(0.5, 2)
    return _level(samples, rng.uniform(-45, -15))


def make_music(rng: np.random.Generator) -> np.ndarray:
    """10 to 20 s of an instrument's tune over chords and, sometimes, drums."""
    seconds = rng.uniform(10, 20)
    out = np.zeros(round(seconds * SAMPLE_RATE_HZ))
    beat_s = 60 / rng.uniform(70, 140)
    root = rng.uniform(90, 260)
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12]) if rng.random() < 0.5 else np.array([0, 2, 3, 5, 7, 8, 10, 12])
    bright, decay, vibrato = rng.uniform(0.5, 2.5), rng.uniform(0.5, 6), rng.uniform(0, 0.01)
    drums = rng.random() < 0.5
    for at_s in np.arange(0, seconds, beat_s):
        for step in [*rng.choice(scale, 1), *(scale[[0, 2, 4]] - 12 if rng.random() < 0.4 else [])]:
            t = _time(beat_s * rng.uniform(0.6, 2))
            hz = root * 2 ** (step / 12) * (1 + vibrato * np.sin(2 * np.pi * 5.5 * t))
            phase = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE_HZ
            tone = sum(np.sin(k * phase) / k**bright for k in range(1, 9)) * np.exp(-decay * t)
            _add(out, tone * np.minimum(1, t / 0.01), at_s)
        if drums:
            t = _time(0.15)
            _add(out, rng.standard_normal(len(t)) * np.exp(-30 * t), at_s)
            _add(out, 2 * np.sin(2 * np.pi * 60 * t) * np.exp(-20 * t), at_s)
    return _level(out, rng.uniform(-35, -15))


def make_keyboard(rng: np.random.Generator) -> np.ndarray:
    """15 s of somebody typing: clicks that ring for some milliseconds, in runs."""
    out = np.zeros(15 * SAMPLE_RATE_HZ)
    at_s = 0.2
    while at_s < 14.5:
        t = _time(0.05)
        ring = np.sin(2 * np.pi * rng.uniform(1500, 5000) * t) + rng.standard_normal(len(t))
        _add(out, ring * np.exp(-t * rng.uniform(60, 300)) * rng.uniform(0.3, 1), at_s)
        at_s += rng.uniform(0.06, 0.25) if rng.random() < 0.9 else rng.uniform(0.5, 2)
    return _level(out, rng.uniform(-40, -22))


def make_tones(rng: np.random.Generator) -> np.ndarray:
    """10 s of a telephone: DTMF digits, a dial tone, a busy line, or beeps."""
    kind = rng.integers(4)
    out = np.zeros(10 * SAMPLE_RATE_HZ)
    if kind == 0:
        rows, columns = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
        for at_s in np.arange(0.2, 9.5, rng.uniform(0.15, 0.5)):
            t = _time(0.12)
            _add(out, np.sin(2 * np.pi * rng.choice(rows) * t) + np.sin(2 * np.pi * rng.choice(columns) * t), at_s)
    else:
        t = _time(10)
        low = (350, 480, rng.uniform(300, 2000))[kind - 1]
        high = (440, 620, rng.uniform(300, 2000))[kind - 1]
        out = np.sin(2 * np.pi * low * t) + np.sin(2 * np.pi * high * t)
        if kind > 1:
            out = out * (np.sin(2 * np.pi * t * rng.uniform(0.5, 2)) > 0)
    return _level(out, rng.uniform(-35, -15))


def _add(out: np.ndarray, sound: np.ndarray, at_s: float) -> None:
    start = round(at_s * SAMPLE_RATE_HZ)
    end = min(len(out), start + len(sound))
    out[start:end] += sound[: end - start]


# -- sets --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sound:
    """What a set is: not speech, English or another language, and where its clips come from."""

    kind: str
    clips: Callable[[Path, int], Clips]
    """By the folder of the data and the half, 0 or 1; without end, or as long as there are clips."""


def _made(make: Callable[[np.random.Generator], np.ndarray]) -> Callable[[Path, int], Clips]:
    def clips(_: Path, half: int) -> Clips:
        rng = np.random.default_rng([half, zlib.crc32(make.__name__.encode())])
        while True:
            yield make(rng)

    return clips


def _files(
    pattern: str, speaker: Callable[[str], str], most: int = 10_000, dbfs: float | None = None
) -> Callable[[Path, int], Clips]:
    """Clips of half of the speakers, shuffled by name; scaled to `dbfs` where it is given."""

    def clips(data: Path, half: int) -> Clips:
        paths = sorted(data.glob(pattern), key=lambda path: zlib.crc32(path.name.encode()))
        mine = [path for path in paths if zlib.crc32(speaker(path.name).encode()) % 2 == half]
        for path in mine[:most]:
            samples = read_samples(path, SAMPLE_RATE_HZ)
            yield samples if dbfs is None else _level(samples, dbfs)

    return clips


SETS = {
    "bursts": Sound("not speech", _files("emogator/*.opus", lambda name: name.split("-")[0])),
    "noise": Sound("not speech", _made(make_noise)),
    "music": Sound("not speech", _made(make_music)),
    "keyboard": Sound("not speech", _made(make_keyboard)),
    "tones": Sound("not speech", _made(make_tones)),
    "read": Sound("English", _files("speech/read/*.flac", str)),
    "librispeech": Sound("English", _files("speech/librispeech/*.flac", lambda name: name.split("-")[0])),
    "readers": Sound("English", _files("readers/*.opus", lambda name: name.split("-")[0], 40)),
    "acted": Sound("English", _files("ravdess/*.flac", lambda name: name[-7:-5], 60)),
    "call": Sound("English", _files("speech/call/*.flac", str)),
    "meetings": Sound("English", _files("speech/meetings/*.flac", str)),
    "quiet": Sound("English", _files("speech/librispeech/*.flac", lambda name: name.split("-")[0], 30, QUIET_DBFS - 5)),
    "Polish": Sound("foreign", _files("nemo/*.opus", lambda name: name.split("_")[0], 100)),
    "German": Sound("foreign", _files("emodb/*.opus", lambda name: name[:2], 40)),
    "Italian": Sound("foreign", _files("emovo/*.opus", lambda name: name.split("-")[1], 40)),
    "Korean": Sound("foreign", _files("emotiontts/*.opus", lambda name: name[:3], 40)),
    "Amharic": Sound("foreign", _files("ased/*.opus", lambda name: name.split("-")[-1], 40)),
}


def stream(clips: Clips, minutes: float, seed: int, skip_minutes: float = 0.0) -> Clips:
    """Clips with the room's noise between them, from `skip_minutes` on, until there are so many minutes."""
    rng = np.random.default_rng(seed)
    left = round(minutes * 60 * SAMPLE_RATE_HZ)
    skip = round(skip_minutes * 60 * SAMPLE_RATE_HZ)
    for clip in clips:
        if skip > 0:
            skip -= len(clip) + round(PAUSE_S * SAMPLE_RATE_HZ)
            continue
        if left <= 0:
            return
        for samples in (clip, np.zeros(round(PAUSE_S * SAMPLE_RATE_HZ), np.float32)):
            room = rng.standard_normal(len(samples)).astype(np.float32) * 10 ** (ROOM_DBFS / 20)
            yield samples + room
            left -= len(samples)


# -- measuring ---------------------------------------------------------------------------------------------------------


class Noted:
    """A recogniser that remembers what it said before it was screened."""

    repeatable = True

    def __init__(self, engine: FasterWhisperEngine) -> None:
        self.engine = engine.engine
        self.model = engine.model
        self._engine = engine
        self.last: tuple[Utterance, Transcript] | None = None

    def transcribe(self, utterance: Utterance) -> Transcript:
        transcript = self._engine.transcribe(utterance)
        self.last = utterance, transcript
        return transcript

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None:
        self._engine.close()


@dataclass(slots=True)
class Tally:
    """What became of the utterances of one set."""

    audio_s: float = 0.0
    utterances: int = 0
    texts: int = 0  # that reached the text branch
    labels: int = 0
    sure_labels: int = 0
    gated: Counter[str] = field(default_factory=Counter)
    passed: list[str] = field(default_factory=list)

    def row(self, name: str) -> str:
        why = ", ".join(f"{reason} {n}" for reason, n in self.gated.most_common())
        return (
            f"| {name} | {self.audio_s / 60:.1f} | {self.utterances} | {self.texts} | {self.labels} "
            f"| {self.sure_labels} | {why} |"
        )


HEADER = "| set | minutes | utterances | texts judged | labels | of .6 or more | gated |\n" + "| --- " * 7 + "|"


def measure(processor: Processor, noted: Noted, config: Config, chunks: Clips, note: Callable[[dict], None]) -> Tally:
    """One session of `chunks`; `note` gets what the recogniser said of each utterance, and what came of it."""
    ears, tally, t_s = Ears(config, SAMPLE_RATE_HZ), Tally(), 0.0
    processor.begin_dialogue()

    def judge(items: list) -> None:
        for item in items:
            noted.last = None
            events = list(processor.handle(item))
            for event in events:
                if isinstance(event, UtteranceFinal):
                    tally.utterances += 1
                    tally.texts += event.asr.gated is None
                    tally.gated[event.asr.gated or "none"] += 1
                    if event.asr.gated is None:
                        tally.passed.append(event.text)
            first = next((e for e in events if isinstance(e, EmotionEvent) and e.status == "provisional"), None)
            for event in events:
                if isinstance(event, EmotionEvent) and event.status == "frozen":
                    count(event)
            if noted.last is not None:
                utterance, transcript = noted.last
                voiced_s, level_dbfs = voiced_level(utterance)
                gated = next(e.asr.gated for e in events if isinstance(e, UtteranceFinal))
                note(
                    {"voiced_s": voiced_s, "level_dbfs": level_dbfs, "gated": gated}
                    | {k: v for k, v in asdict(transcript).items() if k not in ("words", "encoding", "gated")}
                    | ({} if first is None else {"confidence_label": first.confidence, "abstained": first.abstained})
                )  # fmt: skip

    def count(event: EmotionEvent) -> None:
        tally.labels += event.abstained is None
        tally.sure_labels += event.abstained is None and event.confidence >= SURE

    for chunk in chunks:
        judge(ears.feed(Block(chunk, t_s)))
        t_s += len(chunk) / SAMPLE_RATE_HZ
    judge(ears.flush())
    judge([Quiet(t_s)])
    tally.audio_s = t_s
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", help="folder of a Whisper; default: the one that ships")
    parser.add_argument("--vad", choices=["silero", "webrtc"], default="silero")
    parser.add_argument("--window", choices=["adaptive", "full"], default="adaptive")
    parser.add_argument("--half", choices=["chosen-on", "held-out"], default="held-out")
    parser.add_argument("--minutes", type=float, default=60.0, help="of non-speech in all")
    parser.add_argument("--skip", type=float, default=0.0, help="minutes of each set to leave out at its beginning")
    parser.add_argument("--sets", nargs="*", choices=list(SETS), default=list(SETS))
    parser.add_argument("--figures", type=Path)
    options = parser.parse_args()
    overrides = {"vad.engine": options.vad, "asr.window": options.window, "model.device": "cpu"}
    config = load_config(overrides=overrides, environ={})
    folder = Path(options.model) if options.model else BUNDLED_WHISPER
    noted = Noted(FasterWhisperEngine(folder, config.asr, device="cpu", name=folder.name))
    processor = load_processor(config, lambda: noted)
    half = ("chosen-on", "held-out").index(options.half)
    print(f"{folder.name}, {options.vad}, window {options.window}, half {options.half}\n\n{HEADER}", flush=True)
    lines = options.figures.open("w") if options.figures else None
    for name in options.sets:
        sound = SETS[name]
        minutes = options.minutes * NOT_SPEECH_MIX[name] / 60 if name in NOT_SPEECH_MIX else 1e6

        def note(figures: dict, name: str = name, kind: str = sound.kind) -> None:
            if lines is not None:
                lines.write(json.dumps({"set": name, "kind": kind} | figures) + "\n")
                lines.flush()

        tally = measure(
            processor, noted, config, stream(sound.clips(options.data, half), minutes, half, options.skip), note
        )
        print(tally.row(name), flush=True)
    processor.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
