"""Centre, scale and limits of an embedder, measured on readers: `livemerc-train measure-embedder`.

GE2E's were tuned on conversations (trainer/LOG.md), and nobody can do that again for every network. So the same
figures are taken of GE2E and of the other on the same clips, and what was tuned is carried over by how these compare:
a limit that is a squared distance grows as such distances do. The centre alone is measured outright. GE2E measured
against itself gives what ships.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from livemerc import __version__
from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ConfigError, InputError
from livemerc.speakers.choose import mend_of
from livemerc.speakers.embedder import SpeakerEmbedder, without_pauses
from livemerc.speakers.ge2e import LIMITS, Ge2eEmbedder
from livemerc.speakers.models import GE2E, file_of
from livemerc.speakers.names import NEAR
from livemerc.speakers.scale import EmbedderScale, Limits, digest_of, own_file
from livemerc.speakers.turns import COARSE_STEPS, LEAST_WINDOWS, STEP_S, WINDOW_S
from livemerc.speakers.voiceprints import now
from livemerc.speakers.wespeaker import WespeakerEmbedder, WespeakerNetwork
from trainer.corpora.voices import read_clips
from trainer.loop.progress import Progress
from trainer.loop.saving import save_json

LEAST_VOICES, LEAST_PIECES = 8, 3
MANY_VOICES = 40
"""From fewer the directions are rather those of the voices that there are."""
PIECE_S = 4.0
"""Of the utterances that a reader's clips are cut into; shorter clips are one."""
LEAST_PIECE_S = 1.6
MOST_PIECES = 8
"""Of a voice: more of the same voices makes nothing surer."""
_SIDE_S = 3.0
"""Of each half of the utterances that a border is sought in."""
_TAIL = 0.05
"""Share of utterances with two voices that lie below a level, and of those with one that lie above."""
_AUDIO = {".flac", ".wav", ".opus", ".ogg", ".mp3", ".m4a"}

