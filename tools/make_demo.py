"""Speaks the demo: an original conversation of two people, made by flite and sox -> livemerc/demo/demo.{flac,vtt}.

    python tools/make_demo.py [--check]

Needs flite (with the voices slt and rms) and sox. Deterministic: the same versions give the same samples; the checksum
of the samples is printed. `--check` transcribes each turn with the Whisper that ships and prints the word error.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np

RATE_HZ = 16_000
SEED = 20
VOICES = {"Anna": "slt", "Ben": "rms"}
LEVEL_DBFS = -22.0  # RMS of a neutral turn
ROOM_DBFS = -66.0  # low room noise: exact digital silence occurs in no room
PAUSE_S = (0.70, 0.90)  # between turns: longer than the hangover of the endpointing
BREATH_S = 0.08  # between the sentences of a turn: flite trails off, the voice itself pauses ~0.2 s
FOLDER = Path(__file__).resolve().parent.parent / "livemerc" / "demo"


class Prosody(NamedTuple):
    """Mild, so that a recogniser still understands it."""

    pitch_cents: int
    tempo: float
    gain_db: float


PROSODY = {
    "neutral": Prosody(0, 1.00, 0.0),
    "joy": Prosody(120, 1.04, 2.0),
    "surprise": Prosody(160, 1.02, 2.5),
    "fear": Prosody(80, 1.05, -2.0),
    "anger": Prosody(-40, 1.05, 5.0),
    "disgust": Prosody(-90, 0.97, 1.0),
    "sadness": Prosody(-110, 0.93, -4.0),
}


class Turn(NamedTuple):
    speaker: str
    emotion: str  # of the prosody; what the monitor says is its own business
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


DIALOGUE = (
    Turn("Anna", "neutral", ("Good morning.", "I am making coffee in the kitchen.")),
    Turn("Ben", "neutral", ("Good morning.", "My train leaves at eleven today.")),
    Turn("Anna", "joy", ("I have wonderful news!", "They gave me the job!")),
    Turn("Ben", "surprise", ("Oh my god!", "Are you serious?", "I can't believe it!")),
    Turn("Anna", "joy", ("Yes!", "I am so happy.", "This is the best day of my life!")),
    Turn("Ben", "joy", ("That is wonderful!", "I am so proud of you.")),
    Turn("Anna", "neutral", ("There is a letter for you on the table.",)),
    Turn("Ben", "fear", ("I am afraid to open it.", "What if something terrible happened?")),
    Turn("Anna", "fear", ("You are scaring me.", "I am really worried about this.")),
    Turn("Ben", "surprise", ("Wait, what?", "The bank has taken all of our money!")),
    Turn("Anna", "anger", ("That makes me so angry!", "How dare they do this to us!")),
    Turn("Ben", "anger", ("I hate them!", "They lied to us again and again!")),
    Turn("Anna", "disgust", ("It is disgusting.", "Those people make me sick.")),
    Turn("Ben", "disgust", ("This whole business is disgusting.", "It smells like rotten fish.")),
    Turn("Anna", "sadness", ("This is so sad.", "My father worked so hard for that money.")),
    Turn("Ben", "sadness", ("I feel like crying when I think of him.",)),
    Turn("Anna", "neutral", ("We will talk to the bank on Monday.",)),
    Turn("Ben", "surprise", ("Oh my god!", "They say it was all a mistake!")),
    Turn("Anna", "joy", ("That is wonderful news!", "I am so happy!")),
    Turn("Ben", "joy", ("That is great!", "I love you.", "Let us have a party tonight!")),
)


def main(arguments: list[str]) -> int:
    """Writes both files; returns an exit code."""
    samples, cues = build()
    FOLDER.mkdir(parents=True, exist_ok=True)
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "demo.wav"
        write_wav(wav, pcm)
        # -D: no dither, its noise is random
        subprocess.run(["sox", "-D", wav, "-C", "8", FOLDER / "demo.flac"], check=True)
    (FOLDER / "demo.vtt").write_text(webvtt(cues), encoding="utf-8")
    print(f"{len(DIALOGUE)} turns, {len(pcm) / RATE_HZ:.1f} s, {(FOLDER / 'demo.flac').stat().st_size} bytes")
    print(f"sha256 of the samples: {hashlib.sha256(pcm.tobytes()).hexdigest()}")
    if "--check" in arguments:
        check(pcm, cues)
    return 0


def build() -> tuple[np.ndarray, list[tuple[float, float, Turn]]]:
    """The samples and (start_s, end_s, turn) of each turn."""
    rng = np.random.default_rng(SEED)
    parts = [np.zeros(round(0.8 * RATE_HZ))]
    cues = []
    at = len(parts[0])
    for turn in DIALOGUE:
        voice = speak(turn)
        cues.append((at / RATE_HZ, (at + len(voice)) / RATE_HZ, turn))
        pause = np.zeros(round(rng.uniform(*PAUSE_S) * RATE_HZ))
        parts += [voice, pause]
        at += len(voice) + len(pause)
    parts.append(np.zeros(round(0.4 * RATE_HZ)))
    samples = np.concatenate(parts)
    return samples + room_noise(len(samples), rng), cues


def speak(turn: Turn) -> np.ndarray:
    """One turn: its sentences trimmed, brought to a level by emotion and joined with short breaths."""
    prosody = PROSODY[turn.emotion]
    breath = np.zeros(round(BREATH_S * RATE_HZ))
    parts: list[np.ndarray] = []
    with tempfile.TemporaryDirectory() as folder:
        spoken, shaped = Path(folder) / "spoken.wav", Path(folder) / "shaped.wav"
        for sentence in turn.sentences:
            subprocess.run(["flite", "-voice", VOICES[turn.speaker], "-t", sentence, "-o", spoken], check=True)
            effects = ["pitch", str(prosody.pitch_cents), "tempo", "-s", str(prosody.tempo), "rate", str(RATE_HZ)]
            subprocess.run(["sox", "-D", spoken, "-b", "16", shaped, "gain", "-6", *effects], check=True)
            parts += [trim(read_wav(shaped)), breath]
    voice = np.concatenate(parts[:-1])
    loudness = np.sqrt(np.mean(voice[np.abs(voice) > 1e-3] ** 2))
    voice = voice * (10 ** ((LEVEL_DBFS + prosody.gain_db) / 20) / loudness)
    return np.clip(voice, -0.95, 0.95)


def trim(samples: np.ndarray, margin_s: float = 0.02) -> np.ndarray:
    """Without the silence at either end (-38 dB under the peak)."""
    loud = np.flatnonzero(np.abs(samples) > np.max(np.abs(samples)) * 10 ** (-38 / 20))
    margin = round(margin_s * RATE_HZ)
    return samples[max(0, loud[0] - margin) : loud[-1] + margin]


def room_noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """Noise that falls by 3 dB an octave, like a quiet room."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 50.0))
    noise = np.fft.irfft(spectrum, count)
    return noise * (10 ** (ROOM_DBFS / 20) / np.sqrt(np.mean(noise**2)))


