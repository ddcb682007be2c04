"""Two sessions of the same speech: where they differ in labels, doubts and words.

Utterances are aligned by the time that they share, for another recogniser or detector may cut elsewhere and count anew.
What the models said is compared; a person's corrections, if there are any, are what both are measured against.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from livemerc.notation import words
from livemerc.sessions.session import RecordedSession, RecordedUtterance

LEAST_SHARED = 0.5
"""Two utterances are the same speech if this share of the shorter one lies inside the other."""
_INSTANT_S = 0.001
"""Added to every length, so that an utterance of no length lies inside another all the same."""
_MOST_STEPS = 20_000_000


@dataclass(frozen=True, slots=True)
class Group:
    """The same stretch of speech in both sessions: mostly one utterance of each, more where the cuts differ."""

    a: tuple[RecordedUtterance, ...]
    b: tuple[RecordedUtterance, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """The same utterance in both sessions."""

    a: RecordedUtterance
    b: RecordedUtterance

    @property
    def judged(self) -> bool:
        return self.a.estimate is not None and self.b.estimate is not None

    @property
    def labels_differ(self) -> bool:
        return self.judged and _label(self.a) != _label(self.b)

    @property
    def doubts_differ(self) -> bool:
        return self.judged and (_doubt(self.a) is None) != (_doubt(self.b) is None)

    @property
    def words_differ(self) -> bool:
        return words(heard(self.a)) != words(heard(self.b))

    @property
    def truth(self) -> str | None:
        """A person's label, of A before B."""
        return self.a.corrected_emotion or self.b.corrected_emotion


@dataclass(frozen=True, slots=True)
class Comparison:
    """`pairs` and the utterances that only one has, each by time; `groups` is what words are compared by."""

    a: RecordedSession
    b: RecordedSession
    labels: list[str]
    groups: list[Group]
    pairs: list[Pair]
    only_a: list[RecordedUtterance]
    only_b: list[RecordedUtterance]

    @property
    def judged(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.judged]

    def confusion(self) -> dict[str, dict[str, int]]:
        """Pairs by A's label, then B's."""
        counts = Counter((_label(pair.a), _label(pair.b)) for pair in self.judged)
        return {one: {other: counts[one, other] for other in self.labels} for one in self.labels}

    def agreement(self) -> float | None:
        """Share of pairs with one label; None without pairs."""
        return _mean([not pair.labels_differ for pair in self.judged])

    def verdict_agreement(self) -> float | None:
        """Share of pairs with one verdict: a label that was withheld counts as "not sure"."""
        return _mean([_verdict(pair.a) == _verdict(pair.b) for pair in self.judged])

    def kappa(self) -> float | None:
        """Cohen's kappa of the labels (Cohen 1960); None where chance alone explains all: no pair, or one label."""
        judged, observed = self.judged, self.agreement()
        if observed is None:
            return None
        first = Counter(_label(pair.a) for pair in judged)
        second = Counter(_label(pair.b) for pair in judged)
        chance = sum(first[label] * second[label] for label in first) / len(judged) ** 2
        return None if chance == 1 else (observed - chance) / (1 - chance)

    def confidence_change(self) -> float | None:
        """Mean of B's confidence less A's, each in its own label."""
        return _mean([_confidence(pair.b) - _confidence(pair.a) for pair in self.judged])

    def abstained(self) -> dict[str, int]:
        """Pairs of which only A, only B or both were withheld."""
        doubts = Counter((_doubt(p.a) is not None, _doubt(p.b) is not None) for p in self.judged)
        return {"only_a": doubts[True, False], "only_b": doubts[False, True], "both": doubts[True, True]}

    def word_errors(self) -> dict[str, Any]:
        """Words put in, left out or changed from A to B in what both have heard, and their rate per word of A."""
        counts = [(words(_joined(group.a)), words(_joined(group.b))) for group in self.groups]
        edits, in_a = sum(distance(a, b) for a, b in counts), sum(len(a) for a, _ in counts)
        rate = edits / in_a if in_a else None
        return {"edits": edits, "words_a": in_a, "words_b": sum(len(b) for _, b in counts), "rate": rate}

    def against_person(self) -> dict[str, Any] | None:
        """Accuracy of both on the pairs that a person has labelled; None where nobody has."""
        labelled = [pair for pair in self.judged if pair.truth is not None]
        if not labelled:
            return None
        return {
            "n": len(labelled),
            "accuracy_a": _mean([_label(pair.a) == pair.truth for pair in labelled]),
            "accuracy_b": _mean([_label(pair.b) == pair.truth for pair in labelled]),
        }

    def as_object(self) -> dict[str, Any]:
        """The whole comparison for `--json`: figures, then every pair, then what only one has."""
        return {
            "a": head_of(self.a),
            "b": head_of(self.b),
            "pairs": len(self.pairs),
            "judged": len(self.judged),
            "agreement": self.agreement(),
            "kappa": self.kappa(),
            "verdict_agreement": self.verdict_agreement(),
            "abstained": self.abstained(),
            "confidence_change": self.confidence_change(),
            "words": self.word_errors(),
            "person": self.against_person(),
            "labels": self.labels,
            "confusion": self.confusion(),
            "utterances": [
                {
                    "a": _row(pair.a), "b": _row(pair.b), "labels_differ": pair.labels_differ,
                    "doubts_differ": pair.doubts_differ, "words_differ": pair.words_differ, "person": pair.truth,
                }
                for pair in self.pairs
            ],
            "only_a": [_row(utterance) for utterance in self.only_a],
            "only_b": [_row(utterance) for utterance in self.only_b],
        }  # fmt: skip


