"""Speech trained on one corpus and tested on the other, on the six classes that both have."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from livemerc.emotions import LABELS
from trainer.compact.config import SpeechStage, read_stage
from trainer.compact.log_mels import Features
from trainer.compact.speech import encode, pick, softmax, summary, train_encoder
from trainer.experiments.results import FIGURES, table
from trainer.loop.metrics import classification_metrics
from trainer.loop.saving import save_json


def run(config: Path, everything: dict[str, Features], out: Path) -> list[str]:
    """Both directions, disgust masked at the output: the table. Figures as of `compact.speech.summary`."""
    stage = read_stage(config, "speech", SpeechStage)
    disgust = LABELS.index("disgust")
    result = {}
    for source, target in (("ravdess", "nemo"), ("nemo", "ravdess")):
        train = pick(everything[source], lambda c: c.label != disgust)
        test = pick(everything[target], lambda c: c.label != disgust)
        encoder = train_encoder(train, stage, stage.cross_epochs, out / f"{source}-to-{target}")
        logits = encode(encoder, test)[1]
        logits[:, disgust] = -np.inf
        truth = np.array([c.label for c in test.clips])
        result[f"{source}_to_{target}"] = summary(classification_metrics(softmax(logits), truth, LABELS))
    save_json(result, out / FIGURES)
    return table({name: {k: v for k, v in of.items() if k != "recall"} for name, of in result.items()})
