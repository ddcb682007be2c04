"""`livemerc bench vad`: how much noise the ears take for speech, and how much speech they miss in it."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livemerc.audio.ears import Ears
from livemerc.audio.items import Utterance
from livemerc.audio.source import Block
from livemerc.bench.measuring import DEMO, machine
from livemerc.bench.noise import NOISES, babble
from livemerc.config import SAMPLE_RATE_HZ, Config, load_config
from livemerc.errors import InputError

SUFFIXES = {".flac", ".wav", ".ogg", ".opus", ".mp3", ".m4a"}
LEVELS_DBFS = (-60.0, -45.0, -30.0)
SNRS_DB = (20.0, 10.0, 5.0, 0.0)
SPEECH_DBFS = -26.0
"""Active level of the speech, the usual one of telephone tests (ITU-T P.830: 26 dB below overload)."""
PAUSE_S = 1.6
"""Between two recordings: longer than any hangover."""
COLLAR_S = 0.25
"""What is heard this near to reference speech is not counted as false: breath, reverberation, release."""
_FRAME = SAMPLE_RATE_HZ // 100


def main(folders: Sequence[Path] = (), quick: bool = False, json: bool = False) -> int:
    """Measures the user's settings and both detectors, and prints a table or one JSON object."""
    figures = measure(folders, quick=quick)
    if json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    else:
        print("\n".join(table(figures)))
    return 0