def compare(a: RecordedSession, b: RecordedSession) -> Comparison:
    """Align two sessions by time. Where both name the same speakers, utterances of different ones are not matched."""
    pairs, groups = _align(a.utterances, b.utterances)
    in_a, in_b = {pair.a.utterance_id for pair in pairs}, {pair.b.utterance_id for pair in pairs}
    seen = [_label(u) for pair in pairs if pair.judged for u in (pair.a, pair.b)]
    return Comparison(
        a, b, list(dict.fromkeys([*a.labels, *b.labels, *seen])), groups, pairs,
        [u for u in a.utterances if u.utterance_id not in in_a],
        [u for u in b.utterances if u.utterance_id not in in_b],
    )  # fmt: skip


# -- alignment ---------------------------------------------------------------------------------------------------------


def _align(a: Sequence[RecordedUtterance], b: Sequence[RecordedUtterance]) -> tuple[list[Pair], list[Group]]:
    """(pairs, groups). An utterance is in one pair at most, and those that share most are paired first.

    A group holds all utterances that are linked, directly or through others.
    """
    speakers = {u.heard_speaker for u in a}
    by_speaker = speakers == {u.heard_speaker for u in b} and len(speakers) > 1
    links: list[tuple[float, int, int]] = []  # share, index in a, in b
    begin = 0
    longest_s = max((u.end_s - u.start_s for u in b), default=0.0) + _INSTANT_S
    for i, one in enumerate(a):
        while begin < len(b) and b[begin].start_s < one.start_s - longest_s:
            begin += 1
        for j in range(begin, len(b)):
            other = b[j]
            if other.start_s >= one.end_s + _INSTANT_S:
                break
            if by_speaker and one.heard_speaker != other.heard_speaker:
                continue
            shared_s = min(one.end_s, other.end_s) + _INSTANT_S - max(one.start_s, other.start_s)
            lengths_s = [u.end_s - u.start_s + _INSTANT_S for u in (one, other)]
            if shared_s >= LEAST_SHARED * min(lengths_s):
                links.append((shared_s / (sum(lengths_s) - shared_s), i, j))
    taken_a: set[int] = set()
    taken_b: set[int] = set()
    chosen = []
    for _, i, j in sorted(links, key=lambda link: (-link[0], link[1], link[2])):
        if i not in taken_a and j not in taken_b:
            taken_a.add(i)
            taken_b.add(j)
            chosen.append((i, j))
    return [Pair(a[i], b[j]) for i, j in sorted(chosen)], _groups(a, b, [(i, j) for _, i, j in links])


