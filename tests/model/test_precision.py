"""`model.precision` bfloat16: Stage I's transformers compute in it, and nothing else does; the labels are the same.

What is compared holds on every processor: the shipped model's labels and probabilities, and what single layers add to
the rounding. A network with random weights may make anything of it.
"""

from __future__ import annotations

import pytest
import torch
from helpers import rounding
from helpers.paths import DEMO, DEMO_WORDS
from torch import Tensor, nn
from torch.nn import functional as F

from livemerc.asr.sidecar import read_cues
from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ, load_config
from livemerc.errors import ConfigError
from livemerc.model.checkpoint import BUNDLED, MANIFEST
from livemerc.model.encoders import Encoders, load_model
from livemerc.model.merits import MeritsL
from livemerc.model.packed_text import PackedText, can_pack
from livemerc.model.text import load_tokenizer, tokenize
from livemerc.pipeline.estimator import Estimator

bundled = pytest.mark.skipif(not (BUNDLED / MANIFEST).is_file(), reason="no bundled checkpoint in this tree")
CLEAR = 0.1
"""Margin of the likeliest label over the second from which rounding must not change it."""
MOST_PROBABILITY = 0.05
MOST_OFF_EPS = 4.0
"""Of an embedding, as a whole. Ten times and four times what was measured, on AVX2, AVX-512 and its bfloat16."""


@pytest.fixture(scope="module")
def full() -> Encoders:
    return load_model(None, "cpu", 1, "float32")[1]


@pytest.fixture(scope="module")
def half() -> tuple[MeritsL, Encoders]:
    return load_model(None, "cpu", 1, "bfloat16")


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [cue.text for cue in read_cues(DEMO_WORDS)]


@pytest.fixture(scope="module")
def tokens(texts: list[str]) -> tuple[Tensor, Tensor]:
    return tokenize(load_tokenizer(str(BUNDLED / "tokenizer.json")), texts)


@bundled
@pytest.mark.parametrize("how", ["laid out for oneDNN", "plain"])
@torch.inference_mode()
def test_the_demo_gets_the_labels_of_float32(
    full: Encoders, half: tuple[MeritsL, Encoders], texts: list[str], tokens: tuple[Tensor, Tensor], how: str
) -> None:
    model, encoders = half
    cues = read_cues(DEMO_WORDS)
    heard = [full.speech(read_samples(DEMO, SAMPLE_RATE_HZ, cue.start_s, cue.end_s)) for cue in cues]
    voices = model.voice_of(torch.stack(heard), None)
    there = torch.ones(1, len(cues), dtype=torch.bool)

    def judged(t1: Tensor) -> Tensor:
        fused = model.window(t1[None], voices[None], there, there, torch.tensor([len(cues)])).fused[0]
        assert fused.dtype == torch.float32
        return fused

    assert can_pack(model.text)  # what `text` then takes
    exact, rounded = full.text(texts), encoders.text(texts) if how != "plain" else model.text(*tokens)
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded), "nothing was computed in bfloat16"
    off = (rounded - exact).norm(dim=-1) / exact.norm(dim=-1)
    assert off.max() < MOST_OFF_EPS * torch.finfo(torch.bfloat16).eps
    expected, found = judged(exact), judged(rounded)
    best, second = expected.topk(2).values.unbind(-1)
    clear = best - second > CLEAR
    assert clear.float().mean() > 0.8, "else nothing is shown"
    assert torch.equal(found.argmax(-1)[clear], expected.argmax(-1)[clear])
    assert (found - expected).abs().max() < MOST_PROBABILITY


@bundled
def test_only_the_transformers_are_bfloat16(half: tuple[MeritsL, Encoders]) -> None:
    transformers = ("text.encoder.", "speech.encoder.")
    of = {name: tensor.dtype for name, tensor in half[0].named_parameters()}
    assert {dtype for name, dtype in of.items() if name.startswith(transformers)} == {torch.bfloat16}
    assert {dtype for name, dtype in of.items() if not name.startswith(transformers)} == {torch.float32}


@bundled
@torch.inference_mode()
def test_every_layer_computes_in_it_and_is_off_by_no_more_than_its_rounding(
    half: tuple[MeritsL, Encoders], tokens: tuple[Tensor, Tensor]
) -> None:
    text = half[0].text
    seen = rounding.layers(text.encoder, lambda: text(*tokens))
    assert {layer.kind for layer in seen} == {"Embedding", "LayerNorm", "Linear", "_Layer"}
    assert {layer.dtype for layer in seen} == {torch.bfloat16}
    rounding.sound(seen)


@bundled
@torch.inference_mode()
def test_every_product_laid_out_for_onednn_computes_in_it_and_is_the_plain_one(
    half: tuple[MeritsL, Encoders], tokens: tuple[Tensor, Tensor]
) -> None:
    text = half[0].text
    given: dict[nn.Module, Tensor] = {}
    linear = [module for module in text.encoder.modules() if isinstance(module, nn.Linear)]
    hooks = [module.register_forward_pre_hook(lambda m, args: given.update({m: args[0]})) for module in linear]
    text(*tokens)
    for hook in hooks:
        hook.remove()
    seen: list[rounding.Layer] = []
    for number, (packed, plain) in enumerate(zip(PackedText(text)._layers, text.encoder.encoder.layer, strict=True)):
        own, attended = plain.attention.self, plain.attention.output.dense
        for name, product, modules in (
            ("qkv", packed.qkv, (own.query, own.key, own.value)),
            ("attended", packed.attended, (attended,)),
            ("wide", packed.wide, (plain.intermediate.dense,)),
            ("narrow", packed.narrow, (plain.output.dense,)),
        ):
            x, gelu = given[modules[0]], F.gelu if name == "wide" else nn.Identity()
            exact = gelu(torch.cat([F.linear(x.double(), m.weight.double(), m.bias.double()) for m in modules], -1))
            seen.append(rounding.compared(f"layer {number}: {name}", "product", product(x), exact, rounding.LEAF_EPS))
    assert len(seen) == 4 * 6
    assert {product.dtype for product in seen} == {torch.bfloat16}
    rounding.sound(seen)


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
