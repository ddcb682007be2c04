"""Temperature scaling (Guo et al. 2017, section 4.2): one scalar a condition, fitted on dev by NLL."""

from __future__ import annotations

import msgspec


class Temperatures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Divisors of the logits. The fusion has one a condition: how sure it may be depends on what it was given."""

    text_branch: float = 1.0
    speech_branch: float = 1.0
    both: float = 1.0
    text_only: float = 1.0
    speech_only: float = 1.0
