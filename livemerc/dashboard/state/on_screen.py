"""What stands on the screen as events again: a session that nobody records can still be exported."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from livemerc.dashboard.state.session import SessionState
from livemerc.dashboard.state.utterance import Estimate, Utterance, Vector
from livemerc.events import EmotionEvent, Event, FinalAsr, LabelShift, Modality, SessionEnd, UtteranceFinal


def events_on_screen(state: SessionState) -> Iterator[Event]:
    """`session.start`, the finals with their estimates and shifts in order, and `session.end` where it has ended.

    Hypotheses and the monitor's status are not kept on the screen; nor are utterances that have left it, nor what words
    and voice alone said in an estimate that was revised.
    """
    if state.start is not None:
        yield state.start
    for utterance in state.utterances:
        if utterance.final:
            yield _final(utterance)
            for estimate in (*utterance.earlier, *filter(None, [utterance.estimate])):
                if estimate.status != "partial":  # the words came before the first judgement of them
                    yield _emotion(state.labels, utterance, estimate)
            if utterance.shift is not None:
                before, because = utterance.shift
                yield LabelShift(utterance_id=utterance.utterance_id, before=before, because=because)
    if state.end is not None:
        yield SessionEnd(
            duration_s=state.end.duration_s,
            utterances=len(state.utterances),
            dropped_s=state.end.dropped_s,
            overruns=state.end.overruns,
        )


def _final(utterance: Utterance) -> UtteranceFinal:
    engine, _, model = utterance.asr.partition(" ")
    return UtteranceFinal(
        utterance_id=utterance.utterance_id,
        start_s=utterance.start_s,
        end_s=utterance.start_s if utterance.end_s is None else utterance.end_s,
        text=utterance.text,
        speaker=utterance.speaker,
        asr=FinalAsr(
            engine=engine, model=model or None, confidence=utterance.asr_confidence, gated=utterance.gated
        ),
        overlaps=UNSET if utterance.overlaps is None else list(utterance.overlaps),
    )  # fmt: skip


def _emotion(labels: list[str], utterance: Utterance, estimate: Estimate) -> EmotionEvent:
    def named(vector: Vector | None) -> dict[str, float] | None:
        return None if vector is None else dict(zip(labels, vector, strict=False))

    first = not utterance.earlier or estimate is utterance.earlier[0]
    return EmotionEvent(
        utterance_id=utterance.utterance_id,
        revision=estimate.revision,
        status=estimate.status,
        label=estimate.label,
        confidence=estimate.confidence,
        abstained=estimate.abstained,
        probabilities=named(estimate.probabilities) or {},
        modality=Modality(text=named(estimate.text), speech=named(estimate.speech)),
        timing=utterance.timing if first else None,
    )
