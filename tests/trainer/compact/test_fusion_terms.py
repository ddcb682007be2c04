"""The options of [fusion]: what they build, and what they add to the loss of Stage III."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from helpers.paths import PROJECT
from helpers.trainer.miniature import write_config

from livemerc.errors import ConfigError
from trainer.compact.config import ConversationStage, FusionStage, read_stage
from trainer.compact.conversation import build, fusion_terms, lean_on_words
from trainer.loop.losses import text_speech_contrastive
from trainer.loop.windows import DialogueFeatures, WindowBatch, all_cuts, make_batch

CONFIG = PROJECT / "configs" / "compact.toml"


def stage(**changes: Any) -> FusionStage:
    return msgspec.structs.replace(read_stage(CONFIG, "fusion", FusionStage), width=16, **changes)


def conversation() -> ConversationStage:
    return msgspec.structs.replace(read_stage(CONFIG, "conversation", ConversationStage), hidden=8)


def batch_of_dialogues() -> WindowBatch:
    rng = np.random.default_rng(0)
    dialogues = [
        DialogueFeatures(
            rng.standard_normal((n, 12)).astype(np.float32), rng.standard_normal((n, 7)).astype(np.float32),
            rng.random(n) < 0.8, rng.random(n) < 0.8, rng.integers(7, size=n),
        )
        for n in (3, 5, 4)
    ]  # fmt: skip
    return make_batch(dialogues, all_cuts(dialogues, 4))


def terms(fusion: FusionStage) -> float:
    batch = batch_of_dialogues()
    model = build(conversation(), fusion, 12, 7).eval()
    with torch.inference_mode():
        return float(fusion_terms(batch.forward(model), batch, fusion))


def test_without_options_nothing_is_built_or_added() -> None:
    assert set(build(conversation(), stage(), 12, 7).config["fusion"]) == {"width", "heads", "dropout"}
    assert terms(stage()) == 0.0


def test_each_option_is_built_as_the_section_says() -> None:
    built = build(conversation(), stage(recursions=2, gate_temperature=0.2, latent=0.01), 12, 7)
    assert built.config["fusion"].items() >= {"recursions": 2, "gate_temperature": 0.2, "latent": True}.items()
    assert built.fusion.recursive is not None
    assert built.fusion.latent is not None


def test_weights_are_those_of_the_terms() -> None:
    for option in ("contrastive", "latent"):
        one, two = (terms(stage(**{option: weight})) for weight in (0.1, 0.2))
        assert one > 0
        assert two == pytest.approx(2 * one, rel=1e-4)
    assert terms(stage(recursions=2)) == 0.0


@pytest.mark.parametrize(
    "change", [{"recursions": 9}, {"gate_temperature": 0.0}, {"latent": -1.0}, {"contrastive": "x"}]
)
def test_what_makes_no_sense_is_an_error_that_names_the_key(tmp_path: Path, change: dict[str, Any]) -> None:
    (key,) = change
    path = write_config(tmp_path / "c.toml", "compact.toml", **{f"fusion__{key}": change[key]})
    with pytest.raises(ConfigError, match=rf"\[fusion\].*{key}"):
        read_stage(path, "fusion", FusionStage)


def test_the_contrastive_term_is_least_where_each_voice_is_its_words() -> None:
    words = torch.eye(4)
    paired = text_speech_contrastive(words, words, 0.1)
    crossed = text_speech_contrastive(words, words.roll(1, 0), 0.1)
    assert paired < 0.01 < 1 < crossed
    torch.testing.assert_close(text_speech_contrastive(3 * words, words, 0.1), paired)


def test_the_contrastive_term_of_one_utterance_is_nothing_and_still_has_a_gradient() -> None:
    for n in (0, 1):
        words = torch.ones(n, 4, requires_grad=True)
        text_speech_contrastive(words, torch.ones(n, 4), 0.1).backward()
        assert words.grad is not None
        assert not words.grad.any()


@pytest.mark.parametrize("options", [{}, {"recursions": 2}, {"latent": 0.01}])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_leaning_on_words_is_a_pool_with_them_where_both_are_there_and_nothing_else(
    share: float, options: dict[str, float]
) -> None:
    batch = batch_of_dialogues()
    model = build(conversation(), stage(**options), 12, 7).eval()
    with torch.inference_mode():
        before = batch.forward(model)
    lean_on_words(model.fusion, share)
    with torch.inference_mode():
        after = batch.forward(model)
    both = batch.has_text & batch.has_speech
    pool = (1 - share) * before.fused.log_softmax(-1) + share * before.text.log_softmax(-1)
    torch.testing.assert_close(after.fused[both].softmax(-1), pool[both].softmax(-1))
    assert both.any()
    alone = (batch.has_text | batch.has_speech) & ~both
    assert torch.equal(after.fused[alone], before.fused[alone])
    assert alone.any()