def measure(
    folders: Sequence[Path] = (), quick: bool = False, variants: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """False speech in noise alone and missed speech in noise, for each of `variants` (a name -> settings to override).

    Clips are chosen and noises made from fixed seeds, so that two machines measure the same audio.
    """
    config = load_config()
    if variants is None:
        variants = {f"{engine}": {"vad.engine": engine} for engine in ("webrtc", "silero")}
    configs = {name: load_config(overrides=dict(overrides)) for name, overrides in variants.items()}
    clips, voices = read_clips(folders, 40.0 if quick else 240.0)
    noises = make_noises(30.0 if quick else 120.0, voices)
    track, reference = lay_out(clips)
    levels, snrs = (LEVELS_DBFS[1:2], SNRS_DB[1:2]) if quick else (LEVELS_DBFS, SNRS_DB)
    rows: list[dict[str, Any]] = []
    for name, settings in configs.items():
        silence = np.zeros(len(noises["room"]), np.float32)
        rows.append({"vad": name, "noise": "silence", "level_dbfs": None} | false_speech(settings, silence))
        for noise, samples in noises.items():
            for level_dbfs in levels:
                scaled = (samples * 10 ** (level_dbfs / 20)).astype(np.float32)
                rows.append({"vad": name, "noise": noise, "level_dbfs": level_dbfs} | false_speech(settings, scaled))
        rows.append({"vad": name, "noise": "none", "snr_db": None} | missed_speech(settings, track, reference))
        for noise, samples in noises.items():
            repeated = np.resize(samples, len(track))
            for snr_db in snrs:
                mixed = track + repeated * 10 ** ((SPEECH_DBFS - snr_db) / 20)
                found = missed_speech(settings, mixed.astype(np.float32), reference)
                rows.append({"vad": name, "noise": noise, "snr_db": snr_db} | found)
    return {
        "machine": machine(),
        "configured": config.vad.engine,
        "clips": len(clips),
        "speech_s": float(reference.sum()) * _FRAME / SAMPLE_RATE_HZ,
        "noise_s": len(noises["room"]) / SAMPLE_RATE_HZ,
        "rows": rows,
    }


def false_speech(config: Config, noise: np.ndarray) -> dict[str, float]:
    """Noise alone from the first sample on: seconds of utterances, and utterances, an hour."""
    heard = hear(config, noise)
    hours = len(noise) / SAMPLE_RATE_HZ / 3600
    return {"false_s_per_h": float(heard.mask.mean()) * 3600, "false_utterances_per_h": heard.utterances / hours}


def missed_speech(config: Config, samples: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Share of the reference speech that is in no utterance, and what is heard more than a collar away from it.

    samples: (n,) float32; reference: (n // 160,) bool, one entry for 10 ms.
    """
    heard = hear(config, samples)
    mask = heard.mask[: len(reference)]
    width = round(COLLAR_S * SAMPLE_RATE_HZ / _FRAME)
    near = np.convolve(reference, np.ones(2 * width + 1), mode="same") > 0
    away = ~near
    return {
        "missed_percent": 100.0 * float((~mask[reference]).mean()) if reference.any() else 0.0,
        "false_s_per_h": 3600.0 * float(mask[away].mean()) if away.any() else 0.0,
        "utterances": float(heard.utterances),
    }


class Heard:
    """What the ears made of some audio: `mask` (n // 160,) bool, the voiced stretches of its utterances."""

    def __init__(self, mask: np.ndarray, utterances: int) -> None:
        self.mask = mask
        self.utterances = utterances


def hear(config: Config, samples: np.ndarray) -> Heard:
    """The whole cascade: detector, floor gate, endpointing. samples: (n,) float32 at 16 kHz."""
    ears = Ears(config, SAMPLE_RATE_HZ)
    second = SAMPLE_RATE_HZ
    mask = np.zeros(-(-len(samples) // _FRAME), bool)
    count = 0
    pieces = [ears.feed(Block(samples[at : at + second], at / second)) for at in range(0, len(samples), second)]
    for item in (item for items in [*pieces, ears.flush()] for item in items):
        if isinstance(item, Utterance):
            count += 1
            mask[round(item.start_s * 100) : round(item.end_s * 100)] = True
    return Heard(mask, count)


def read_clips(folders: Sequence[Path], seconds: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(recordings to be found, about `seconds` of them; other recordings for the babble), (n,) float32 at 16 kHz.

    The files of all folders are drawn in a fixed random order, each scaled to an active level of `SPEECH_DBFS`.
    Raises `InputError` where a folder holds no audio.
    """
    from livemerc.audio.read import read_samples

    files: list[Path] = []
    for folder in folders:
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not found:
            raise InputError(
                f"{folder}: no recordings in this folder; give one with flac, wav, ogg, opus or mp3 files."
            )
        files += found
    if not files:
        demo = read_samples(DEMO, SAMPLE_RATE_HZ)
        cuts = range(0, len(demo) - 4 * SAMPLE_RATE_HZ, 8 * SAMPLE_RATE_HZ)
        pieces = [at_level(demo[at : at + 8 * SAMPLE_RATE_HZ]) for at in cuts]
        return pieces[: len(pieces) // 2 + 1], pieces[len(pieces) // 2 + 1 :]
    order = np.random.default_rng(0).permutation(len(files))
    clips: list[np.ndarray] = []
    voices: list[np.ndarray] = []
    for i in order:
        chosen = clips if sum(map(len, clips)) < seconds * SAMPLE_RATE_HZ else voices
        chosen.append(at_level(read_samples(files[i], SAMPLE_RATE_HZ)))
        if sum(map(len, voices)) > seconds / 2 * SAMPLE_RATE_HZ:
            break
    return clips, voices or clips


def at_level(samples: np.ndarray) -> np.ndarray:
    """Scaled to an active speech level of `SPEECH_DBFS`."""
    active = samples[np.repeat(active_frames(samples), _FRAME)[: len(samples)]]
    rms = float(np.sqrt(np.mean(np.square(active, dtype=np.float64)))) if len(active) else 0.0
    return samples * (10 ** (SPEECH_DBFS / 20) / rms) if rms > 0 else samples


def active_frames(samples: np.ndarray) -> np.ndarray:
    """Where a clean recording holds speech, (ceil(n / 160),) bool: the reference, which knows nothing of the detectors.

    The idea of ITU-T P.56, method B: an envelope (20 ms) within 15.9 dB of the active level, which is found by
    iteration, held for 200 ms. Louder than -55 dBFS in any case.
    """
    frames = -(-len(samples) // _FRAME)
    padded = np.zeros(frames * _FRAME)
    padded[: len(samples)] = samples
    power = np.square(padded).reshape(frames, _FRAME).mean(axis=1)
    smooth = np.convolve(power, np.ones(2) / 2, mode="same")
    level = float(power.mean())
    above = smooth > 0
    for _ in range(20):
        above = smooth >= max(level * 10**-1.59, 10**-5.5)
        if not above.any():
            return above
        level = float(power[above].mean())
    return _close_gaps(above, 20)


def _close_gaps(active: np.ndarray, longest: int) -> np.ndarray:
    """Pauses of at most `longest` frames between two active ones count as active."""
    out = active.copy()
    edges = np.flatnonzero(active)
    for before, after in itertools.pairwise(edges):
        if 1 < after - before <= longest + 1:
            out[before:after] = True
    return out


def lay_out(clips: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(track, reference): the clips one after the other with pauses of digital silence; 10 ms entries of speech."""
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE_HZ), np.float32)
    track: list[np.ndarray] = [pause]
    reference: list[np.ndarray] = [np.zeros(len(pause) // _FRAME, bool)]
    for clip in clips:
        whole = clip[: len(clip) - len(clip) % _FRAME]
        track += [whole, pause]
        reference += [active_frames(whole), np.zeros(len(pause) // _FRAME, bool)]
    return np.concatenate(track), np.concatenate(reference)


def make_noises(seconds: float, voices: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Every noise with an RMS of one; each of a seed of its own."""
    count = round(seconds * SAMPLE_RATE_HZ)
    made = {name: make(count, np.random.default_rng(i)) for i, (name, make) in enumerate(NOISES.items())}
    return made | {"babble": babble(count, np.random.default_rng(99), voices)}


def table(f: dict[str, Any]) -> list[str]:
    """The figures as lines: one for a noise, columns of level or SNR, a block for each detector."""
    lines = [f"{f['clips']} recordings, {f['speech_s']:.0f} s of speech; {f['noise_s']:.0f} s of each noise"]
    for name in dict.fromkeys(row["vad"] for row in f["rows"]):
        mine = [row for row in f["rows"] if row["vad"] == name]
        alone = [row for row in mine if "level_dbfs" in row]
        mixed = [row for row in mine if "snr_db" in row]
        levels = sorted({row["level_dbfs"] for row in alone if row["level_dbfs"] is not None})
        snrs = sorted({row["snr_db"] for row in mixed if row["snr_db"] is not None}, reverse=True)
        silence = next(row for row in alone if row["level_dbfs"] is None)
        clean = next(row for row in mixed if row["snr_db"] is None)
        lines += [
            "",
            f"{name}: false speech in noise alone, seconds an hour (utterances); silence {_false(silence)}",
            f"{'':12}" + "".join(f"{f'{level:.0f} dBFS':>14}" for level in levels),
        ]
        for noise in dict.fromkeys(row["noise"] for row in alone if row["level_dbfs"] is not None):
            cells = [_false(row) for level in levels for row in alone if _at(row, noise, "level_dbfs", level)]
            lines.append(f"{noise:12}" + "".join(f"{cell:>14}" for cell in cells))
        lines += [
            f"{name}: missed speech in %, and false seconds an hour; without noise {_missed(clean)}",
            f"{'':12}" + "".join(f"{f'SNR {snr:.0f} dB':>14}" for snr in snrs),
        ]
        for noise in dict.fromkeys(row["noise"] for row in mixed if row["snr_db"] is not None):
            cells = [_missed(row) for snr in snrs for row in mixed if _at(row, noise, "snr_db", snr)]
            lines.append(f"{noise:12}" + "".join(f"{cell:>14}" for cell in cells))
    return lines


def _at(row: dict[str, Any], noise: str, key: str, value: float) -> bool:
    return bool(row["noise"] == noise and row.get(key) == value)


def _false(row: dict[str, Any]) -> str:
    return f"{row['false_s_per_h']:.0f} ({row['false_utterances_per_h']:.0f})"


def _missed(row: dict[str, Any]) -> str:
    return f"{row['missed_percent']:.1f} / {row['false_s_per_h']:.0f}"
