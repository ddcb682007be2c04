"""The same stages without a cache: for every utterance the whole dialogue so far is encoded and judged anew.

That is how a model for finished dialogues is run on one that goes on. Same weights, same encoders, same Stages II and
III: what differs is only what is kept.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from livemerc.bench.model import Spoken
from livemerc.pipeline.abstention import Cues
from livemerc.pipeline.dialogue import Dialogue

if TYPE_CHECKING:
    from livemerc.model.encoders import Encoders

AT = (10, 50, 200)
"""Lengths of the dialogue at which one more utterance is measured."""


def judge_anew(encoders: Encoders, spoken: Sequence[Spoken], last: int | None = None) -> list[float]:
    """Probabilities (C) of the last utterance, in the order of the labels, of a dialogue in which everything is said
    with words and voice; `last`: Stages II and III see only so many utterances at the end."""
    import torch

    t1 = torch.stack([encoders.text([text])[0] for _, text in spoken])
    voices = torch.stack([encoders.speech(samples) for samples, _ in spoken])
    s1 = encoders.model.voice_of(voices, None)  # whoever speaks is unknown below, too
    if last is not None:
        t1, s1 = t1[-last:], s1[-last:]
    there = torch.ones(1, len(t1), dtype=torch.bool, device=encoders.device)
    window = encoders.model.window(
        t1[None].to(encoders.device), s1[None].to(encoders.device), there, there, torch.tensor([len(t1)])
    )
    return window.fused[0, -1].cpu().tolist()


def compare(
    make_dialogue: Callable[[], Dialogue],
    encoders: Encoders,
    demo: Sequence[Spoken],
    context: int,
    quick: bool,
    at: Sequence[int] = AT,
) -> dict[str, Any]:
    """By length of the dialogue (`at`): `cached_ms`, `naive_ms` for one more utterance (medians of 5 runs, `quick` of
    1) and their `ratio`; `largest_difference` of any probability, where both see the same window."""
    out: dict[str, Any] = {}
    largest = 0.0
    for n in at:
        spoken = list(islice(cycle(demo), n))
        cached, naive = [], []
        for _ in range(1 if quick else 5):
            dialogue = make_dialogue()
            for i, (samples, text) in enumerate(spoken[-context:-1]):  # what came before has left the window
                dialogue.add(str(i), encoders.text([text])[0], encoders.speech(samples), Cues(duration_s=2.0))
            samples, text = spoken[-1]
            began = time.perf_counter()
            events = dialogue.add("new", encoders.text([text])[0], encoders.speech(samples), Cues(duration_s=2.0))
            cached.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            judge_anew(encoders, spoken)
            naive.append((time.perf_counter() - began) * 1000)
        ours = next(e.probabilities for e in events if e.utterance_id == "new").values()
        theirs = judge_anew(encoders, spoken[-context:], last=context)
        largest = max(largest, *(abs(a - b) for a, b in zip(ours, theirs, strict=True)))
        mine, plain = statistics.median(cached), statistics.median(naive)
        out[str(n)] = {"cached_ms": mine, "naive_ms": plain, "ratio": plain / mine}
    return {"at": out, "largest_difference": largest}
