"""The encoders in their true size, with random weights: built, run, exported and loaded on a CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.trainer.tiny_merits_l import conversation_config, export_tiny, voices

import livemerc
from livemerc.model.architecture import build
from livemerc.model.merits import ConversationModel
from livemerc.model.speech_head import SpeechHead
from livemerc.model.text import tokenize
from trainer.fronts.architectures import SPEECH, TEXT
from trainer.fronts.encoders import build_speech_frontend, build_text_encoder

PARAMETERS = {
    # without poolers; the speech figures are those of torchaudio's bundles, one mask vector more, and for HuBERT large
    # the convolutions' biases that its config.json has
    "minilm": 22_565_376, "bert-base-uncased": 108_891_648, "roberta-base": 124_055_040, "roberta-large": 354_310_144,
    "microsoft/deberta-v3-base": 183_831_552, "wavlm-base": 94_381_936, "wavlm-base-plus": 94_381_936,
    "wavlm-large": 315_453_120, "hubert-base": 94_371_712, "hubert-large": 315_438_720, "wav2vec2-base": 94_371_712,
    "wav2vec2-large": 315_438_720,
}  # fmt: skip


def test_every_named_architecture_has_its_published_size() -> None:
    with torch.device("meta"):
        sizes = {n: sum(p.numel() for p in build(a).parameters()) for n, a in {**TEXT, **SPEECH}.items()}
    assert sizes == PARAMETERS


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_roberta_large_and_wavlm_base_plus_as_a_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(0)
    text, tokenizer = build_text_encoder("roberta-large", weights="random")
    front = build_speech_frontend("wavlm-base-plus", weights="random")
    assert (text.dimension, front.layers, front.dimension) == (1024, 13, 768)
    with torch.no_grad():
        t1 = text.eval()(*tokenize(tokenizer, ["So long, and thanks for all the fish.", "Oh."]))
    features = front.features(voices(1.0, 2.5))
    assert t1.shape == (2, 1024)
    assert features.shape == (2, 13, 768)
    assert torch.isfinite(t1).all()
    assert torch.isfinite(features).all()
    torch.testing.assert_close(front.features(voices(1.0))[0], features[0], atol=1e-4, rtol=0)
    head = SpeechHead({"layers": 13, "dimension": 768, "labels": 7})
    conversation = ConversationModel(conversation_config(1024, 256))
    export_tiny(
        tmp_path,
        {"text": text, "tokenizer": tokenizer, "front": front, "head": head, "conversation": conversation},
    )
    size = sum(f.stat().st_size for f in tmp_path.glob("*.safetensors"))
    assert 0.85e9 < size < 1.0e9  # 450 million weights in half precision
    estimate = livemerc.load(tmp_path).predict(np.asarray(voices(1.0)[0]), "Oh.")
    assert abs(sum(estimate.probabilities.values()) - 1) < 1e-6