Voices = Mapping[str, Sequence[np.ndarray]]
"""By speaker: pieces, (n,) float32 at 16 kHz each."""


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What was measured of an embedder, in squared distances between embeddings of length 1.

    `within`: of an utterance from its speaker's mean; `between`: of speakers' means from the centre; `directions`: in
    how many embeddings vary, (sum of the covariance's eigenvalues)^2 over the sum of their squares. `strays`, `coarse`:
    the level above which all but `_TAIL` of utterances with two voices lie, of the least alike windows and of what a
    border explains in a coarse course. `part`: between that level of a whole course and the one below which all but
    `_TAIL` of one voice's lie. `own_near`, `others_near`: the shares of utterances that are as near to the mean of
    their own speaker's others, and to another speaker's, as an enrolled voice must be to be named.
    """

    centre: np.ndarray
    within: float
    between: float
    directions: float
    strays: float
    coarse: float
    part: float
    own_near: float
    others_near: float


def run(asked: str, data: Path, corpora: Sequence[str], out: Path | None) -> tuple[Path, list[str]]:
    """Measures the network that `asked` names (as `speakers.embedder` does) and writes its scale: to `out`, None = the
    user's data folder, where it is found. `corpora`: of `data`; none = it holds a folder a reader, with audio in it.

    Returns the file and a table. Raises `ModelError`, the readers' `InputError`, `ConfigError`, and `LivemercError`
    where the file cannot be written.
    """
    if asked == GE2E:
        raise ConfigError(
            "GE2E's scale ships with it; name another embedder: speaker, speaker-campplus or an ONNX file."
        )
    file = file_of(asked)
    sha256 = digest_of(file)
    embedder = unscaled(file, mend_of(asked, file))
    voices = read_voices(data, corpora)
    ge2e = Ge2eEmbedder()
    of_ge2e, own = (measure(one, voices, name) for one, name in ((ge2e, "GE2E"), (embedder, file.stem)))
    scale, limits = carried_over(own, of_ge2e, ge2e.scale, LIMITS)
    found = EmbedderScale(
        sha256=sha256,
        centre=[float(value) for value in own.centre],
        scale=scale,
        limits=limits,
        voices=len(voices),
        clips=sum(map(len, voices.values())),
        corpus=", ".join(corpora) or data.resolve().name,
        measured_at=now(),
        version=__version__,
    )
    path = out or own_file(sha256)
    save_json(msgspec.to_builtins(found), path)
    rows = [*_rows("GE2E", of_ge2e, ge2e.scale, LIMITS), *_rows(file.stem, own, scale, limits)]
    if len(voices) < MANY_VOICES:
        rows.append(f"{len(voices)} voices are few: directions come out too alike; {MANY_VOICES} and more are better")
    return path, rows


def unscaled(file: Path, mend: str) -> WespeakerEmbedder:
    """Of which nothing is known yet. Raises `ModelError`."""
    width = WespeakerNetwork(file, mend).width
    blank = EmbedderScale(
        sha256="",
        centre=[0.0] * width,
        scale=1.0,
        limits=LIMITS,
        voices=0,
        clips=0,
        corpus="",
        measured_at="",
        version="",
    )
    return WespeakerEmbedder(file, blank, mend)


def read_voices(data: Path, corpora: Sequence[str]) -> dict[str, list[np.ndarray]]:
    """Pieces of everybody who has enough of them. Raises `InputError` where too few have."""
    paths: dict[str, dict[Path, None]] = {}
    for corpus in corpora:
        for clip in read_clips(data, corpus):
            paths.setdefault(f"{corpus}/{clip.speaker}", {})[clip.path] = None
    if not corpora:
        paths = {folder.name: dict.fromkeys(_audio_in(folder)) for folder in _folders(data)}
    found: dict[str, list[np.ndarray]] = {}
    with Progress("reading", 0, len(paths), unit="voice") as progress:
        for number, (name, own) in enumerate(sorted(paths.items()), start=1):
            pieces = [
                piece for path in list(own)[:MOST_PIECES] for piece in _pieces(read_samples(path, SAMPLE_RATE_HZ))
            ]
            if len(pieces) >= LEAST_PIECES:
                found[name] = pieces[:MOST_PIECES]
            progress.update(number)
    if len(found) < LEAST_VOICES:
        raise InputError(
            f"{data}: {len(found)} readers with {LEAST_PIECES} pieces of {LEAST_PIECE_S:g} to {PIECE_S:g} s, and "
            f"{LEAST_VOICES} are needed; give a folder that holds a folder a reader, or name --corpora."
        )
    return found


def _folders(data: Path) -> list[Path]:
    try:
        return sorted(path for path in data.iterdir() if path.is_dir())
    except OSError as error:
        raise InputError(f"{data}: no folder of readers ({error.strerror}); check --data.") from error


def _audio_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _AUDIO and path.is_file())


def _pieces(samples: np.ndarray) -> Iterator[np.ndarray]:
    size, least = round(PIECE_S * SAMPLE_RATE_HZ), LEAST_PIECE_S * SAMPLE_RATE_HZ
    for begin in range(0, len(samples), size):
        piece = samples[begin : begin + size]
        if len(piece) >= least and len(without_pauses(piece)) >= least:
            yield piece


def measure(embedder: SpeakerEmbedder, voices: Voices, title: str) -> Figures:
    """`title`: of the progress. Raises `InputError` where the embedder does not tell these voices apart."""
    of_voices: list[np.ndarray] = []
    one, two = _Borders(), _Borders()
    with Progress(title, 0, len(voices), unit="voice") as progress:
        for number, (before, name) in enumerate(zip([list(voices)[-1], *voices], voices, strict=False), start=1):
            of_voices.append(
                np.stack([embedder.encode(without_pauses(piece)) for piece in voices[name]]).astype(np.float64)
            )
            first, second = (_side(voices[name], at) for at in (0, 1))
            one.hear(embedder, np.concatenate((first, second)))
            two.hear(embedder, np.concatenate((_side(voices[before], 0), first)))
            progress.update(number)
    within, between = spread(of_voices)
    if between <= 0 or within <= 0 or not two.strays:
        raise InputError(
            f"{title}: these voices are no further apart than the utterances of each; give others, or another embedder."
        )
    centre = np.mean([points.mean(0) for points in of_voices], axis=0)
    own_near, others_near = _near(of_voices, centre)
    return Figures(
        centre=centre.astype(np.float32),
        within=within,
        between=between,
        directions=directions(np.concatenate(of_voices)),
        strays=float(np.quantile(two.strays, _TAIL)),
        coarse=float(np.quantile(two.coarse, _TAIL)),
        part=float(np.sqrt(np.quantile(two.whole, _TAIL) * np.quantile(one.whole, 1 - _TAIL))),
        own_near=own_near,
        others_near=others_near,
    )


class _Borders:
    """What is heard of utterances in which a border may be."""

    def __init__(self) -> None:
        self.strays: list[float] = []
        self.coarse: list[float] = []
        self.whole: list[float] = []

    def hear(self, embedder: SpeakerEmbedder, samples: np.ndarray) -> None:
        point = embedder.embed(samples)
        if point is not None and point.strays is not None:
            self.strays.append(point.strays)
        course = embedder.course(samples, WINDOW_S, STEP_S)
        self.coarse.append(explained(course.every(COARSE_STEPS), 1))
        self.whole.append(explained(course.every(1), LEAST_WINDOWS))


def _side(pieces: Sequence[np.ndarray], at: int) -> np.ndarray:
    """As loud as every other: a level is no voice."""
    samples = pieces[at][: round(_SIDE_S * SAMPLE_RATE_HZ)]
    return samples / max(float(np.sqrt(np.square(samples).mean())), 1e-9) * np.float32(0.05)


def spread(of_voices: Sequence[np.ndarray]) -> tuple[float, float]:
    """(n, D) of each voice, n >= 2 -> squared distance within a voice and between voices' means, both unbiased."""
    means = np.stack([points.mean(0) for points in of_voices])
    counts = np.array([len(points) for points in of_voices])
    within = sum(float(np.square(points - points.mean(0)).sum()) for points in of_voices) / float((counts - 1).sum())
    apart = float(np.square(means - means.mean(0)).sum()) / (len(means) - 1)
    return within, apart - within * float((1 / counts).mean())


def directions(points: np.ndarray) -> float:
    """(N, D) -> in how many directions they vary, 1 to min(D, N - 1)."""
    moved = points - points.mean(0)
    products = moved @ moved.T if len(moved) < moved.shape[1] else moved.T @ moved
    return float(np.trace(products) ** 2 / np.square(products).sum())


def explained(course: np.ndarray, least: int) -> float:
    """(N, D), embeddings in order -> by how much the best border, with `least` or more on either side, lessens their
    summed squared distances from the parts' means."""
    sums, count = np.cumsum(course, 0, dtype=np.float64), len(course)
    before = np.arange(1, count)
    left = np.square(sums[:-1]).sum(1) / before
    right = np.square(sums[-1] - sums[:-1]).sum(1) / (count - before)
    gains = left + right - np.square(sums[-1]).sum() / count
    return float(gains[least - 1 : count - least].max())


def _near(of_voices: Sequence[np.ndarray], centre: np.ndarray) -> tuple[float, float]:
    own, others = [], []
    means = [points.mean(0) - centre for points in of_voices]
    for number, points in enumerate(of_voices):
        for row in points:
            rest = (points.sum(0) - row) / (len(points) - 1) - centre
            own.append(_cosine(row - centre, rest))
            others += [_cosine(row - centre, mean) for other, mean in enumerate(means) if other != number]
    return float(np.mean(np.array(own) >= NEAR)), float(np.mean(np.array(others) >= NEAR))


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12)


