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

    def score(self, weight: float, square: float) -> float:
        """Of a speaker's W and |X|^2."""
        gain = 1.0 + self.between * weight
        voice = 0.5 * (self.between * square / gain - self.dimensions * math.log(gain))
        return voice + self.popularity * math.lgamma(1.0 + max(0.0, weight)) if self.popularity else voice

    def alike(self, one: Known, other: Known) -> float:
        """Nats by which one speaker explains both better than two do."""
        both = one.total + other.total
        return (
            self.score(one.weight + other.weight, float(both @ both))
            - self.score(one.weight, float(one.total @ one.total))
            - self.score(other.weight, float(other.total @ other.total))
        )

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
    """Coordinate ascent from the order in which they were said: move a sample, join a new speaker with another.

    A speaker counts by W and |X|^2, so the products of the samples with each other and with each X are all that is
    needed. They are few, and few numbers are added sooner in plain Python than in arrays.
    """

    def __init__(self, mixture: Mixture, known: Sequence[Known], samples: Sequence[Sample], at_most: int | None):
        self.mixture, self.samples, self.known = mixture, samples, len(known)
        room = len(known) + len(samples)  # there is always an empty place for the sample in hand
        self.at_most = room if at_most is None else max(at_most, len(known))
        x = np.stack([sample.x for sample in samples])
        self.products: list[list[float]] = (x @ x.T).tolist()
        self.weights = [one.weight for one in known] + [0.0] * len(samples)
        self.squares = [float(one.total @ one.total) for one in known] + [0.0] * len(samples)
        self.with_x: list[list[float]] = [(x @ one.total).tolist() for one in known]
        """X of each place with each x."""
        self.with_x += [[0.0] * len(samples) for _ in samples]
        self.counts = [1] * len(known) + [0] * len(samples)
        """Samples at each place; whoever is known counts as one."""
        self.places: list[int | None] = [None] * len(samples)

    def run(self) -> Partition:
        for _ in range(_PASSES):
            before = list(self.places)
            for i in range(len(self.samples)):
                self._take_out(i)
                gains, fresh = self._gains(i)
                best = max(gains, key=gains.__getitem__)
                self._put(i, None if best == fresh and not self.samples[i].may_begin else best)
            self._join()
            if self.places == before:
                break
        return self._result()

    def _gains(self, i: int) -> tuple[dict[int, float], int | None]:
        """Of putting sample i, which is in none, at each of the places where it may be. And the place of who is new,
        None = there are enough."""
        there = [place for place, count in enumerate(self.counts) if count]
        fresh = None if len(there) >= self.at_most else self.counts.index(0)
        gains = {place: self._gain(i, place) for place in there}
        if fresh is not None:
            gains[fresh] = self._gain(i, fresh) - self.mixture.new_cost
        return gains, fresh

    def _gain(self, i: int, place: int) -> float:
        weight, square = self._changed(i, place, 1)
        return self.mixture.score(weight, square) - self.mixture.score(self.weights[place], self.squares[place])

    def _changed(self, i: int, place: int, sign: int) -> tuple[float, float]:
        """W and |X|^2 of a place with sample i, or without."""
        w = sign * self.samples[i].weight
        square = self.squares[place] + 2 * w * self.with_x[place][i] + w * w * self.products[i][i]
        return self.weights[place] + w, square

    def _take_out(self, i: int) -> None:
        self._add(i, -1)
        self.places[i] = None

    def _put(self, i: int, place: int | None) -> None:
        self.places[i] = place
        self._add(i, 1)

    def _add(self, i: int, sign: int) -> None:
        place = self.places[i]
        if place is None:
            return
        self.weights[place], self.squares[place] = self._changed(i, place, sign)
        w = sign * self.samples[i].weight
        self.with_x[place] = [a + w * b for a, b in zip(self.with_x[place], self.products[i], strict=True)]
        self.counts[place] += sign

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
            others = [p for p, count in enumerate(self.counts) if count and p != place]
            if not others:
                continue
            worth = {other: self._alike(members, place, other) for other in others}
            best = max(worth, key=worth.__getitem__)
            if worth[best] + self.mixture.new_cost > 0:
                for i in members:
                    self._take_out(i)
                    self._put(i, best)

    def _alike(self, members: Sequence[int], place: int, other: int) -> float:
        """Nats by which one speaker explains better what is at two places; `members`: the samples at the first."""
        shared = sum(self.samples[i].weight * self.with_x[other][i] for i in members)
        weight = self.weights[place] + self.weights[other]
        return (
            self.mixture.score(weight, self.squares[place] + self.squares[other] + 2 * shared)
            - self.mixture.score(self.weights[place], self.squares[place])
            - self.mixture.score(self.weights[other], self.squares[other])
        )

    def _result(self) -> Partition:
        numbers = {place: place for place in range(self.known)}
        for where in self.places:
            if where is not None:
                numbers.setdefault(where, len(numbers))
        probability = []
        for i, where in enumerate(self.places):
            self._take_out(i)
            gains, fresh = self._gains(i)
            best = max(gains, key=gains.__getitem__)
            chances = {p: math.exp(self.mixture.scale * (gain - gains[best])) for p, gain in gains.items()}
            # Where it is nobody's, or stands alone, its place is that of who is new.
            at = where if where in gains else fresh
            probability.append(chances[best if at is None else at] / sum(chances.values()))
            self._put(i, where)
        return Partition(tuple(None if w is None else numbers[w] for w in self.places), tuple(probability))