def _groups(
    a: Sequence[RecordedUtterance], b: Sequence[RecordedUtterance], links: Iterable[tuple[int, int]]
) -> list[Group]:
    """The connected parts of `links`; an utterance that is linked to nothing is in no group."""
    of_a: dict[int, int] = {}
    of_b: dict[int, int] = {}
    root: list[int] = []

    def find(n: int) -> int:
        while root[n] != n:
            root[n] = n = root[root[n]]
        return n

    for i, j in links:
        for of, index in ((of_a, i), (of_b, j)):
            if index not in of:
                of[index] = len(root)
                root.append(len(root))
        root[find(of_b[j])] = find(of_a[i])
    members: dict[int, tuple[list[RecordedUtterance], list[RecordedUtterance]]] = {}
    for side, (of, utterances) in enumerate(((of_a, a), (of_b, b))):
        for index in sorted(of):
            members.setdefault(find(of[index]), ([], []))[side].append(utterances[index])
    return [Group(tuple(ones), tuple(others)) for ones, others in members.values()]


# -- words -------------------------------------------------------------------------------------------------------------


def heard(utterance: RecordedUtterance) -> str:
    """What the recogniser heard; "" where its words were screened out."""
    late = any(estimate.late_text is not None for estimate in utterance.estimates)
    return "" if utterance.asr.gated and not late else utterance.heard_text


def _joined(utterances: Iterable[RecordedUtterance]) -> str:
    return " ".join(map(heard, utterances))


def distance(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words are to put in, leave out or change (Levenshtein).

    Where texts of thousands of words differ it is an upper bound.
    """
    low = 0
    while low < min(len(a), len(b)) and a[low] == b[low]:
        low += 1
    a, b = a[low:], b[low:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    if len(a) * len(b) > _MOST_STEPS:
        return max(len(a), len(b))
    row = list(range(len(b) + 1))
    for i, one in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (one != other))
    return row[-1]


# -- what a model said -------------------------------------------------------------------------------------------------


def _label(utterance: RecordedUtterance) -> str:
    assert utterance.estimate is not None
    return utterance.estimate.label


def _confidence(utterance: RecordedUtterance) -> float:
    assert utterance.estimate is not None
    return utterance.estimate.confidence


def _doubt(utterance: RecordedUtterance) -> str | None:
    return None if utterance.estimate is None else utterance.estimate.abstained


def _verdict(utterance: RecordedUtterance) -> str | None:
    return None if _doubt(utterance) is not None else _label(utterance)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def head_of(session: RecordedSession) -> dict[str, Any]:
    """What a session is: its source, its models, how many utterances, and of which it is a rerun."""
    checkpoint = session.info.checkpoint if session.info else session.start.checkpoint if session.start else None
    asr = session.start.asr if session.start else None
    return {
        "session": session.name, "source": session.source, "started_at": session.started_at,
        "checkpoint": None if checkpoint is None else checkpoint.id, "asr": asr,
        "utterances": len(session.utterances), "rerun_of": session.info.rerun_of if session.info else None,
    }  # fmt: skip


def _row(utterance: RecordedUtterance) -> dict[str, Any]:
    estimate = utterance.estimate
    return {
        "utterance_id": utterance.utterance_id,
        "start_s": utterance.start_s,
        "end_s": utterance.end_s,
        "speaker": utterance.heard_speaker,
        "text": utterance.heard_text,
        "gated": None if any(e.late_text is not None for e in utterance.estimates) else utterance.asr.gated,
        "label": None if estimate is None else estimate.label,
        "confidence": None if estimate is None else estimate.confidence,
        "abstained": None if estimate is None else estimate.abstained,
    }
