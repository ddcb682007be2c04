"""Which utterances are of one speaker: a mixture of voices, each a Gaussian whose mean is unknown.

Brummer and de Villiers 2010, "The speaker partitioning problem", Odyssey: the two-covariance model of PLDA, here with
round covariances. The embedding x of an utterance is m + e: m of its speaker ~ N(0, b I), and e ~ N(0, I / w), where w
grows with the seconds of voice in it. With the mean integrated out, a speaker counts by two sums alone, W of its w and
X of its w x, and a partition by the sum over its speakers of

    score(W, X) = 1/2 [ b |X|^2 / (1 + b W) - d log(1 + b W) ],

less a cost for each further speaker, and plus `popularity` log Gamma(1 + W): the prior of the Chinese restaurant
process (Aldous 1985, "Exchangeability and related topics"), by which who has said much is likelier to speak again. A
cost alone is in the end outweighed by what is peculiar to some sentences, or to a mood, of somebody who talks long.
The embeddings of a session share what its room and its line do to voices, which would make them all one speaker's: so
x is counted from their mean, drawn towards everybody's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

_PASSES = 8
"""Of the search, which ends where nothing moves: mostly after two."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One utterance."""

    x: np.ndarray
    """(D,), its embedding."""
    weight: float
    """How sure that is: 1 / the variance around its speaker's mean."""
    may_begin: bool = True
    """Whether a speaker may be new with it."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of a speaker: the sums W and X over settled utterances."""

    weight: float
    total: np.ndarray
    """(D,)."""

    def and_also(self, sample: Sample, at_most: float) -> Known:
        """With one more utterance. A weight beyond `at_most` is brought back to it: older ones are forgotten, and a
        mean never gets surer than a voice is constant."""
        weight, total = self.weight + sample.weight, self.total + sample.weight * sample.x
        share = min(1.0, at_most / weight)
        return Known(weight * share, total * share)


@dataclass(frozen=True, slots=True)
class Partition:
    """Place i of sample i: a number of `known`, or one from len(known) on for those who are new, in the order of their
    first sample; None = it is rather somebody new, and may begin nobody. `probability`: of that place, among all."""

    places: tuple[int | None, ...]
    probability: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """`between`: b. `dimensions`: d, in how many of its D directions an embedding really varies. `new_cost`: in nats of
    the score, of a further speaker. `scale`: what such a nat is worth as a logarithm of probability; below 1, because
    what a cluster shares beyond the voice (a mood) counts as independent each time. `anchor`: the weight of everybody's
    mean, 0, beside that of the session's own. `popularity`: see above."""

    between: float
    dimensions: float
    new_cost: float
    scale: float
    anchor: float
    popularity: float = 0.0

    def scores(self, weights: np.ndarray, totals: np.ndarray) -> np.ndarray:
        """(K,) and (K, D) -> (K,)."""
        gain = 1.0 + self.between * weights
        voice = 0.5 * (self.between * np.square(totals).sum(1) / gain - self.dimensions * np.log(gain))
        if not self.popularity:
            return voice
        return voice + self.popularity * np.array([math.lgamma(1.0 + max(0.0, weight)) for weight in weights.tolist()])

    def alike(self, one: Known, other: Known) -> float:
        """Nats by which one speaker explains both better than two do."""
        weights = np.array([one.weight, other.weight, one.weight + other.weight])
        a, b, both = self.scores(weights, np.stack([one.total, other.total, one.total + other.total]))
        return float(both - a - b)

    def apart(self, one: Sample, other: Sample) -> float:
        """Nats by which two speakers explain two samples better than one does, whatever the session makes of voices and
        however much anybody has said."""
        if self.popularity:
            return replace(self, popularity=0.0).apart(one, other)
        middle = (one.weight * one.x + other.weight * other.x) / (one.weight + other.weight)
        return -self.alike(*(Known(s.weight, s.weight * (s.x - middle)) for s in (one, other)))

    def partition(self, known: Sequence[Known], samples: Sequence[Sample], at_most: int | None = None) -> Partition:
        """The best partition that is found, of speakers who are known and new ones, at most `at_most` in all. What is
        known stays as it is."""
        if not samples:
            return Partition((), ())
        totals = [one.total for one in known] + [sample.weight * sample.x for sample in samples]
        weight = sum(one.weight for one in known) + sum(sample.weight for sample in samples)
        centre = np.sum(totals, axis=0) / (weight + self.anchor)
        known = [Known(one.weight, one.total - one.weight * centre) for one in known]
        samples = [replace(sample, x=sample.x - centre) for sample in samples]
        return _Search(self, known, samples, at_most).run()


