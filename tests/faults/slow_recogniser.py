"""A session at real speed whose recogniser needs `--factor` times as long as the speech lasts. By hand, in the root:

    PYTHONPATH=tests python -m faults.slow_recogniser --factor 5 --seconds 225

Prints how far behind the session was, what became of the words, and whether every second of speech is accounted for.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections import Counter

import numpy as np
from helpers.scripted_parts import RATE_HZ, Recited, Talk, stretches

from livemerc.asr.engine import Transcript
from livemerc.audio.items import Utterance
from livemerc.audio.make_ears import make_ears
from livemerc.config import load_config
from livemerc.events import EmotionEvent, Event, SessionEnd, SessionStart, Status, UtteranceFinal
from livemerc.model.encoders import load_model
from livemerc.pipeline.monitor import Monitor


class Slow(Recited):
    """The cheapest words after `factor` times the length of the speech."""

    engine = "slow"

    def __init__(self, factor: float) -> None:
        self._factor = factor

    def transcribe(self, utterance: Utterance) -> Transcript:
        time.sleep(self._factor * len(utterance.samples) / RATE_HZ)
        return super().transcribe(utterance)


class Long(Talk):
    """The demo again and again, `seconds` of it."""

    def __init__(self, seconds: float, *, live: bool) -> None:
        super().__init__(seconds, live=live)
        times = int(np.ceil(seconds * RATE_HZ / len(self._samples)))
        self._samples = np.tile(self._samples, times)[: round(seconds * RATE_HZ)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--factor", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=225.0)
    options = parser.parse_args()
    config = load_config(environ={})
    ears = make_ears(config, Long(1, live=False))
    heard = [item for block in Long(options.seconds, live=False).blocks() for item in ears.feed(block)] + ears.flush()
    spoken = [item for item in heard if isinstance(item, Utterance)]
    load_model(None, "cpu", 1)  # torch is there: what follows is the recogniser's doing alone
    monitor = Monitor(Long(options.seconds, live=True), config, engine=Slow(options.factor))
    events: list[Event] = []
    lags_s: list[float] = []
    started, over = threading.Event(), threading.Event()

    def poll() -> None:
        started.wait()
        while not over.wait(0.1):
            lags_s.append(monitor.gauges().lag_s)

    threading.Thread(target=poll, daemon=True).start()
    sentence = None
    for event in monitor.events():
        events.append(event)
        if isinstance(event, SessionStart):
            started.set()
        if isinstance(event, Status) and event.degraded != sentence:
            sentence = event.degraded
            print(f"{event.t_s:7.1f} s  lag {event.lag_s:4.1f} s  {sentence or 'well'}", flush=True)
    over.set()
    finals = {e.utterance_id: e for e in events if isinstance(e, UtteranceFinal)}
    frozen = {e.utterance_id: e for e in events if isinstance(e, EmotionEvent) and e.status == "frozen"}
    words = Counter(
        "in time" if final.text else "late" if frozen[u].late_text else f"never ({final.asr.gated})"
        for u, final in finals.items()
    )
    speech_s = sum(u.end_s - u.start_s for u in spoken)
    told_s = sum(final.end_s - final.start_s for final in finals.values())
    end = events[-1]
    assert isinstance(end, SessionEnd)
    lags_s.sort()
    print(
        f"recogniser {options.factor:.0f} x too slow, {end.duration_s:.0f} s of audio, load {os.getloadavg()[0]:.1f}\n"
        f"lag: median {lags_s[len(lags_s) // 2]:.1f} s, 95 % {lags_s[int(0.95 * len(lags_s))]:.1f} s, "
        f"most {lags_s[-1]:.1f} s\n"
        f"speech: {speech_s:.1f} s in {len(spoken)} utterances; told: {told_s:.1f} s in {len(finals)} finals, "
        f"{len(frozen)} frozen; dropped {end.dropped_s:.1f} s\n"
        f"words: {dict(words)}"
    )
    well = [(u.utterance_id, u.start_s, u.end_s) for u in spoken] == stretches(events) and set(frozen) == set(finals)
    print("every second is accounted for" if well else "NOT every second is accounted for")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
