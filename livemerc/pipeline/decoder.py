"""Dialogical emotion decoding: what a speaker felt last, and the other, is weighed against what the model makes of the
utterance.

Yeh, Lin & Lee, "A Dialogical Emotion Decoder for Speech Emotion Recognition in Spoken Dialog", ICASSP 2020, decode a
dialogue from a classifier's posteriors by each speaker's inertia and by the influence of the speakers on each other,
with a beam search. Here the same two forces make a hidden Markov model (Rabiner 1989, section III), which is filtered
exactly, and smoothed within the lag:

    P(a, o, m, b | x_1..t)   joint: last emotion of each speaker, mood of the dialogue, power of the evidence
    P(y_t | x_1..t)  ~  (q(y_t) / c(y_t))^b / Z_b * sum over a of T_m(y_t | a, o) P(a, o, m, b | x_1..t-1)

T: `livemerc.model.dialogue_tables`. q: the model's posterior, c: the prior that it carries. The division makes q a
scaled likelihood (Bourlard & Morgan 1994); without it a frequent emotion counts twice, once in q and once in T. Z_b
makes sum over y of c(y) (q/c)^b one, so that powers can be told apart by how well they agree with the dialogue. b is
hidden like the rest: a model that is too sure of itself, as a product of two branches is, contradicts itself from one
utterance to the next more often than people do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from livemerc.errors import ModelError
from livemerc.model.dialogue_tables import Dialogue, DialogueTables, fit_tables

POWERS = (0.25, 0.4, 0.65, 1.0, 1.4)
"""Powers of the evidence, each as likely as the others before anything was heard."""
_CHANGE = 0.01
"""How likely mood and power are others at the next utterance: an hour of one mood must not be the last word on it."""
_HELD_CELLS = 128
"""The last emotions of three speakers are held jointly where their table has no more cells (5 labels), else of two."""
_FORGOTTEN = 32
"""Of more speakers, the one heard least recently begins anew."""
_LEAST = 1e-7
_MOVED = 1e-6
"""A probability that moved by no more has not changed."""


class DecoderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`DialogueDecoder.to_dict`: what `fit` takes and finds."""

    tables: DialogueTables
    lag: int
    prior: list[float]
    powers: list[float]
    trust: float
    balance: float

    def check(self) -> None:
        """Raises `ModelError`."""
        self.tables.check()
        numbers = [*self.prior, *self.powers, self.trust, self.balance]
        if not all(math.isfinite(number) for number in numbers) or len(self.prior) != len(self.tables.labels):
            raise ModelError("the dialogue decoder's settings are no numbers for its labels; fit it again.")
        if self.lag < 0 or min(self.prior) <= 0 or not self.powers or min(self.powers) <= 0:
            raise ModelError("the dialogue decoder's lag, prior or powers are below what they can be; fit it again.")
        if not 0 <= self.trust <= 1 or not 0 <= self.balance <= 1:
            raise ModelError("the dialogue decoder's trust and balance are between 0 and 1; fit it again.")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The emotion of utterance `index` (from 0 in its dialogue) as it looks now: `label` is the likeliest of
    `probabilities` {label: p}, which sum to 1."""

    index: int
    label: str
    probabilities: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """joint (B, M, C, ..., C), sum 1: powers, moods, and the last emotion of each of `speakers`, the latest first.
    forgotten: of earlier speakers (B, M, C), given power and mood."""

    joint: np.ndarray
    speakers: tuple[str | None, ...] = ()
    forgotten: Mapping[str | None, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One utterance: the belief behind it, what its evidence alone says (C,), and how a message goes back over it.

    A message is how likely what came later is, given each cell of a joint; an axis of it may have length 1.
    """

    belief: Belief
    alone: np.ndarray
    weights: np.ndarray
    backward: str
    overwritten: int | None
    dropped: bool
    recalled: np.ndarray | None


