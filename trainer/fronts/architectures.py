"""True architectures of the encoders that can be built by name without network: for tests and parameter tables.

Figures from each model's published `config.json`; the parameter counts that follow from them are tested.
"""

from __future__ import annotations

from typing import Any

_ROBERTA: dict[str, Any] = {
    "model_type": "roberta", "vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1,
    "layer_norm_eps": 1e-5, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip
_LARGE: dict[str, Any] = {
    "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
}  # fmt: skip

TEXT: dict[str, dict[str, Any]] = {
    "minilm": {
        "model_type": "bert", "vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6,
        "num_attention_heads": 12, "intermediate_size": 1536, "pad_token_id": 0,
    },
    "bert-base-uncased": {"model_type": "bert", "pad_token_id": 0},
    "roberta-base": _ROBERTA,
    "roberta-large": {**_ROBERTA, **_LARGE},
    "microsoft/deberta-v3-base": {
        "model_type": "deberta-v2", "vocab_size": 128100, "hidden_size": 768, "num_hidden_layers": 12,
        "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 512,
        "relative_attention": True, "position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"], "layer_norm_eps": 1e-7, "max_relative_positions": -1,
        "position_biased_input": False, "type_vocab_size": 0, "pad_token_id": 0,
    },
}  # fmt: skip

# "Large" models are pre-trained on normalised samples with layer norm in every convolution ("stable layer norm").
_STABLE = {**_LARGE, "feat_extract_norm": "layer", "do_stable_layer_norm": True}

SPEECH: dict[str, dict[str, Any]] = {
    "wavlm-base": {"model_type": "wavlm"},
    "wavlm-base-plus": {"model_type": "wavlm"},
    "wavlm-large": {"model_type": "wavlm", **_STABLE},
    "hubert-base": {"model_type": "hubert"},
    "hubert-large": {"model_type": "hubert", **_STABLE, "conv_bias": True},
    "wav2vec2-base": {"model_type": "wav2vec2"},
    "wav2vec2-large": {"model_type": "wav2vec2", **_STABLE, "conv_bias": True},
}

HUB: dict[str, str] = {
    "wavlm-base": "microsoft/wavlm-base",
    "wavlm-base-plus": "microsoft/wavlm-base-plus",
    "wavlm-large": "microsoft/wavlm-large",
    "hubert-base": "facebook/hubert-base-ls960",
    "hubert-large": "facebook/hubert-large-ll60k",
    "wav2vec2-base": "facebook/wav2vec2-base",
    "wav2vec2-large": "facebook/wav2vec2-large-lv60",
    "deberta-v3-base": "microsoft/deberta-v3-base",
    "bert-base": "bert-base-uncased",
}
"""Short names -> names of the hub (and of `TEXT`)."""
