"""What the model costs an utterance: Stage I, Stages II and III, as a session grows, and beside a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from livemerc.bench.measuring import Stages, busy_cores, clock, over_runs, percentiles, progress
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.pipeline.abstention import Cues
from livemerc.pipeline.dialogue import Dialogue

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from livemerc.model.encoders import Encoders

GROWTH_AT = (50, 500, 2000)
_AROUND = 10
FIVE_S = 5 * SAMPLE_RATE_HZ
_WHO = "somebody"
"""One speaker, so that the voice is judged against a full baseline where the checkpoint has such."""

Spoken = tuple["np.ndarray", str]
"""Samples of an utterance and its words."""

SENTENCES = (
    "I really can't believe that you went there without telling me anything about it last night, honestly.",
    "We were supposed to meet at the station around seven but the train was late again so I left.",
    "Oh that is wonderful news, I am so happy for you and your whole family, congratulations to everyone!",
    "Well I don't know what to say about that because nobody ever asked me what I thought of it.",
)
"""Seventeen to nineteen words each: what is said in five seconds."""


def measure_model(
    make_dialogue: Callable[[], Dialogue], encoders: Encoders, demo: Sequence[Spoken], context: int, quick: bool
) -> dict[str, Any]:
    """`stages_ms` (p50, p95, n), `loaded` ({factor_p50, factor_p95}), `growth_ms`, `pass_s` (once through the demo).

    demo: utterances of at most 5 s. Five runs (`quick`: one) after a warm-up; medians over the runs.
    """
    runs: list[Stages] = []
    whole = _five_seconds(demo)
    _through(demo[:2], make_dialogue(), encoders, {})  # first calls allocate and pick kernels
    encoders.speech(whole)
    pass_s: list[float] = []
    repeats = 1 if quick else 5
    for run in range(repeats):
        progress(f"the model's stages, run {run + 1} of {repeats}")
        stages: Stages = {}
        began = time.perf_counter()
        _through(demo, make_dialogue(), encoders, stages)
        pass_s.append(time.perf_counter() - began)
        dialogue = _full(make_dialogue(), encoders, demo, context)
        _standard(dialogue, encoders, whole, stages, "")
        while dialogue.unexplained:
            clock(stages, "why a label shifted (full window)", dialogue.explain)
        _glimpses(dialogue, encoders, whole, stages)
        with busy_cores():
            _standard(dialogue, encoders, whole, stages, ", all cores loaded")
        runs.append(stages)
    found = over_runs(runs)
    quiet, loaded = (found[STANDARD.format(also)] for also in ("", ", all cores loaded"))
    progress("Stages II and III as a session grows")
    t1, s1 = encoders.text([demo[0][1]])[0], encoders.speech(demo[0][0])
    return {
        "stages_ms": found,
        "loaded": {f"factor_{p}": loaded[p] / quiet[p] for p in ("p50", "p95")},
        "growth_ms": growth(make_dialogue, t1, s1, 500 if quick else 2000),
        "pass_s": pass_s[0],
    }


STANDARD = "encode + fuse (5 s, 18 words, full window){}"


def _through(demo: Sequence[Spoken], dialogue: Dialogue, encoders: Encoders, stages: Stages) -> None:
    for i, (samples, text) in enumerate(demo):
        began = time.perf_counter()
        t1 = clock(stages, "text encoder", encoders.text, [text])[0]
        s1 = clock(stages, "speech encoder (up to 5 s)", encoders.speech, samples)
        clock(stages, "Stage II + III", dialogue.add, str(i), t1, s1, Cues(duration_s=2.0), speaker=_WHO)
        stages.setdefault("encode + fuse", []).append((time.perf_counter() - began) * 1000)


def _standard(dialogue: Dialogue, encoders: Encoders, whole: np.ndarray, stages: Stages, also: str) -> None:
    """Twenty utterances of 5 s and 18 words in a window that is full."""
    for i in range(20):
        text = SENTENCES[i % len(SENTENCES)]
        began = time.perf_counter()
        t1 = clock(stages, f"text encoder (18 words){also}", encoders.text, [text])[0]
        s1 = clock(stages, f"speech encoder (5 s){also}", encoders.speech, whole)
        name, cues = f"Stage II + III (full window){also}", Cues(duration_s=5.0)
        clock(stages, name, dialogue.add, f"{i}{also}", t1, s1, cues, speaker=_WHO)
        stages.setdefault(STANDARD.format(also), []).append((time.perf_counter() - began) * 1000)


def _glimpses(dialogue: Dialogue, encoders: Encoders, whole: np.ndarray, stages: Stages) -> None:
    """Partial estimates of an utterance that still goes on, in the middle of its length and at its longest."""
    import numpy as np

    def glimpse(samples: np.ndarray) -> None:
        dialogue.partial("open", encoders.speech(samples), Cues(duration_s=5.0), speaker=_WHO)

    longest = np.resize(whole, 12 * SAMPLE_RATE_HZ)
    for _ in range(10):
        clock(stages, "partial estimate (5 s so far)", glimpse, whole)
        clock(stages, "partial estimate (12 s so far)", glimpse, longest)


def _full(dialogue: Dialogue, encoders: Encoders, demo: Sequence[Spoken], context: int) -> Dialogue:
    """With as many utterances as the window holds."""
    rows = [(encoders.text([text])[0], encoders.speech(samples)) for samples, text in demo]
    for i in range(context):
        dialogue.add(f"before {i}", *rows[i % len(rows)], Cues(duration_s=2.0), speaker=_WHO)
    return dialogue


def _five_seconds(demo: Sequence[Spoken]) -> np.ndarray:
    """Speech, as long as an utterance of 5 s: noise would do for the time, and not for its branches."""
    import numpy as np

    return np.resize(np.concatenate([samples for samples, _ in demo]), FIVE_S).astype(np.float32)


def growth(make_dialogue: Callable[[], Any], t1: Tensor | None, s1: Tensor | None, until: int) -> dict[str, float]:
    """Median ms of Stages II and III around utterance 50, 500, 2000 of a session (21 utterances each).

    One session for each of them, and their utterances measured in turn: whatever else the machine does meanwhile
    falls on all alike.
    """
    sessions: dict[int, Any] = {n: make_dialogue() for n in GROWTH_AT if n <= until}
    for n, dialogue in sessions.items():
        for i in range(n - _AROUND - 1):
            dialogue.add(str(i), t1, s1, Cues(duration_s=2.0), speaker=_WHO)
    times: dict[int, list[float]] = {n: [] for n in sessions}
    for i in range(2 * _AROUND + 1):
        in_turn = list(sessions.items())
        for n, dialogue in in_turn[i % len(in_turn) :] + in_turn[: i % len(in_turn)]:
            began = time.perf_counter()
            dialogue.add(f"measured {i}", t1, s1, Cues(duration_s=2.0), speaker=_WHO)
            times[n].append((time.perf_counter() - began) * 1000)
    return {str(n): percentiles(values)["p50"] for n, values in times.items()}


def load(config: Config) -> tuple[Callable[[], Dialogue], Encoders, str]:
    """What makes a new dialogue, the encoders and the machine's part that computes. Raises `ModelError`."""
    import torch

    from livemerc.model.checkpoint import read_manifest
    from livemerc.model.encoders import choose_device, load_model

    device = choose_device(config.model.device)
    model, encoders = load_model(config.model.checkpoint, device, config.model.threads, config.model.precision)
    abstention = read_manifest(config.model.checkpoint).abstention
    threads = torch.get_num_threads()
    where = f"{device} ({torch.cuda.get_device_name()})" if device == "cuda" else device
    compute = f"{where}, {threads} torch thread{'s' if threads > 1 else ''}, {config.model.precision}"
    return lambda: Dialogue(model, config.dialogue, abstention), encoders, compute
