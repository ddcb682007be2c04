"""The packed text encoder gives what the plain one gives, alone and in a batch."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers.networks import TEXT_CONFIG, merits
from torch import Tensor

from livemerc.model import packed_text
from livemerc.model.packed_text import PackedText, can_pack
from livemerc.model.text import TextEncoder


def tokens(lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, TEXT_CONFIG["vocab_size"], (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]).long()
    return ids, mask


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("lengths", [[1], [23], [96], [7, 7], [3, 40, 12]])
@torch.inference_mode()
def test_it_gives_what_the_plain_encoder_gives(
    monkeypatch: pytest.MonkeyPatch, packing: bool, lengths: list[int]
) -> None:
    if not packing:
        monkeypatch.setattr(packed_text, "has_packing", lambda: False)
    elif not packed_text.has_packing():
        pytest.skip("this torch has no oneDNN")
    text = merits(3).text
    ids, mask = tokens(lengths)
    plain = text(ids, mask)
    assert float(plain.std()) > 0.1
    torch.testing.assert_close(PackedText(text)(ids, mask), plain, atol=2e-5, rtol=0)


def test_a_text_does_not_depend_on_what_it_was_batched_with() -> None:
    packed = PackedText(merits(1).text)
    ids, mask = tokens([5, 60, 17])
    together = packed(ids, mask)
    for row, length in enumerate([5, 60, 17]):
        alone = packed(ids[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(together[row], alone[0], atol=1e-5, rtol=0)


def test_what_is_padding_does_not_matter() -> None:
    packed = PackedText(merits(1).text)
    ids, mask = tokens([5, 20])
    other = torch.where(mask.bool(), ids, 7)
    torch.testing.assert_close(packed(ids, mask), packed(other, mask), atol=0, rtol=0)


def test_another_network_is_left_as_it_is() -> None:
    text = merits(0).text
    assert can_pack(text)
    assert not can_pack(copy.deepcopy(text).double())
    assert not can_pack(TextEncoder({**TEXT_CONFIG, "hidden_act": "relu"}))
    roberta = {
        "model_type": "roberta", "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
        "intermediate_size": 48, "max_position_embeddings": 40, "pad_token_id": 1, "labels": 7,
    }  # fmt: skip
    assert not can_pack(TextEncoder(roberta))
