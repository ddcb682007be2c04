"""A `transformers` encoder from a plain dictionary: no network, no pickle, no code from a model's folder."""

from __future__ import annotations

from typing import Any

_NOT_ARCHITECTURE = frozenset(
    {"transformers_version", "architectures", "auto_map", "_name_or_path", "id2label", "label2id", "dtype",
     "torch_dtype", "return_dict", "output_hidden_states", "output_attentions", "problem_type"}
)  # fmt: skip


def describe(config: Any) -> dict[str, Any]:
    """What a checkpoint keeps of a `transformers` configuration; `build` takes it back."""
    return {k: v for k, v in config.to_dict().items() if k not in _NOT_ARCHITECTURE}


def build(architecture: dict[str, Any]) -> Any:
    """The bare encoder of `describe`'s dictionary, randomly initialised, in evaluation mode.

    The configuration classes of the installed `transformers` are asked directly: a folder's own Python (`auto_map`)
    is never run. Raises ValueError for a model type that `transformers` lacks, and for encoder-decoders.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING, MODEL_MAPPING

    options = {k: v for k, v in architecture.items() if k not in _NOT_ARCHITECTURE}
    model_type = options.pop("model_type", None)
    if model_type not in CONFIG_MAPPING:
        raise ValueError(f"the installed transformers has no model type {model_type!r}")
    try:
        config = CONFIG_MAPPING[model_type](**options)
    except StrictDataclassError as error:
        raise ValueError(f"{model_type}: {' '.join(str(error).split())}") from error
    if config.is_encoder_decoder:
        raise ValueError(f"{model_type} is an encoder-decoder; an encoder alone is needed")
    return strip(MODEL_MAPPING[type(config)](config))


def strip(model: Any) -> Any:
    """Takes the pooler away: no output passes it, so it would be stored and never trained."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model.eval()