def read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32768.0


def write_wav(path: Path, pcm: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm.tobytes())


def webvtt(cues: list[tuple[float, float, Turn]]) -> str:
    """The transcript with `<v Speaker>` cues."""
    lines = ["WEBVTT", ""]
    for start_s, end_s, turn in cues:
        lines += [f"{clock(start_s)} --> {clock(end_s)}", f"<v {turn.speaker}>{turn.text}", ""]
    return "\n".join(lines)


def clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


def check(pcm: np.ndarray, cues: list[tuple[float, float, Turn]]) -> None:
    """Prints what the Whisper that ships hears in each turn, and the word error over all."""
    import re

    import jiwer

    from livemerc.asr.faster_whisper_engine import FasterWhisperEngine
    from livemerc.asr.models import BUNDLED
    from livemerc.config import AsrConfig
    from livemerc.notation import words

    engine = FasterWhisperEngine(BUNDLED, AsrConfig(), device="cpu")
    samples = pcm.astype(np.float32) / 32767
    references, hypotheses = [], []
    for start_s, end_s, turn in cues:
        stretch = samples[round((start_s - 0.3) * RATE_HZ) : round((end_s + 0.4) * RATE_HZ)]
        references.append(" ".join(re.sub(r"[^a-z' ]", " ", turn.text.lower()).split()))
        hypotheses.append(" ".join(words(engine.partial(stretch))))
        error = jiwer.wer(references[-1], hypotheses[-1])
        print(f"{error:5.2f}  {turn.emotion:8}  {references[-1]}" + (f"  ->  {hypotheses[-1]}" if error else ""))
    print(f"word error {jiwer.wer(references, hypotheses):.3f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
