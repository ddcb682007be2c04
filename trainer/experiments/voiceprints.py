"""How often an enrolled voice is called by its name, and a stranger by somebody's: stretches of speech, conversations.

Each of LibriSpeech's readers is enrolled with the first half of their clips, as they are. The second halves, as they
are and in other surroundings, are to be named; nobody of the corpus `readers` is enrolled, and those of them who taught
the embedder (`trainer.speakers.embedder_tuning`) are not heard.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import LivemercError
from livemerc.speakers.choose import make_embedder
from livemerc.speakers.embedder import SpeakerEmbedder
from livemerc.speakers.enrolment import Enrolment
from livemerc.speakers.models import GE2E
from livemerc.speakers.names import EnrolledVoices
from livemerc.speakers.voiceprints import Consent, Voiceprint, Voiceprints
from trainer.corpora.speaker_split import part_of
from trainer.corpora.voices import read_clips
from trainer.experiments.listening import SURROUNDINGS, listen
from trainer.experiments.results import FIGURES, Rows, table
from trainer.files import told
from trainer.loop.progress import Progress
from trainer.loop.saving import save_json
from trainer.speakers.conversations import Conversation, Effect, conversation

ENROLLED, STRANGERS = "librispeech", "readers"
STRETCHES_S = 3.0, 6.0
"""Of voice that is to be named: a stranger has a clip of 6 s."""
_PIECE_S = 10.0
_TURNS = 20
_CONSENT = Consent(question="a corpus", given_at="2026-01-01T00:00:00+00:00", how="flag")

EFFECTS: dict[str, Effect] = {"as enrolled": lambda samples, rng: samples} | SURROUNDINGS


def run(data: Path, out: Path, *, conversations: int, seed: int, asked: str = GE2E) -> list[str]:
    """With the embedder that is `asked` for, as in `speakers.embedder`. Writes figures.json; returns the table. Raises
    the readers' `InputError`, and `ModelError` where the embedder cannot be used."""
    with told(LivemercError, f"{out}: no folder for an experiment", "name another"):
        out.mkdir(parents=True, exist_ok=True)
    embedder = make_embedder(asked)
    halves = {name: (clips[: len(clips) // 2], clips[len(clips) // 2 :]) for name, clips in _voices(data, ENROLLED)}
    prints = [_enrolled(name, first, embedder) for name, (first, _) in halves.items()]
    later = {name: second for name, (_, second) in halves.items()}
    strangers = dict(_voices(data, STRANGERS))
    rng = np.random.default_rng(seed)
    rows = _of_stretches(prints, later, strangers, embedder, rng)
    rows |= _of_conversations(prints, later, conversations, rng, asked)
    figures = {"embedder": embedder.id.name, "enrolled": len(prints), "conversations": conversations, "seed": seed}
    save_json(figures | {"rows": rows}, out / FIGURES)
    return table(rows)


def _voices(data: Path, corpus: str) -> Iterator[tuple[str, list[np.ndarray]]]:
    """The clips, (n,) each, of everybody who taught nothing; pieces of one file are one clip again."""
    paths: dict[str, dict[Path, None]] = {}
    for clip in read_clips(data, corpus):
        if part_of(clip) != "A":
            paths.setdefault(clip.speaker, {})[clip.path] = None
    for name, own in sorted(paths.items()):
        yield name, [read_samples(path, SAMPLE_RATE_HZ) for path in own]


def _enrolled(name: str, clips: Sequence[np.ndarray], embedder: SpeakerEmbedder) -> Voiceprint:
    enrolment = Enrolment(embedder)
    for clip in clips:
        for piece in _pieces(clip, _PIECE_S):
            enrolment.hear(piece)
    return enrolment.voiceprint(f"reader {name}", _CONSENT)


def _pieces(samples: np.ndarray, length_s: float) -> list[np.ndarray]:
    """Whole ones of that length, and one that is shorter where there is no other."""
    size = round(length_s * SAMPLE_RATE_HZ)
    return [samples[at : at + size] for at in range(0, max(1, len(samples) - size + 1), size)]


def _of_stretches(
    prints: Sequence[Voiceprint],
    later: Mapping[str, Sequence[np.ndarray]],
    strangers: Mapping[str, Sequence[np.ndarray]],
    embedder: SpeakerEmbedder,
    rng: np.random.Generator,
) -> Rows:
    enrolled = EnrolledVoices(prints)
    rows: Rows = {}
    with Progress("stretches", 0, len(EFFECTS) * len(STRETCHES_S), unit="row") as progress:
        for length_s in STRETCHES_S:
            for effect, change in EFFECTS.items():
                own = {
                    name: [
                        _name(change(piece, rng), embedder, enrolled)
                        for clip in clips
                        for piece in _pieces(clip, length_s)
                    ]
                    for name, clips in later.items()
                }
                others = [
                    _name(change(clips[0][: round(length_s * SAMPLE_RATE_HZ)], rng), embedder, enrolled)
                    for clips in strangers.values()
                ]
                asked = sum(map(len, own.values()))
                right = sum(found == f"reader {name}" for name, all_found in own.items() for found in all_found)
                unnamed = sum(found is None for all_found in own.values() for found in all_found)
                rows[f"{length_s:g} s, {effect}"] = {
                    "asked": asked,
                    "right": right / asked,
                    "no name": unnamed / asked,
                    "another's": (asked - right - unnamed) / asked,
                    "strangers": len(others),
                    "strangers named": sum(found is not None for found in others) / len(others),
                }
                progress.update(len(rows))
    return rows


def _name(samples: np.ndarray, embedder: SpeakerEmbedder, enrolled: EnrolledVoices) -> str | None:
    point = embedder.embed(samples)
    return None if point is None else enrolled.name_of(point.x)


def _of_conversations(
    prints: Sequence[Voiceprint],
    later: Mapping[str, Sequence[np.ndarray]],
    count: int,
    rng: np.random.Generator,
    asked: str,
) -> Rows:
    """Seconds inside utterances, through ears and online speakers: of two who are enrolled, and of one who is not."""
    seconds: dict[str, dict[str, float]] = {}
    with Progress("conversations", 0, count, unit="conversation") as progress:
        for number in range(count):
            effect = list(EFFECTS)[number % len(EFFECTS)]
            who = [str(name) for name in rng.choice(sorted(later), 3, replace=False)]
            made = conversation(
                f"{number}", {name: [later[name]] for name in who}, _TURNS, EFFECTS[effect], rng
            )  # the clips of one mood
            known = [one for one in prints if one.name != f"reader {who[0]}"]
            of = seconds.setdefault(effect, dict.fromkeys(("right", "no name", "another's", "stranger", "named"), 0.0))
            for start_s, end_s, name in _named(made, known, asked):
                speaker = _speaker_of(made, start_s, end_s)
                if speaker is None:
                    continue
                length_s = end_s - start_s
                if speaker == who[0]:
                    of["stranger"] += length_s
                    of["named"] += length_s * (name is not None)
                else:
                    right = name == f"reader {speaker}"
                    of["right" if right else "no name" if name is None else "another's"] += length_s
            progress.update(number + 1)
    rows: Rows = {}
    for effect, of in seconds.items():
        own_s = of["right"] + of["no name"] + of["another's"]
        rows[f"conversations, {effect}"] = {
            "asked": round(own_s),
            **{key: of[key] / max(own_s, 1e-9) for key in ("right", "no name", "another's")},
            "strangers": round(of["stranger"]),
            "strangers named": of["named"] / max(of["stranger"], 1e-9),
        }
    return rows


def _named(made: Conversation, known: Sequence[Voiceprint], asked: str) -> Iterator[tuple[float, float, str | None]]:
    """Begin, end and name of each turn that the monitor would hear, as it is known at the end."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Voiceprints(Path(folder))
        for one in known:
            kept.add(one)
        for turn in listen(made, kept, asked):
            yield turn.start_s, turn.end_s, turn.name


def _speaker_of(made: Conversation, start_s: float, end_s: float) -> str | None:
    """Whoever speaks most of that time."""
    shares: dict[str, float] = {}
    for turn in made.turns:
        shared_s = min(end_s, turn.end_s) - max(start_s, turn.start_s)
        if shared_s > 0:
            shares[turn.speaker] = shares.get(turn.speaker, 0.0) + shared_s
    return max(shares, key=shares.__getitem__, default=None)
