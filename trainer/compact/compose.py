"""Composed dialogues: the live condition has words and voice, and no open corpus here holds both.

MELD's words are joined with clips that were judged by heads that never heard their corpus, so that a voice is worth
here what it is worth on acted speech from elsewhere. A clip carries the utterance's emotion with probability `match`:
people who do not act carry less in their voice. Otherwise the clip is flat (neutral) or of any other emotion, because
people say joyful words flatly more often than angrily.

Each speaker is one actor through a dialogue: cold at first, later judged against the actor's usual voice. In some
dialogues nobody knows who speaks, and every voice stays cold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainer.loop.windows import DialogueFeatures

UNHEARD = "rakshak"
"""Single words in the street, of which a head that never heard them finds a quarter: they teach distrust alone."""


class ClipPool:
    """Speech embeddings of voices: s1 (N, Ds) float32, label (N,) int64, actor (N,) str, corpus/speaker; warm (N,)
    bool: judged against the actor's usual voice, None = none was.

    `soften`: deviation of the noise on every draw; where there is any, half of the draws also lie between two clips of
    the emotion. Training needs it, because a network learns few actors by heart. `nameless`: share of dialogues in
    which nobody knows who speaks.
    """

    def __init__(
        self,
        s1: np.ndarray,
        label: np.ndarray,
        actor: np.ndarray,
        soften: float = 0.0,
        warm: np.ndarray | None = None,
        nameless: float = 0.0,
    ):
        self.s1, self.label, self.actor, self.soften, self.nameless = s1, label, actor, soften, nameless
        self.warm = np.zeros(len(label), bool) if warm is None else warm
        self._casts: dict[str, list[str]] = defaultdict(list)
        for one in sorted(set(map(str, actor))):
            self._casts[one.split("/")[0]].append(one)
        self._rows: dict[tuple[str | None, int, bool | None], list[int]] = defaultdict(list)
        for i, (one, kind, state) in enumerate(zip(actor, label, self.warm, strict=True)):
            for who in (str(one), None):
                for known in (bool(state), None):
                    self._rows[who, int(kind), known].append(i)

    @property
    def actors(self) -> list[str]:
        """All, by corpus."""
        return [one for of_corpus in self._casts.values() for one in of_corpus]

    def cast(self, rng: np.random.Generator) -> str:
        """An actor; corpora alike, whatever their sizes."""
        corpora = list(self._casts)
        actors = self._casts[corpora[rng.integers(len(corpora))]]
        return actors[rng.integers(len(actors))]

    def draw(self, actor: str, label: int, rng: np.random.Generator, warm: bool = False) -> np.ndarray:
        """A clip of that emotion by that actor, cold or warm, or by any actor where he has none of it. Where none is
        as warm as that, in the other state."""
        of_anyone = self._rows.get((None, label, warm)) or self._rows[None, label, None]
        indices = self._rows.get((actor, label, warm)) or self._rows.get((actor, label, None)) or of_anyone
        clip = self.s1[indices[rng.integers(len(indices))]]
        if not self.soften:
            return clip
        if rng.random() < 0.5:
            share = rng.random()
            clip = share * clip + (1 - share) * self.s1[of_anyone[rng.integers(len(of_anyone))]]
        return (clip + self.soften * rng.standard_normal(clip.shape)).astype(np.float32)

    def only(self, keep: np.ndarray, soften: float = 0.0, nameless: float = 0.0) -> ClipPool:
        return ClipPool(self.s1[keep], self.label[keep], self.actor[keep], soften, self.warm[keep], nameless)

    def all_nameless(self) -> ClipPool:
        """The same, and nobody knows who speaks in any dialogue: the cold voices."""
        return self.only(~self.warm, self.soften, 1.0)


def clip_pools(path: Path, held_out: Sequence[str], soften: float = 0.0, nameless: float = 0.0) -> dict[str, ClipPool]:
    """Pools "train", "dev" and "test" from `trainer.compact.voice`'s embeddings. Actors are named corpus/speaker.

    "dev": `held_out` of the actors set apart (split B); "test": split C, unseen in every stage, without augmentation.
    "train": the rest of B (readers that the head never heard among them, as neutral voices) and the head's own speakers
    (A), judged by heads that left their corpus out, under the noise of `soften`: three voices alone taught Stage II
    their own confusions (trainer/LOG.md). `UNHEARD` is in neither. In a share `nameless` of the dialogues that are made
    of "train" and "dev" nobody knows who speaks.
    """
    arrays = np.load(path)
    actor = np.array([f"{c}/{s}" for c, s in zip(arrays["corpus"], arrays["speaker"], strict=True)])
    # S1 is the Stage I logits, as in livemerc.model.encoders
    everything = ClipPool(
        arrays["logits"].astype(np.float32), arrays["label"].astype(np.int64), actor, warm=arrays["earlier"] > 0
    )
    b = (arrays["split"] == "B") & (arrays["corpus"] != UNHEARD)
    a = (arrays["split"] == "A") & (arrays["corpus"] != UNHEARD)
    dev = np.isin(actor, list(held_out))
    clean = ~np.char.startswith(arrays["version"].astype(str), "augmented")
    return {
        "train": everything.only((b & ~dev) | a, soften, nameless),
        "dev": everything.only(b & dev, nameless=nameless),
        "test": everything.only((arrays["split"] == "C") & clean),
    }


@dataclass(frozen=True, slots=True)
class TextDialogue:
    """A text dialogue: t1 (n, Dt), labels (n,), speakers (n,); soft (n, 7): what a teacher says, None without one."""

    t1: np.ndarray
    labels: np.ndarray
    speakers: list[str]
    soft: np.ndarray | None = None


def compose(
    words: TextDialogue, pool: ClipPool, match: float, absent: float, rng: np.random.Generator
) -> DialogueFeatures:
    """Gives words voices: each speaker gets an actor, cold at first and then warm, or cold throughout where nobody
    knows who speaks; `absent` = share of utterances without a voice."""
    cast = {s: pool.cast(rng) for s in dict.fromkeys(words.speakers)}
    nameless = rng.random() < pool.nameless
    heard: set[str] = set()
    n, labels = len(words.labels), sorted(set(map(int, pool.label)))
    s1 = np.zeros((n, pool.s1.shape[1]), np.float32)
    has_speech = rng.random(n) >= absent
    for i in np.flatnonzero(has_speech):
        label, actor = int(words.labels[i]), cast[words.speakers[i]]
        if rng.random() >= match:
            others = [x for x in labels if x != label]
            label = 0 if label != 0 and rng.random() < 0.5 else others[rng.integers(len(others))]
        s1[i] = pool.draw(actor, label, rng, warm=not nameless and actor in heard)
        heard.add(actor)
    return DialogueFeatures(words.t1, s1, np.ones(n, bool), has_speech, words.labels)


def corrupted(dialogues: Sequence[DialogueFeatures], share: float, rng: np.random.Generator) -> list[DialogueFeatures]:
    """The same dialogues with `share` of their voices exchanged for voices of other utterances, whosever they are."""
    voices = np.concatenate([d.s1[d.has_speech] for d in dialogues])
    out = []
    for dialogue in dialogues:
        s1 = dialogue.s1.copy()
        hit = dialogue.has_speech & (rng.random(len(dialogue)) < share)
        s1[hit] = voices[rng.integers(len(voices), size=int(hit.sum()))]
        out.append(replace(dialogue, s1=s1))
    return out


def voices_alone(words: TextDialogue, pool: ClipPool, rng: np.random.Generator) -> DialogueFeatures:
    """The dialogue's course of emotions as voices without words."""
    full = compose(words, pool, 1.0, 0.0, rng)
    return DialogueFeatures(full.t1, full.s1, np.zeros(len(full), bool), full.has_speech, full.labels)


def neutral_words(
    texts: np.ndarray, labels: np.ndarray, pool: ClipPool, absent: float, rng: np.random.Generator
) -> DialogueFeatures:
    """Voices of two speakers with words that say nothing of the emotion: the voice decides. texts (M, Dt) to draw from;
    labels (n,)."""
    n = len(labels)
    words = TextDialogue(texts[rng.integers(len(texts), size=n)], labels, [str(rng.integers(2)) for _ in range(n)])
    spoken = compose(words, pool, 1.0, 0.0, rng)
    return replace(spoken, has_text=rng.random(n) >= absent)
