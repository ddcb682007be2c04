"""What emotion follows which in dialogues, counted from their labels: the tables of the dialogue decoder.

    T(y | a, o): of the next utterance, given a, the speaker's own last emotion, and o, that of the other who spoke last

The tables are back-off estimates: counts of (a, o, y), apart for who goes on and who answers, lean on the product of
inertia T(y | a) and pull (T(y | o) / T(y))^w, these lean on the shares of the labels (MacKay & Peto 1995: a Dirichlet
prior whose mean is the estimate with less context). How strongly they lean, and w, are those that tell the labels of
left-out dialogues best. So is the number of moods: a dialogue may follow one of a few tables (a mixture of Markov
chains by expectation maximisation; Cadez et al. 2003), because an argument is not a chat, whatever was said last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import msgspec
import numpy as np

from livemerc.errors import ModelError

Dialogue = Sequence[tuple[str | None, str]]

_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
_PULLS = (0.0, 0.5, 1.0)
_MOODS = (1, 2, 3, 4)
_FOLDS = 5
_ROUNDS = 15
_DIGITS = 6
_LEAST = 1e-6


class DialogueTables(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """C labels, M moods; index C of an axis = nobody there. Rows are probabilities of the next label, none of them 0.

    answers, continues (M, C + 1, C + 1, C): by mood, own last label and the other's, where another spoke last and where
    the speaker goes on. unknown (M, C + 1, C): by mood and the dialogue's last label, where it is not known who speaks.
    moods (M,), shares (C,) of the labels.
    """

    labels: list[str]
    shares: list[float]
    moods: list[float]
    answers: list[list[list[list[float]]]]
    continues: list[list[list[list[float]]]]
    unknown: list[list[list[float]]]

    def check(self) -> None:
        """Raises `ModelError` where these are not tables."""
        c, m = len(self.labels), len(self.moods)
        shapes = {
            "shares": (c,), "moods": (m,), "unknown": (m, c + 1, c),
            "answers": (m, c + 1, c + 1, c), "continues": (m, c + 1, c + 1, c),
        }  # fmt: skip
        if len(set(self.labels)) < c or c < 2 or not m:
            raise ModelError("the dialogue decoder needs two labels or more, each once, and a mood; fit it again.")
        for name, shape in shapes.items():
            try:
                table = np.array(getattr(self, name), float)
            except ValueError:
                table = np.empty(0)
            if table.shape != shape or not (table > 0).all() or not np.allclose(table.sum(-1), 1, atol=1e-3):
                raise ModelError(f"the dialogue decoder's {name} are no probabilities for {c} labels; fit it again.")


@dataclass(frozen=True, slots=True)
class _Counts:
    """Of D dialogues: known (D, 2, C + 1, C + 1, C) as in `DialogueTables` (0 = answers, 1 = continues); any
    (D, C + 1, C): by the dialogue's last label, whoever speaks; unknown: those of `any` with an unknown speaker."""

    known: np.ndarray
    any: np.ndarray
    unknown: np.ndarray

    def of(self, chosen: np.ndarray) -> _Counts:
        return _Counts(self.known[chosen], self.any[chosen], self.unknown[chosen])

    def weighted(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """weights (D, M) -> `known` and `any` summed for each of M."""
        return np.tensordot(weights.T, self.known, 1), np.tensordot(weights.T, self.any, 1)


@dataclass(frozen=True, slots=True)
class _Estimate:
    """known (M, 2, C + 1, C + 1, C), unknown (M, C + 1, C), moods (M,)."""

    known: np.ndarray
    unknown: np.ndarray
    moods: np.ndarray

    def log_likelihoods(self, counts: _Counts) -> np.ndarray:
        """(D, M): of each dialogue's labels together with each mood."""
        told = np.log(self.known).reshape(len(self.moods), -1), np.log(self.unknown).reshape(len(self.moods), -1)
        many = len(counts.known)
        return (
            counts.known.reshape(many, -1) @ told[0].T
            + counts.unknown.reshape(many, -1) @ told[1].T
            + np.log(self.moods)
        )


def fit_tables(dialogues: Sequence[Dialogue], labels: Sequence[str]) -> DialogueTables:
    """The tables of labelled dialogues, each a sequence of (speaker, label); speaker None = unknown.

    Raises ValueError for labels that are fewer than two or named twice, for a label that is none of them, and where
    there is no utterance at all.
    """
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise ValueError("a dialogue decoder needs at least two labels, and each of them once")
    dialogues = [said for dialogue in dialogues if (said := list(dialogue))]
    if not dialogues:
        raise ValueError("a dialogue decoder cannot be fitted without a labelled utterance")
    counts = _count(dialogues, labels)
    strength, pull, moods = _chosen(counts)
    found = _estimate(counts, strength, pull, moods)
    seen = counts.any.sum((0, 1)) + 1.0
    known = _rounded(found.known)
    return DialogueTables(
        labels=[str(label) if isinstance(label, str) else label for label in labels],  # NumPy's strings are no JSON
        shares=_rounded(seen / seen.sum()).tolist(),
        moods=_rounded(found.moods).tolist(),
        answers=known[:, 0].tolist(),
        continues=known[:, 1].tolist(),
        unknown=_rounded(found.unknown).tolist(),
    )


def _rounded(table: np.ndarray) -> np.ndarray:
    return np.maximum(table.round(_DIGITS), _LEAST)


def _count(dialogues: Sequence[Dialogue], labels: Sequence[str]) -> _Counts:
    c = len(labels)
    index = {label: i for i, label in enumerate(labels)}
    known = np.zeros((len(dialogues), 2, c + 1, c + 1, c))
    anybody = np.zeros((len(dialogues), c + 1, c))
    unknown = np.zeros_like(anybody)
    for d, dialogue in enumerate(dialogues):
        last: dict[str | None, int] = {}  # of each speaker, who spoke last at the end
        for speaker, label in dialogue:
            if label not in index:
                raise ValueError(
                    f"dialogue {d} has the label {label!r}, which is none of {', '.join(map(str, labels))}"
                )
            now = index[label]
            before = next(reversed(last.values()), c)
            anybody[d, before, now] += 1
            if speaker is None:
                unknown[d, before, now] += 1
            else:
                other = next((last[who] for who in reversed(last) if who != speaker), c)
                goes_on = next(reversed(last), None) == speaker
                known[d, int(goes_on), last.get(speaker, c), other, now] += 1
            last.pop(speaker, None)
            last[speaker] = now
    return _Counts(known, anybody, unknown)


def _chosen(counts: _Counts) -> tuple[float, float, int]:
    """Strength of the back-off, weight of the pull and number of moods that tell left-out dialogues best."""
    if len(counts.known) < 2:
        return 3.0, 0.5, 1
    _, strength, pull = max((_left_out(counts, s, w, 1), s, w) for s, w in product(_STRENGTHS, _PULLS))
    # a mood has a part of the dialogues, so it may have to lean more
    tried = [(strength, 1), *product([s for s in _STRENGTHS if s >= strength][:2], _MOODS[1:])]
    _, strength, moods = max((_left_out(counts, s, pull, m), s, m) for s, m in tried)
    return strength, pull, moods


def _left_out(counts: _Counts, strength: float, pull: float, moods: int) -> float:
    """Log-likelihood of the labels, each dialogue told by the others."""
    fold = np.arange(len(counts.known)) % _FOLDS
    total = 0.0
    for left in range(min(_FOLDS, len(fold))):
        told = _estimate(counts.of(fold != left), strength, pull, moods).log_likelihoods(counts.of(fold == left))
        total += float(np.logaddexp.reduce(told, 1).sum())
    return total


def _estimate(counts: _Counts, strength: float, pull: float, moods: int) -> _Estimate:
    many, c = len(counts.known), counts.known.shape[-1]
    everything = counts.weighted(np.ones((many, 1)))
    known, unknown, shares = _backed_off(*everything, strength, pull, np.full(c, 1 / c))
    if moods == 1:
        return _Estimate(known, unknown, np.ones(1))
    belongs = _first_moods(counts.any.sum(1), shares[0], moods)
    for _ in range(_ROUNDS):
        known, unknown, _ = _backed_off(*counts.weighted(belongs), strength, pull, shares[0])
        found = _Estimate(known, unknown, (belongs.sum(0) + 1) / (many + moods))
        told = found.log_likelihoods(counts)
        belongs = np.exp(told - np.logaddexp.reduce(told, 1)[:, None])
    return found


def _first_moods(labels: np.ndarray, shares: np.ndarray, moods: int) -> np.ndarray:
    """(D, C) counts of labels -> (D, M), to which mood each dialogue belongs at first: the nearest of M dialogues that
    are far from each other in their shares of labels. Nothing is drawn, so the same labels give the same tables."""
    own = (labels + 2 * shares) / (labels.sum(1, keepdims=True) + 2)
    place = own / np.sqrt(shares)  # chi-squared distance: a rare label tells more
    apart = ((place - np.sqrt(shares)) ** 2).sum(1)
    distances: list[np.ndarray] = []
    for _ in range(moods):
        distances.append(((place - place[int(apart.argmax())]) ** 2).sum(1))
        apart = np.min(distances, 0)
    near = np.exp(-4 * (np.stack(distances, 1) - apart[:, None]))
    return near / near.sum(1, keepdims=True)


def _backed_off(
    known: np.ndarray, anybody: np.ndarray, strength: float, pull: float, base: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts (M, 2, C + 1, C + 1, C) and (M, C + 1, C) -> probabilities of the same shapes, and the shares (M, C)."""

    def lean(counts: np.ndarray, on: np.ndarray) -> np.ndarray:
        return (counts + strength * on) / (counts.sum(-1, keepdims=True) + strength)

    nobody = base.shape[-1]
    pooled = known.sum(1)
    shares = lean(anybody.sum(1), base)
    inertia = lean(pooled.sum(2), shares[:, None])
    influence = lean(pooled.sum(1), shares[:, None])
    both = inertia[:, :, None] * (influence[:, None] / shares[:, None, None]) ** pull
    both[:, nobody] = influence
    both[:, :, nobody] = inertia
    both[:, nobody, nobody] = shares
    both /= both.sum(-1, keepdims=True)
    whoever = lean(pooled, both)
    return lean(known, whoever[:, None]), lean(anybody, shares[:, None]), shares
