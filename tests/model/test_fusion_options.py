"""The options of Stage III: each keeps what fusion promises, and without them fusion is what it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.networks import CONVERSATION_CONFIG, conversation_model, random_dialogue
from torch import Tensor, nn

from livemerc.model.fusion import CoAttention
from livemerc.model.merits import ConversationModel

OPTIONS: dict[str, dict[str, Any]] = {
    "recursions": {"recursions": 3, "gate_temperature": 0.5},
    "latent": {"latent": True},
    "both": {"recursions": 2, "latent": True},
}
ALL = pytest.mark.parametrize("options", list(OPTIONS.values()), ids=list(OPTIONS))


def model(**options: Any) -> ConversationModel:
    torch.manual_seed(0)
    fusion = {**CONVERSATION_CONFIG["fusion"], **options}
    built = ConversationModel({**CONVERSATION_CONFIG, "fusion": fusion})
    for name, parameter in built.named_parameters():
        if name.endswith("absent"):
            nn.init.normal_(parameter)
    return built.eval()


def padded(lengths: list[int], junk: float) -> tuple[Tensor, ...]:
    """Random dialogues of these lengths as a batch, `junk` behind their ends."""
    columns = []
    for field in range(4):
        rows = []
        for n in lengths:
            x = random_dialogue(n, seed=n)[field]
            behind = torch.full((max(lengths) - n, *x.shape[1:]), junk if x.dtype != torch.bool else 0.0)
            rows.append(torch.cat([x, behind.to(x.dtype)]))
        columns.append(torch.stack(rows))
    return *columns, torch.tensor(lengths)


def test_without_options_the_weights_and_the_numbers_are_what_they_were() -> None:
    """The equations of `CoAttention`, written out: an old checkpoint has these names, and gets these logits."""
    plain = conversation_model()
    assert {name.split(".")[0] for name in plain.fusion.state_dict()} == {
        "text_in", "speech_in", "text_to_speech", "speech_to_text", "norm_text", "norm_speech", "hidden", "head",
        "branch_weight",
    }  # fmt: skip
    assert {k: v for k, v in model().state_dict().items() if "absent" not in k}.keys() == {
        k for k in plain.state_dict() if "absent" not in k
    }
    t1, s1, _, _ = random_dialogue(6, seed=3)
    here, lengths = torch.ones(1, 6, dtype=torch.bool), torch.tensor([6])
    with torch.inference_mode():
        t2, lt = plain.text_context(t1[None], here, lengths)
        s2, ls = plain.speech_context(s1[None], here, lengths)
        f = plain.fusion
        t, a = f.text_in(t2), f.speech_in(s2)
        t_, a_ = (
            norm(x + attention(x, y, y, need_weights=False)[0])
            for norm, attention, x, y in (
                (f.norm_text, f.text_to_speech, t, a),
                (f.norm_speech, f.speech_to_text, a, t),
            )
        )
        lt, ls = lt.log_softmax(-1), ls.log_softmax(-1)
        joined = torch.cat([t_, a_, t, a, torch.ones(1, 6, 2), lt, ls], -1)
        written_out = f.head(torch.relu(f.hidden(joined))) + f.branch_weight[0] * lt + f.branch_weight[1] * ls
        logits = plain(t1[None], s1[None], here, here, lengths)
    torch.testing.assert_close(logits.fused, written_out, atol=1e-5, rtol=0)
    assert logits.latents is not None
    assert logits.latents.uncertainty is None


@ALL
@torch.inference_mode()
def test_an_output_does_not_depend_on_what_it_was_batched_with(options: dict[str, Any]) -> None:
    network, lengths = model(**options), [1, 7, 3, 12]
    together = network(*padded(lengths, 37.0))
    for row, n in enumerate(lengths):
        alone = network(*padded([n], 0.0))
        torch.testing.assert_close(together.fused[row, :n], alone.fused[0], atol=1e-5, rtol=0)
        if "latent" in options:
            torch.testing.assert_close(
                together.latents.uncertainty[row, :n], alone.latents.uncertainty[0], atol=1e-5, rtol=0
            )


@ALL
@torch.inference_mode()
def test_what_an_absent_modality_holds_changes_nothing(options: dict[str, Any]) -> None:
    network = model(**options)
    t1, s1, has_text, has_speech = random_dialogue(9, seed=4)
    before = network(t1[None], s1[None], has_text[None], has_speech[None], torch.tensor([9])).fused
    t1 = torch.where(has_text[:, None], t1, t1 * 100 + 5)
    s1 = torch.where(has_speech[:, None], s1, s1 * 100 + 5)
    after = network(t1[None], s1[None], has_text[None], has_speech[None], torch.tensor([9])).fused
    torch.testing.assert_close(before, after, atol=1e-5, rtol=0)


@ALL
@torch.inference_mode()
def test_a_lone_branch_passes_as_it_is_and_an_empty_window_is_finite(options: dict[str, Any]) -> None:
    network = model(**options)
    t1, s1, _, _ = random_dialogue(6, seed=2)
    flag, lengths = torch.ones(1, 6, dtype=torch.bool), torch.tensor([6])
    words = network(t1[None], s1[None], flag, ~flag, lengths)
    torch.testing.assert_close(words.fused.softmax(-1), words.text.softmax(-1))
    voice = network(t1[None], s1[None], ~flag, flag, lengths)
    torch.testing.assert_close(voice.fused.softmax(-1), voice.speech.softmax(-1))
    assert network(t1[None], s1[None], ~flag, ~flag, lengths).fused.isfinite().all()


@ALL
def test_every_parameter_is_trained(options: dict[str, Any]) -> None:
    network = model(**options).train()
    t1, s1, has_text, has_speech = random_dialogue(8, seed=1)
    out = network(t1[None], s1[None], has_text[None], has_speech[None], torch.tensor([8]))
    total = out.fused.square().sum() + out.text.square().sum() + out.speech.square().sum()
    if out.latents.divergence is not None:
        total = total + out.latents.divergence.sum()
    total.backward()
    still = [
        name for name, p in network.named_parameters()
        if (p.grad is None or not p.grad.abs().sum())
        # a softmax cancels what shifts all of its scores alike: the bias of the stage gate
        and not name.endswith("stage.bias")
    ]  # fmt: skip
    assert still == []


@torch.inference_mode()
def test_a_shuffled_gate_changes_what_it_gates_and_comes_back() -> None:
    network = model(recursions=2, gate_temperature=0.5)
    batch = padded([12, 5], 37.0)
    before = network(*batch).fused
    network.fusion.recursive.shuffle = True
    shuffled = network(*batch).fused
    torch.testing.assert_close(shuffled, network(*batch).fused)
    network.fusion.recursive.shuffle = False
    both = (batch[2] & batch[3])[..., None]
    assert ((shuffled - before).abs() * both).max() > 1e-4
    torch.testing.assert_close(network(*batch).fused, before)


@torch.inference_mode()
def test_the_less_certain_modality_weighs_less() -> None:
    fusion = model(latent=True).fusion
    latent = fusion.latent
    width = latent.text.out_features // 2
    for side, log_variance in ((latent.text, 2.0), (latent.speech, -2.0)):
        nn.init.zeros_(side.weight)
        side.bias[:width], side.bias[width:] = 1.0, log_variance
    x, there = torch.zeros(1, 1, width), torch.ones(1, 1, 1)
    out = latent(x, x, there, there)
    text, speech = float(out.text[0, 0, 0]), float(out.speech[0, 0, 0])
    assert text < 0.1 < 1.9 < speech
    assert text + speech == pytest.approx(2.0)
    alone = latent(x, x, there, torch.zeros(1, 1, 1))
    assert float(alone.text[0, 0, 0]) == pytest.approx(1.0)
    assert float(alone.uncertainty[0, 0]) > float(out.uncertainty[0, 0])
    nothing = latent(x, x, torch.zeros(1, 1, 1), torch.zeros(1, 1, 1))
    assert not nothing.uncertainty.any()
    assert not nothing.divergence.any()


def test_latents_are_drawn_in_training_and_are_their_means_after_it() -> None:
    network = model(latent=True)
    batch = padded([6], 0.0)
    with torch.no_grad():
        torch.testing.assert_close(network(*batch).fused, network(*batch).fused)
        for module in network.modules():  # dropout would differ by itself
            if isinstance(module, nn.Dropout | nn.MultiheadAttention):
                module.eval()
        network.fusion.latent.train()
        assert not torch.equal(network(*batch).fused, network(*batch).fused)


@pytest.mark.parametrize("options", [{"recursions": 9}, {"recursions": -1}, {"recursions": 1, "gate_temperature": 0.0}])
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="recursions with gates"):
        CoAttention(text_width=8, speech_width=8, width=8, heads=2, dropout=0.0, labels=3, **options)
