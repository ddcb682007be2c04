"""`model.precision` bfloat16: Stage I's transformers compute in it, and nothing else does; the labels are the same."""

from __future__ import annotations

import pytest
import torch

from livemerc.asr.sidecar import read_cues
from livemerc.audio.read import read_samples
from livemerc.bench.measuring import DEMO
from livemerc.config import SAMPLE_RATE_HZ, load_config
from livemerc.errors import ConfigError
from livemerc.model.checkpoint import BUNDLED, MANIFEST
from livemerc.model.encoders import Encoders, load_model
from livemerc.pipeline.estimator import Estimator

bundled = pytest.mark.skipif(not (BUNDLED / MANIFEST).is_file(), reason="no bundled checkpoint in this tree")


@bundled
def test_the_demo_gets_the_labels_of_float32() -> None:
    cues = read_cues(DEMO.with_suffix(".vtt"))
    texts = [cue.text for cue in cues]
    (_, full), (model, half) = (load_model(None, "cpu", 1, precision) for precision in ("float32", "bfloat16"))
    voices = torch.stack([full.speech(read_samples(DEMO, SAMPLE_RATE_HZ, cue.start_s, cue.end_s)) for cue in cues])
    there = torch.ones(1, len(cues), dtype=torch.bool)

    def judged(t1: torch.Tensor) -> torch.Tensor:
        fused = model.window(t1[None], voices[None], there, there, torch.tensor([len(cues)])).fused[0]
        assert fused.dtype == torch.float32
        return fused

    exact = full.text(texts)
    expected = judged(exact)
    for how, rounded in {"laid out for oneDNN": half.text(texts), "plain": plain(half, texts)}.items():
        assert rounded.dtype == torch.float32, how
        assert not torch.equal(exact, rounded), f"{how}: nothing was computed in bfloat16"
        assert torch.nn.functional.cosine_similarity(exact, rounded).min() > 0.99, how
        found = judged(rounded)
        assert (found.argmax(-1) == expected.argmax(-1)).float().mean() >= 0.95, how
        assert (found - expected).abs().max() < 0.1, how


def plain(encoders: Encoders, texts: list[str]) -> torch.Tensor:
    """The same by the module itself, as on a GPU."""
    encoders._text = encoders.model.text
    return encoders.text(texts)


@bundled
def test_only_the_transformer_is_bfloat16() -> None:
    model, _ = load_model(None, "cpu", 1, "bfloat16")
    of = {name: tensor.dtype for name, tensor in model.named_parameters()}
    assert {dtype for name, dtype in of.items() if name.startswith("text.encoder.")} == {torch.bfloat16}
    assert {dtype for name, dtype in of.items() if not name.startswith("text.encoder.")} == {torch.float32}


@bundled
def test_the_setting_reaches_the_model_of_a_session() -> None:
    estimator = Estimator(load_config(overrides={"model.precision": "bfloat16", "model.device": "cpu"}, environ={}))
    estimator.load()
    try:
        assert estimator._model is not None
        assert next(estimator._model.text.encoder.parameters()).dtype == torch.bfloat16
    finally:
        estimator.close()


def test_another_precision_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.precision"):
        load_config(overrides={"model.precision": "float8"}, environ={})
