"""The ladder: what each step from the offline model to the live one costs in weighted F1, and what it gains in time.

    full dialogue   reference words and cuts, the whole dialogue in sight (the paper's setting)
    lag R           the same, causal, in a window of K; a label may change until R later utterances have come
    lag 0           the same, judged as soon as the utterance ends
    ASR text        lag 0, the recogniser's words instead of the reference's, screened as live, reference cuts
    VAD cuts        lag 0, the recogniser's words, and the ears find the utterances themselves in the whole recording,
                    and who speaks is unknown

Each rung is run by the live code: `Dialogue`, from "ASR text" on `Processor`, and for "VAD cuts" `Ears` before it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import torch

from livemerc.asr.engine import AsrEngine
from livemerc.asr.select import choose_engine
from livemerc.audio.items import Utterance
from livemerc.config import SAMPLE_RATE_HZ, AsrConfig, Config, DialogueConfig, ModelConfig, ScreeningConfig, VadConfig
from livemerc.events import EmotionEvent, Event, UtteranceFinal
from livemerc.model.merits import MeritsL
from livemerc.pipeline.judging import s1_in_turn
from livemerc.pipeline.loader import load_processor
from livemerc.pipeline.processor import Processor
from trainer.corpora.recordings import hear
from trainer.evaluation.bootstrap import Tally, draws, interval
from trainer.evaluation.evaluate import Encoded, Evaluation, RowAudio
from trainer.evaluation.options import EvaluateOptions
from trainer.evaluation.segments import match, one_recording, stretch
from trainer.loop.metrics import label_metrics

TIMED_ROWS = 200
"""Rows, spread evenly, whose encoding is timed one at a time, as live; the figures are encoded in batches."""
NO_AUDIO = "no audio"
NO_WHOLE_DIALOGUE = "no dialogue with audio on every row"
NO_RECORDING = "no dialogue whose rows share one recording with start_s and end_s"


def ladder(
    evaluation: Evaluation,
    options: EvaluateOptions,
    announce: Callable[[str], None],
    *,
    engine: AsrEngine | None = None,
    vad: VadConfig | None = None,
) -> dict[str, Any]:
    """{"lag", "context", "rungs": [...], "cost_of_streaming_points": full dialogue minus lag 0, in points of weighted
    F1, "cost_of_streaming_interval": 95 %, over dialogues, if a bootstrap was asked for}.

    A rung: {"rung", "n", "dialogues", weighted F1 and the other figures of labels, "lag_0_same_rows": weighted F1 of
    lag 0 on the rows of this rung, "latency"}; or {"rung", "weighted_f1": None, "why"} where it cannot be had.
    "latency" is from the end of an utterance to its settled label, {"p50", "p95"} each: "wait_s" for what must be heard
    first (None without times), "wait_utterances" the same in utterances, "compute_ms" measured here. At the end of a
    dialogue nothing more is waited for. `announce` is told which recogniser runs: `engine`, which is
    closed at the end; None = as the options say. Raises `InputError`, `ModelError`.
    """
    # as in `Dialogue`: a revision needs the utterance in the window
    lag = min(options.lag or DialogueConfig().revise, evaluation.context - 1)
    timed = _Timed(evaluation)
    whole_ms: list[float] = []
    whole = np.concatenate([judge_whole(evaluation.model, d, whole_ms) for d in evaluation.dialogues])
    lag_ms: list[float] = []
    at_lag = evaluation.judge(lag, fuse_ms=lag_ms)
    zero_ms: list[float] = []
    at_zero = evaluation.judge(0, fuse_ms=zero_ms)
    zero = at_zero.argmax(1)

    def rung(name: str, probabilities: np.ndarray, waits: int | None, fuse_ms: list[float]) -> dict[str, Any]:
        return {
            "rung": name,
            "n": len(probabilities),
            "dialogues": len(evaluation.dialogues),
            **label_metrics(probabilities.argmax(1), evaluation.truth, len(evaluation.labels)),
            "lag_0_same_rows": float(label_metrics(zero, evaluation.truth, len(evaluation.labels))["weighted_f1"]),
            "latency": {**_waits(evaluation.dialogues, waits), "compute_ms": timed.with_fusion(fuse_ms)},
        }

    rungs = [
        rung("full dialogue", whole, None, whole_ms),
        rung(f"lag {lag}", at_lag, lag, lag_ms),
        rung("lag 0", at_zero, 0, zero_ms),
        *_heard_rungs(evaluation, options, zero, announce, engine, vad or VadConfig()),
    ]
    out = {
        "lag": lag,
        "context": evaluation.context,
        "rungs": rungs,
        "cost_of_streaming_points": 100 * (rungs[0]["weighted_f1"] - rungs[2]["weighted_f1"]),
    }
    if options.bootstrap is not None:
        a, b = (Tally.of(p, evaluation.truth, evaluation.dialogue) for p in (at_zero, whole))
        weights = draws(len(a), options.bootstrap, options.seed)
        cost = 100 * (b.figures(weights)["weighted_f1"] - a.figures(weights)["weighted_f1"])
        out["cost_of_streaming_interval"] = interval(cost)
    return out


def judge_whole(model: MeritsL, dialogue: Sequence[Encoded], fuse_ms: list[float] | None = None) -> np.ndarray:
    """(n, C) probabilities with the whole dialogue in one window: what `Dialogue` gives with K = n, R = n - 1."""
    widths = model.conversation.config
    device = next(model.parameters()).device

    def stack(rows: list[torch.Tensor | None], width: int) -> torch.Tensor:
        return torch.stack([torch.zeros(width) if r is None else r.cpu() for r in rows])[None].to(device)

    t1 = stack([e.t1 for e in dialogue], widths["text"]["width"])
    has_text = torch.tensor([[e.t1 is not None for e in dialogue]], device=device)
    has_speech = torch.tensor([[e.voice is not None for e in dialogue]], device=device)
    began = time.perf_counter()
    rows = s1_in_turn(model, [e.voice for e in dialogue], [e.row.speaker for e in dialogue])
    s1 = stack(rows, widths["speech"]["width"])
    fused = model.window(t1, s1, has_text, has_speech, torch.tensor([len(dialogue)])).fused[0].cpu().double()
    if fuse_ms is not None:
        fuse_ms += [(time.perf_counter() - began) * 1000] * len(dialogue)
    return (fused / fused.sum(-1, keepdim=True)).numpy()


def _heard_rungs(
    evaluation: Evaluation,
    options: EvaluateOptions,
    zero: np.ndarray,
    announce: Callable[[str], None],
    engine: AsrEngine | None,
    vad: VadConfig,
) -> list[dict[str, Any]]:
    """The rungs that need audio. `zero` (N,): labels at lag 0."""
    dialogues = evaluation.dialogues
    worded = [i for i, d in enumerate(dialogues) if all(e.row.audio is not None for e in d)]
    recorded = [i for i in worded if one_recording([e.row for e in dialogues[i]])]
    if not worded:
        why = NO_WHOLE_DIALOGUE if evaluation.has_speech.any() else NO_AUDIO
        return [{"rung": name, "weighted_f1": None, "why": why} for name in ("ASR text", "VAD cuts")]
    config = Config(
        asr=AsrConfig(engine=options.asr, model=options.model),
        vad=vad,
        model=ModelConfig(
            checkpoint=None if evaluation.path is None else str(evaluation.path),
            device=options.device,
            threads=options.threads,
        ),
        dialogue=DialogueConfig(context=evaluation.context, revise=0),
        screening=ScreeningConfig(echo=False),  # speakers of one recording are no channels that hear each other
    )
    asr = engine or choose_engine(config, announce=announce)
    heard = _Heard(evaluation, load_processor(config, lambda: asr), asr, config, zero)
    rungs = [heard.reference_cuts(worded)]
    if recorded:
        rungs.append(heard.own_cuts(recorded))
    else:
        rungs.append({"rung": "VAD cuts", "weighted_f1": None, "why": NO_RECORDING})
    asr.close()
    return rungs


class _Heard:
    """The last two rungs: audio through the live processor, one dialogue after the other."""

    def __init__(self, evaluation: Evaluation, processor: Processor, asr: AsrEngine, config: Config, zero: np.ndarray):
        self.evaluation, self.processor, self.asr, self.config, self.zero = evaluation, processor, asr, config, zero
        self.rows_of = [np.flatnonzero(evaluation.dialogue == d) for d in range(len(evaluation.dialogues))]
        self.finals = self.gated = 0

    def reference_cuts(self, chosen: list[int]) -> dict[str, Any]:
        """The reference's cuts with the recogniser's words."""
        audio = RowAudio([e.row for d in chosen for e in self.evaluation.dialogues[d]])
        self.finals = self.gated = 0
        guess, compute_ms = [], []
        for d in chosen:
            self.processor.begin_dialogue()
            for number, e in enumerate(self.evaluation.dialogues[d]):
                samples = audio.samples(e.row)
                end_s = e.row.start_s + len(samples) / SAMPLE_RATE_HZ
                utterance = Utterance(
                    str(number), samples, e.row.start_s, e.row.start_s, end_s, end_s, False, e.row.speaker
                )
                label, took_ms = self._judged(utterance)
                guess.append(label)
                compute_ms.append(took_ms)
        dialogues = [self.evaluation.dialogues[d] for d in chosen]
        latency = {**_waits(dialogues, 0), "compute_ms": _percentiles(compute_ms)}
        return self._rung("ASR text", chosen, np.array(guess), latency)

    def own_cuts(self, chosen: list[int]) -> dict[str, Any]:
        """The ears' cuts with the recogniser's words; scored as `trainer.evaluation.segments.match` says."""
        guess: list[int] = []
        waits_s, compute_ms = [], []
        cuts: Counter[str] = Counter()
        all_rows = [[e.row for e in d] for d in self.evaluation.dialogues]
        self.finals = self.gated = 0
        for d in chosen:
            self.processor.begin_dialogue()
            judged: list[tuple[Utterance, int, float]] = []
            for item in hear(self.config, *stretch(all_rows, d)):
                if isinstance(item, Utterance):
                    judged.append((item, *self._judged(item)))
                else:
                    list(self.processor.handle(item))
            segment_of, counts = match([(u.start_s, u.end_s) for u, _, _ in judged], all_rows[d])
            cuts.update(counts)
            for number in segment_of:
                guess.append(-1 if number is None else judged[number][1])
                if number is not None:
                    utterance, _, took_ms = judged[number]
                    waits_s.append(utterance.decided_s - utterance.end_s)
                    compute_ms.append(took_ms)
        latency = {
            "wait_s": _percentiles(waits_s),
            "wait_utterances": _percentiles([0.0]),
            "compute_ms": _percentiles(compute_ms),
        }
        return self._rung("VAD cuts", chosen, np.array(guess), latency) | {"cuts": dict(cuts)}

    def _judged(self, utterance: Utterance) -> tuple[int, float]:
        """Label and compute time (ASR, encoders, Stages II and III) of one utterance."""
        events: list[Event] = list(self.processor.handle(utterance))
        for event in events:
            if isinstance(event, UtteranceFinal):
                self.finals += 1
                self.gated += event.asr.gated is not None
        (first,) = [e for e in events if isinstance(e, EmotionEvent) and e.timing is not None]
        assert first.timing is not None
        t = msgspec.structs.asdict(first.timing)
        return self.evaluation.labels.index(first.label), sum(t[k] for k in ("asr_ms", "encode_ms", "fuse_ms"))

    def _rung(self, name: str, chosen: list[int], guess: np.ndarray, latency: dict[str, Any]) -> dict[str, Any]:
        rows = np.concatenate([self.rows_of[d] for d in chosen])
        truth, classes = self.evaluation.truth[rows], len(self.evaluation.labels)
        return {
            "rung": name,
            "n": len(rows),
            "dialogues": len(chosen),
            **label_metrics(guess, truth, classes),
            "lag_0_same_rows": float(label_metrics(self.zero[rows], truth, classes)["weighted_f1"]),
            "latency": latency,
            "asr": {"engine": self.asr.engine, "model": self.asr.model, "gated": self.gated / max(1, self.finals)},
        }


class _Timed:
    """Times the encoding of some rows, one at a time; with their fusion this is the live compute time."""

    def __init__(self, evaluation: Evaluation):
        rows = [e.row for d in evaluation.dialogues for e in d]
        self.chosen = np.unique(np.linspace(0, len(rows) - 1, min(TIMED_ROWS, len(rows))).astype(int))
        audio = RowAudio(rows)
        self.encode_ms = []
        for i in self.chosen:
            samples = None if rows[i].audio is None else audio.samples(rows[i])
            began = time.perf_counter()
            if rows[i].text:
                evaluation.encoders.text([rows[i].text])
            if samples is not None:
                evaluation.encoders.speech(samples)
            self.encode_ms.append((time.perf_counter() - began) * 1000)

    def with_fusion(self, fuse_ms: list[float]) -> dict[str, float] | None:
        return _percentiles([e + fuse_ms[i] for e, i in zip(self.encode_ms, self.chosen, strict=True)])


def _waits(dialogues: Sequence[Sequence[Encoded]], lag: int | None) -> dict[str, Any]:
    """How long after its end an utterance's label is settled; `lag` None = at the end of the dialogue.

    Seconds where a dialogue's rows are on one clock: the same recording (or none) with `end_s` in order.
    """
    seconds, utterances = [], []
    for dialogue in dialogues:
        last = len(dialogue) - 1
        until = [last if lag is None else min(i + lag, last) for i in range(len(dialogue))]
        utterances += [float(u - i) for i, u in enumerate(until)]
        ends = [e.row.end_s for e in dialogue if e.row.end_s is not None]
        if len(ends) < len(dialogue) or len({e.row.audio for e in dialogue}) > 1 or ends != sorted(ends):
            continue
        seconds += [ends[u] - ends[i] for i, u in enumerate(until)]
    return {"wait_s": _percentiles(seconds) if seconds else None, "wait_utterances": _percentiles(utterances)}


def _percentiles(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    p50, p95 = np.percentile(values, [50, 95])
    return {"p50": float(p50), "p95": float(p95)}
