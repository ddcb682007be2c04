"""What the answers of a paid endpoint cost: tokens and money."""

from __future__ import annotations

from collections.abc import Iterable

from trainer.pseudo_labels.options import PseudoLabelOptions
from trainer.pseudo_labels.teachers import Answer


class Bill:
    """Tokens and money so far; None as soon as one answer's are unknown: a partial sum looks like a whole one.

    Prices are for a million tokens, in any currency.
    """

    def __init__(self, options: PseudoLabelOptions) -> None:
        self._price_in, self._price_out = options.price_in, options.price_out
        self.prompt: int | None = None
        self.completion: int | None = None
        self._unknown = False

    def add(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            if answer.status == "rejected":
                continue  # an error is not charged for
            if self._unknown or answer.prompt_tokens is None or answer.completion_tokens is None:
                self._unknown, self.prompt, self.completion = True, None, None
                return
            self.prompt = (self.prompt or 0) + answer.prompt_tokens
            self.completion = (self.completion or 0) + answer.completion_tokens

    @property
    def cost(self) -> float | None:
        if self._price_in is None or self._price_out is None or self.prompt is None or self.completion is None:
            return None
        return (self.prompt * self._price_in + self.completion * self._price_out) / 1e6

    @property
    def note(self) -> str:
        """For the line of progress; nothing where no price was given."""
        if self._price_in is None:
            return ""
        return "cost unknown" if self.cost is None else f"cost {self.cost:.4f}"