def carried_over(own: Figures, ge2e: Figures, ge2e_scale: float, tuned: Limits) -> tuple[float, Limits]:
    """GE2E's scale and limits as they would be for the other embedder."""
    directions, within = own.directions / ge2e.directions, own.within / ge2e.within
    return ge2e_scale * float(np.sqrt(directions / within)), Limits(
        between=tuned.between * (own.between / ge2e.between) / within,
        dimensions=tuned.dimensions * directions,
        strays=tuned.strays * own.strays / ge2e.strays,
        part_cost=tuned.part_cost * own.part / ge2e.part,
        coarse_cost=tuned.coarse_cost * own.coarse / ge2e.coarse,
    )


def _rows(title: str, found: Figures, scale: float, limits: Limits) -> list[str]:
    return [
        f"{title}: within {found.within:.3f}, between {found.between:.3f}, directions {found.directions:.1f}; two "
        f"voices from {found.strays:.2f} (windows), {found.coarse:.2f} (coarse course), {found.part:.2f} (border) on",
        f"  scale {scale:.2f}, between {limits.between:.2f}, dimensions {limits.dimensions:.1f}, strays "
        f"{limits.strays:.2f}, coarse cost {limits.coarse_cost:.2f}, part cost {limits.part_cost:.2f}",
        f"  as near as a name asks ({NEAR:g}): {found.own_near:.3f} of a speaker's own utterances, "
        f"{found.others_near:.4f} of others'",
    ]
