"""livemerc: a streaming, real-time monitor of the emotions that people express in conversation.

    import livemerc
    for event in livemerc.monitor("call.wav"): ...
    estimate = livemerc.load().predict(audio, text, context)

Both names load their module on first use: `import livemerc` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livemerc.api import Predictor, load, monitor

__version__ = "0.1.0"
__all__ = ["Predictor", "__version__", "load", "monitor"]


def __getattr__(name: str) -> Any:
    if name in ("Predictor", "load", "monitor"):
        from livemerc import api

        return getattr(api, name)
    raise AttributeError(f"module 'livemerc' has no attribute {name!r}")
