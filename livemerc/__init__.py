"""livemerc: a streaming, real-time monitor of the emotions that people express in conversation.

    import livemerc
    for event in livemerc.monitor("call.wav"): ...
    estimate = livemerc.load().predict(audio, text, context)
    decoder = livemerc.DialogueDecoder.fit(dialogues, labels, lag=2)

Each name loads its module on first use: `import livemerc` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livemerc.api import Predictor, load, monitor
    from livemerc.pipeline.decoder import Decoded, DialogueDecoder

__version__ = "0.1.0"
__all__ = ["Decoded", "DialogueDecoder", "Predictor", "__version__", "load", "monitor"]


def __getattr__(name: str) -> Any:
    if name in ("Predictor", "load", "monitor"):
        from livemerc import api

        return getattr(api, name)
    if name in ("Decoded", "DialogueDecoder"):
        from livemerc.pipeline import decoder

        return getattr(decoder, name)
    raise AttributeError(f"module 'livemerc' has no attribute {name!r}")