class DialogueDecoder:
    """Decodes one dialogue after another: `feed` an utterance at a time, `flush` at the end of a dialogue.

    Causal: what `feed` says of an utterance depends on no later one but the `lag` that follow it. The last emotions of
    up to three speakers are held jointly (two where there are more than five labels); a further speaker is remembered
    apart from the others. For one thread.
    """

    def __init__(self, settings: DecoderSettings):
        """Of `to_dict` or of a checkpoint; `fit` makes one of labels. Raises `ModelError` for what is no decoder."""
        settings.check()
        self._settings = settings
        tables = settings.tables
        self._known = np.array([tables.answers, tables.continues])
        self._unknown = np.array(tables.unknown)
        self._shares = np.array(tables.shares) / sum(tables.shares)
        self._prior = np.array(settings.prior)
        self._powers = np.array(settings.powers)[:, None]
        size = len(tables.labels)
        self._held = 3 if size**3 <= _HELD_CELLS else 2
        self._before = np.outer(np.full(len(settings.powers), 1 / len(settings.powers)), tables.moods)
        self._before /= self._before.sum()
        self._begin()

    @classmethod
    def fit(
        cls,
        dialogues: Sequence[Dialogue],
        labels: Sequence[str],
        lag: int,
        *,
        prior: Mapping[str, float] | None = None,
        powers: Sequence[float] = POWERS,
        trust: float = 0.85,
        balance: float = 1.0,
    ) -> DialogueDecoder:
        """A decoder that has learnt from the labels of `dialogues`, each a sequence of (speaker, label); speaker None =
        unknown. The same labels give the same decoder.

        lag: how many later utterances may still change what is said of one; 0 = nothing changes.
        prior: shares of the labels that the probabilities to be fed carry, those that their classifier was trained on;
        None = those of `dialogues`. A classifier trained on balanced classes carries equal ones.
        powers: the powers of the evidence that are thought possible; one alone is fixed.
        trust: power of what the context adds to what the utterance says alone. 1 is right where the errors of
        utterances are independent of each other; a classifier errs in runs, so context is believed a little less.
        balance: 0 = probabilities in a world with the shares of `dialogues`, for accuracy, weighted F1 and calibrated
        probabilities; 1 = in one where every emotion is as frequent, for UAR, where a rare emotion counts as much.

        Raises ValueError for no labelled utterance, a label that is none of `labels`, a lag below 0, and settings that
        are out of range.
        """
        if lag < 0:
            raise ValueError(f"the lag of a dialogue decoder is a number of utterances, 0 or more, not {lag}")
        tables = fit_tables(dialogues, labels)
        if prior is None:
            carried = tables.shares
        elif set(prior) != set(labels) or min(prior.values()) <= 0:
            raise ValueError("the prior of a dialogue decoder has a share above 0 for each of its labels")
        else:
            carried = [prior[label] / sum(prior.values()) for label in labels]
        settings = DecoderSettings(
            tables=tables, lag=lag, prior=carried, powers=list(powers), trust=trust, balance=balance
        )
        try:
            return cls(settings)
        except ModelError as error:
            raise ValueError(str(error)) from error

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it; what was fed is not in it."""
        return msgspec.to_builtins(self._settings)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> DialogueDecoder:
        """The decoder of `to_dict`, at the beginning of a dialogue. Raises `ModelError`."""
        try:
            return cls(msgspec.convert(settings, DecoderSettings))
        except msgspec.ValidationError as error:
            raise ModelError(f"this is no dialogue decoder ({error}); fit it again.") from error

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._settings.tables.labels)

    @property
    def lag(self) -> int:
        return self._settings.lag

    # -- one dialogue --------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._count = 0
        self._open: list[Step] = []
        self._said: list[np.ndarray] = []  # of the open ones

    def feed(self, speaker: str | None, probabilities: Mapping[str, float]) -> list[Decoded]:
        """The next utterance, its speaker (None = unknown) and what the model makes of it, {label: p}.

        Returns, in the order of the utterances, what has changed: the new one, and each of the `lag` before it whose
        probabilities moved. The last word on an index counts. Raises ValueError for probabilities of other labels,
        below 0, or that do not sum to 1; then the dialogue is as it was.
        """
        step = self.step(self._open[-1].belief if self._open else self.start, speaker, self._checked(probabilities))
        self._open.append(step)
        if len(self._open) > self.lag + 1:
            del self._open[0], self._said[0]
        decoded = []
        first = self._count + 1 - len(self._open)
        said = self.smoothed(self._open)
        for at, now in enumerate(said):
            if at >= len(self._said) or np.abs(now - self._said[at]).max() > _MOVED:
                decoded.append(self._decoded(first + at, now))
            else:
                said[at] = self._said[at]
        self._said = said
        self._count += 1
        return decoded

    def flush(self) -> list[Decoded]:
        """Ends the dialogue: the last word on each utterance that a later one could still have changed. What is fed
        next is the first utterance of another dialogue."""
        still_open = self._said[max(0, len(self._said) - self.lag) :]
        last = [self._decoded(self._count - len(still_open) + at, now) for at, now in enumerate(still_open)]
        self._begin()
        return last

    def _decoded(self, index: int, row: np.ndarray) -> Decoded:
        return Decoded(index, self.labels[int(row.argmax())], dict(zip(self.labels, row.tolist(), strict=True)))

    def _checked(self, probabilities: Mapping[str, float]) -> np.ndarray:
        if set(probabilities) != set(self.labels):
            raise ValueError(f"this dialogue decoder takes probabilities of {', '.join(map(str, self.labels))}")
        row = np.array([probabilities[label] for label in self.labels], float)
        if not np.isfinite(row).all() or row.min() < 0 or abs(row.sum() - 1) > 1e-3:
            raise ValueError("the probabilities of an utterance are numbers from 0 to 1 that sum to 1")
        return row / row.sum()

    # -- without a state: for whoever keeps the dialogue ---------------------------------------------------------------

    @property
    def start(self) -> Belief:
        """Before the first utterance."""
        return Belief(self._before)

    def step(self, belief: Belief, speaker: str | None, row: np.ndarray) -> Step:
        """The utterance that follows: row (C,), sum 1, in the order of `labels`."""
        joint, speakers, forgotten = belief.joint, belief.speakers, belief.forgotten
        joint = (1 - _CHANGE) * joint + _CHANGE * _outer(self._before, joint.sum((0, 1)))
        evidence = self._evidence(row)
        alone = joint.sum(tuple(range(1, joint.ndim))) @ evidence * self._shares
        dropped, recalled = False, None
        if speaker not in speakers and len(speakers) == self._held:
            dropped = True
            forgotten = {**forgotten, speakers[-1]: _given(joint.sum(tuple(range(2, joint.ndim - 1))))}
            forgotten = dict(list(forgotten.items())[-_FORGOTTEN:])
            joint, speakers = joint.sum(-1), speakers[:-1]
        if speaker in forgotten:
            recalled = forgotten[speaker].reshape(*joint.shape[:2], *[1] * len(speakers), -1)
            joint, speakers = joint[..., None] * recalled, (*speakers, speaker)
            forgotten = {who: row for who, row in forgotten.items() if who != speaker}
        axes = "klm"[: len(speakers)]
        given, table = self._transition(speaker, speakers, axes)
        weights = np.einsum(f"z{given}y,by->bz{given}y", table, evidence)
        own = axes[speakers.index(speaker)] if speaker in speakers else ""
        after = "y" + axes.replace(own, "")
        joint = np.einsum(f"bz{axes},bz{given}y->bz{after}", joint, weights)
        order = (speaker, *(who for who in speakers if who != speaker))
        behind = Belief(joint / joint.sum(), order, forgotten)
        # the own last emotion of an unknown speaker is overwritten unread, where somebody else spoke last
        overwritten = axes.index(own) if own not in given else None
        kept = axes if overwritten is None else axes.replace(own, "")
        backward = f"bz{after},bz{given}y->bz{kept}"
        return Step(behind, alone / alone.sum(), weights, backward, overwritten, dropped, recalled)

    def smoothed(self, steps: Sequence[Step]) -> list[np.ndarray]:
        """Consecutive utterances -> the probabilities (C,) of each, given all of them and what was before."""
        said = []
        message: np.ndarray | None = None
        for at in reversed(range(len(steps))):
            step = steps[at]
            joint = step.belief.joint if message is None else step.belief.joint * message
            said.append(self._weighed(step.alone, joint.sum((0, 1, *range(3, joint.ndim)))))
            if at:
                message = self._back(step, np.ones_like(joint) if message is None else message)
        return said[::-1]

    def _evidence(self, row: np.ndarray) -> np.ndarray:
        """(B, C): the scaled likelihood with each power."""
        logs = np.log(np.maximum(row, _LEAST) / self._prior) * self._powers
        powered = np.exp(logs - logs.max(1, keepdims=True))
        return powered / (powered @ self._prior)[:, None]

    def _transition(self, speaker: str | None, speakers: tuple[str | None, ...], axes: str) -> tuple[str, np.ndarray]:
        """What the next emotion depends on, as axes of the joint, and its table: (M, those axes, C)."""
        nobody = len(self.labels)
        if speaker is None:
            return axes[:1], self._unknown[:, :nobody] if axes else self._unknown[:, nobody]
        own = axes[speakers.index(speaker)] if speaker in speakers else ""
        other = next((axis for axis, who in zip(axes, speakers, strict=True) if who != speaker), "")
        table = self._known[int(speakers[:1] == (speaker,))]
        table = table[:, :nobody] if own else table[:, nobody]
        return own + other, table[..., :nobody, :] if other else table[..., nobody, :]

    def _back(self, step: Step, message: np.ndarray) -> np.ndarray:
        """The message to the belief before `step`: how likely what came since is, given that."""
        message = np.einsum(step.backward, message, step.weights)
        if step.overwritten is not None:
            message = np.expand_dims(message, 2 + step.overwritten)
        if step.recalled is not None:
            message = (message * step.recalled).sum(-1)
        if step.dropped:
            message = message[..., None]
        expected = np.tensordot(self._before, message, 2)
        message = (1 - _CHANGE) * message + _CHANGE * expected
        return message / message.max()

    def _weighed(self, alone: np.ndarray, row: np.ndarray) -> np.ndarray:
        settings = self._settings
        row = row / row.sum()
        row = alone * (row / alone) ** settings.trust / self._shares**settings.balance
        return row / row.sum()


def _outer(weights: np.ndarray, rest: np.ndarray) -> np.ndarray:
    return weights.reshape(*weights.shape, *[1] * rest.ndim) * rest


def _given(joint: np.ndarray) -> np.ndarray:
    """(B, M, C) joint -> given power and mood."""
    return joint / np.maximum(joint.sum(-1, keepdims=True), np.finfo(float).tiny)