class _Search:
    """Coordinate ascent from the order in which they were said: move a sample, join a new speaker with another."""

    def __init__(self, mixture: Mixture, known: Sequence[Known], samples: Sequence[Sample], at_most: int | None):
        self.mixture, self.samples, self.known = mixture, samples, len(known)
        room = len(known) + len(samples)  # there is always an empty place for the sample in hand
        self.at_most = room if at_most is None else max(at_most, len(known))
        self.weights = np.zeros(room)
        self.totals = np.zeros((room, len(samples[0].x)))
        for place, one in enumerate(known):
            self.weights[place], self.totals[place] = one.weight, one.total
        self.places: list[int | None] = [None] * len(samples)

    def run(self) -> Partition:
        for _ in range(_PASSES):
            before = list(self.places)
            for i in range(len(self.samples)):
                self._take_out(i)
                gains, fresh = self._gains(i)
                best = int(gains.argmax())
                self._put(i, None if best == fresh and not self.samples[i].may_begin else best)
            self._join()
            if self.places == before:
                break
        return self._result()

    def _gains(self, i: int) -> tuple[np.ndarray, int | None]:
        """Of putting sample i, which is in none, at each of the places: (places,), -inf where it may not be. And the
        place of who is new, None = there are enough."""
        sample = self.samples[i]
        more = self.weights + sample.weight, self.totals + sample.weight * sample.x
        gains = self.mixture.scores(*more) - self.mixture.scores(self.weights, self.totals)
        empty = np.flatnonzero(self._counts() == 0)
        empty = empty[empty >= self.known]
        enough = len(self.weights) - len(empty) >= self.at_most
        gains[empty if enough else empty[1:]] = -np.inf
        if enough:
            return gains, None
        gains[empty[0]] -= self.mixture.new_cost
        return gains, int(empty[0])

    def _counts(self) -> np.ndarray:
        taken = [place for place in self.places if place is not None]
        return np.bincount(np.array(taken, int), minlength=len(self.weights))

    def _take_out(self, i: int) -> None:
        self._add(i, -1)
        self.places[i] = None

    def _put(self, i: int, place: int | None) -> None:
        self.places[i] = place
        self._add(i, 1)

    def _add(self, i: int, sign: int) -> None:
        place, sample = self.places[i], self.samples[i]
        if place is not None:
            self.weights[place] += sign * sample.weight
            self.totals[place] += sign * sample.weight * sample.x

    def _join(self) -> None:
        """Joins new speakers with whom they are most alike, as long as that is worth more than it costs. One whose
        samples may none of them begin anybody is joined or dissolved."""
        for place in range(self.known, len(self.weights)):
            members = [i for i, where in enumerate(self.places) if where == place]
            if not members:
                continue
            if not any(self.samples[i].may_begin for i in members):
                for i in members:
                    self._take_out(i)
                continue
            others = [p for p in range(len(self.weights)) if p != place and (p < self.known or p in self.places)]
            if not others:
                continue
            mine = Known(self.weights[place], self.totals[place])
            worth = [self.mixture.alike(mine, Known(self.weights[p], self.totals[p])) for p in others]
            best = int(np.argmax(worth))
            if worth[best] + self.mixture.new_cost > 0:
                for i in members:
                    self._take_out(i)
                    self._put(i, others[best])

    def _result(self) -> Partition:
        numbers = {place: place for place in range(self.known)}
        for where in self.places:
            if where is not None:
                numbers.setdefault(where, len(numbers))
        probability = []
        for i, where in enumerate(self.places):
            self._take_out(i)
            gains, fresh = self._gains(i)
            chances = np.exp(self.mixture.scale * (gains - gains.max()))
            # Where it is nobody's, or stands alone, its place is that of who is new.
            at = where if where is not None and np.isfinite(gains[where]) else fresh
            at = int(gains.argmax()) if at is None else at
            probability.append(float(chances[at] / chances.sum()))
            self._put(i, where)
        return Partition(tuple(None if w is None else numbers[w] for w in self.places), tuple(probability))
