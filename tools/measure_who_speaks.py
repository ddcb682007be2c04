"""What it costs to tell who speaks: processor time an utterance of recordings, cut into turns, embedded and shared out,
and listened to for overlaps, beyond what the voice's encoder takes, which is not counted.

    OMP_NUM_THREADS=1 python tools/measure_who_speaks.py livemerc/demo/demo.flac DATA/speech/call/sample.flac

Processor time, not time by the clock: other work on the machine disturbs it less, though it still does. Of each
utterance the median of `REPEATS` is taken, and the least, which is nearer to what a quiet machine takes.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from livemerc.audio.ears import Ears
from livemerc.audio.items import Utterance
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block
from livemerc.config import SAMPLE_RATE_HZ, Config, SpeakersConfig
from livemerc.model.encoders import load_model
from livemerc.model.voice import VoiceBranch
from livemerc.model.whisper_encoder import WhisperEncoder
from livemerc.pipeline.who_speaks import WhoSpeaks
from livemerc.runtime.worker import never
from trainer.experiments.listening import AtOnce

REPEATS = 9


def main() -> int:
    torch.set_num_threads(1)
    config = Config(speakers=SpeakersConfig(diarize=True, voiceprints=False))
    for path in map(Path, sys.argv[1:]):
        ears = Ears(config, SAMPLE_RATE_HZ)
        items = [*ears.feed(Block(read_samples(path, SAMPLE_RATE_HZ), 0.0)), *ears.flush()]
        utterances = [item for item in items if isinstance(item, Utterance)]
        encoder = voice_encoder()
        who = WhoSpeaks(config, AtOnce(), encoder=encoder)
        costs = []
        for _ in range(REPEATS + 1):
            who.begin()
            costs.append([cost_ms(who, encoder, utterance) for utterance in utterances])
        p50_s = np.median([len(utterance.samples) for utterance in utterances]) / SAMPLE_RATE_HZ
        print(f"{path.name}: {len(utterances)} utterances, half of them longer than {p50_s:.1f} s")
        for name, of in (("median", np.median), ("least", np.min)):
            p50, p95 = np.percentile(of(costs[1:], axis=0), [50, 95])  # the first time warms up
            print(f"  {name} of {REPEATS}: p50 {p50:.0f} ms, p95 {p95:.0f} ms of processor time an utterance")
    return 0


def voice_encoder() -> WhisperEncoder:
    """That of the checkpoint that ships."""
    branch = load_model(None, "cpu", 1)[0].speech
    assert isinstance(branch, VoiceBranch)
    return branch.encoder


def cost_ms(who: WhoSpeaks, encoder: WhisperEncoder, utterance: Utterance) -> float:
    """Of all that is asked about one utterance."""
    heard = replace(utterance, samples=utterance.samples.copy())  # else its states would be there from the last time
    encoder.statistics([heard.samples])
    began = time.process_time()
    for turn in who.turns(heard, never):
        who.hear(turn.utterance_id, turn.samples, None, never)
        list(who.news())
    return (time.process_time() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
