"""BERT for inference: the weights of transformers' BertModel under the same names, and the same numbers."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from helpers.networks import TEXT_CONFIG
from helpers.paths import PROJECT
from transformers import BertConfig, BertModel

from livemerc.model.bert import Bert, is_plain_bert
from livemerc.model.packed_text import PackedText, can_pack
from livemerc.model.text import TextEncoder

CONFIG = {key: value for key, value in TEXT_CONFIG.items() if key != "labels"}


@pytest.fixture(scope="module")
def pair() -> tuple[Bert, BertModel]:
    torch.manual_seed(0)
    reference = BertModel(BertConfig(**CONFIG), add_pooling_layer=False).eval()
    for parameter in reference.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours = Bert(CONFIG).eval()
    ours.load_state_dict(reference.state_dict())  # strict: each name, each shape
    return ours, reference


@torch.inference_mode()
def test_the_numbers_are_those_of_the_reference_padded_or_not(pair: tuple[Bert, BertModel]) -> None:
    ours, reference = pair
    ids = torch.randint(1, 200, (3, 17), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    mask[2, 1:] = 0
    found = ours(input_ids=ids, attention_mask=mask).last_hidden_state
    expected = reference(input_ids=ids, attention_mask=mask).last_hidden_state
    inside = mask.bool()
    torch.testing.assert_close(found[inside], expected[inside], atol=2e-5, rtol=1e-4)
    alone = ours(input_ids=ids[:1], attention_mask=mask[:1]).last_hidden_state
    torch.testing.assert_close(alone, found[:1], atol=2e-5, rtol=1e-4)


@torch.inference_mode()
def test_a_lean_text_encoder_embeds_as_the_other_packed_or_not() -> None:
    torch.manual_seed(0)
    whole, lean = TextEncoder(TEXT_CONFIG).eval(), TextEncoder(TEXT_CONFIG, lean=True).eval()
    assert isinstance(lean.encoder, Bert)
    lean.load_state_dict(whole.state_dict())
    ids, mask = torch.randint(1, 200, (2, 9)), torch.ones(2, 9, dtype=torch.long)
    torch.testing.assert_close(lean(ids, mask), whole(ids, mask), atol=2e-5, rtol=1e-4)
    assert can_pack(lean)
    torch.testing.assert_close(PackedText(lean)(ids, mask), whole(ids, mask), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("other", [{"hidden_act": "relu"}, {"position_embedding_type": "relative_key"}])
def test_what_it_does_not_understand_whole_is_left_to_transformers(other: dict[str, str]) -> None:
    assert is_plain_bert(CONFIG)
    assert not is_plain_bert(CONFIG | other)
    assert type(TextEncoder(TEXT_CONFIG | other, lean=True).encoder).__name__ == "BertModel"


def test_the_compact_checkpoint_judges_without_models_of_transformers_nor_compilers() -> None:
    code = (
        "import sys, numpy as np\nfrom livemerc.model.encoders import load_model\n"
        "from livemerc.model.merits import Window\n"
        "model, encoders = load_model(None, 'cpu', 1)\n"
        "t1, voice = encoders.text(['hello there']), encoders.speech(np.zeros(16_000, np.float32))[None]\n"
        "s1 = model.voice_of(voice, None)\n"
        "(judged,) = model.windows([Window(t1, s1, (True,), (True,))])\nassert judged.fused.isfinite().all()\n"
        "print(*(m for m in ('transformers.modeling_utils', 'torch._dynamo', 'torch._inductor', 'scipy', 'sympy') "
        "if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == ""
