"""Temperature scaling (Guo et al. 2017, section 4.2): one scalar a condition, fitted on dev by NLL."""

from __future__ import annotations

from typing import Annotated

import msgspec

Temperature = Annotated[float, msgspec.Meta(gt=0, le=1000)]


class Temperatures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Divisors of the logits. The fusion has one a condition: how sure it may be depends on what it was given."""

    text_branch: Temperature = 1.0
    speech_branch: Temperature = 1.0
    both: Temperature = 1.0
    text_only: Temperature = 1.0
    speech_only: Temperature = 1.0
