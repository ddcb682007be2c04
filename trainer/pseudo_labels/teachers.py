"""Teachers: who says whether a sentence is positive, negative or neutral, and how their answers are read.

There are three kinds: a large language model behind an OpenAI-compatible endpoint (`endpoint`; MERITS-L, section 3.1:
GPT-3.5), any local `transformers` text classifier, and VADER (Hutto & Gilbert 2014), a lexicon that is always there.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from livemerc.errors import ConfigError, ModelError
from trainer.corpora.corpus import SENTIMENTS

PROMPT = (
    "You are a sentiment classification bot. Classify the sentence that the user gives as positive, negative or "
    "neutral. Answer with the label and no extra text."
)
"""System message; the user's message is the text alone."""

Status = Literal["label", "malformed", "refused", "rejected"]
"""`malformed`: an answer that is no label; `refused`: the model or its filter declines; `rejected`: the endpoint does
not take this text (HTTP 400, 413, 422)."""

_LABEL = re.compile(rf"\s*({'|'.join(SENTIMENTS)})\s*[.!?,;:]?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a teacher said about one text. `label` only with status "label"; `raw` as it came; None = unknown."""

    status: Status
    label: str | None
    raw: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


Record = Callable[[Sequence[tuple[int, Answer]]], None]
"""Takes (index of the text, answer)s as they come, in any order; they are kept before it returns."""


class Teacher(ABC):
    """Answers texts. One that works over a network also says what it sent: `requests`, `retries`."""

    name: str
    """Goes into the corpus."""
    identity: str
    """What an answer depends on beside the text: with the text, the key under which it is kept."""
    prompt: str | None = None
    requests = 0
    retries = 0
    last_failure = ""
    proven = False
    """Its answers are in the journal already: where it rejects a text now, the settings are not to blame."""

    def account(self) -> dict[str, Any]:
        """What the summary says of the way that the answers came."""
        return {}

    @abstractmethod
    def label_all(self, texts: Sequence[str], record: Record, forget: Callable[[Sequence[int]], None]) -> int:
        """Asks each text; returns how many stay unanswered. `forget` takes back answers that say nothing of the text.

        Raises `LivemercError` where going on is pointless; what was recorded stands.
        """


class LocalTeacher(Teacher):
    """A teacher on this machine: answers in batches, at once, without fail."""

    batch: int

    @abstractmethod
    def label(self, texts: Sequence[str]) -> list[Answer]:
        """One answer a text, in order; an answer does not depend on its batch."""

    def label_all(self, texts: Sequence[str], record: Record, forget: Callable[[Sequence[int]], None]) -> int:
        for start in range(0, len(texts), self.batch):
            answers = self.label(texts[start : start + self.batch])
            record([(start + i, answer) for i, answer in enumerate(answers)])
        return 0


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def identity(**settings: Any) -> str:
    """Settings as one canonical line of JSON."""
    return json.dumps(settings, sort_keys=True, ensure_ascii=False)


def parse_label(raw: str) -> str | None:
    """The label, if the answer is exactly one up to case, white space and one final punctuation mark; else None.

    Nothing is guessed: "Positive, because ..." or "not negative" is no label.
    """
    match = _LABEL.fullmatch(raw)
    return match[1].lower() if match else None


class Vader(LocalTeacher):
    """VADER's compound score with its authors' thresholds: >= 0.05 positive, <= -0.05 negative, else neutral."""

    name = "vader"
    batch = 256
    threshold = 0.05

    def __init__(self) -> None:
        try:
            from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]  # no stubs
        except ImportError as error:
            raise ModelError(
                f"VADER cannot be loaded ({error}); run `pip install livemerc[train]` or choose another --teacher."
            ) from error
        self._analyzer = SentimentIntensityAnalyzer()
        self.identity = identity(teacher="vader", threshold=self.threshold)

    def label(self, texts: Sequence[str]) -> list[Answer]:
        """`raw` is the compound score, -1..1."""
        answers = []
        for text in texts:
            compound = float(self._analyzer.polarity_scores(text)["compound"])
            label = (
                "positive" if compound >= self.threshold else "negative" if compound <= -self.threshold else "neutral"
            )
            answers.append(Answer("label", label, f"{compound:.4f}"))
        return answers


_USUAL_NAMES = {"neg": "negative", "neu": "neutral", "pos": "positive", **{name: name for name in SENTIMENTS}}


def map_labels(id2label: Mapping[int, str], given: Mapping[str, str] | None, model: str) -> list[str]:
    """A sentiment for each output of a classifier, from its own label names or from `given` (--label-map).

    Raises `ConfigError` that names the labels without a sentiment and the mend.
    """
    names = [str(id2label[i]) for i in range(len(id2label))]
    if given is not None:
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ConfigError(
                f"--label-map: {model} has no label {', '.join(unknown)}; it has {', '.join(names)} (case counts)."
            )
    known = {name: (given or {}).get(name) or _USUAL_NAMES.get(name.strip().lower()) for name in names}
    missing = [name for name, sentiment in known.items() if sentiment is None]
    if missing:
        raise ConfigError(
            f"{model}: no sentiment is known for its label {', '.join(missing)}; say what each one means, for instance "
            f"--label-map {','.join(f'{name}=negative' for name in missing)} (negative, neutral or positive)."
        )
    if len(set(known.values())) < 2:
        raise ConfigError(f"{model}: all its labels mean {known[names[0]]}; a teacher must tell at least two apart.")
    return [str(known[name]) for name in names]


def read_label_map(text: str) -> dict[str, str]:
    """ "LABEL_0=negative,LABEL_1=neutral" as a dictionary. Raises `ConfigError`."""
    pairs = {}
    for part in text.split(","):
        name, equals, sentiment = (piece.strip() for piece in part.rpartition("="))
        if not name or not equals or sentiment.lower() not in SENTIMENTS:
            raise ConfigError(
                f"--label-map: {part.strip()!r} is not NAME=negative, NAME=neutral or NAME=positive; "
                "join several with commas."
            )
        pairs[name] = sentiment.lower()
    return pairs


class Classifier(LocalTeacher):
    """A `transformers` sequence classifier from a local folder or by name; the arg max of its logits.

    Raises `ModelError` (missing, broken, no classifier) and `ConfigError` (labels that mean no sentiment).
    """

    batch = 32

    def __init__(self, model: str, label_map: Mapping[str, str] | None = None, device: str = "auto") -> None:
        import torch
        from safetensors import SafetensorError
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

        from livemerc.model.encoders import choose_device

        try:
            config = AutoConfig.from_pretrained(model)
            if not any(name.endswith("ForSequenceClassification") for name in config.architectures or ()):
                # transformers would put a randomly initialised head on it, with a warning
                raise ModelError(
                    f"{model}: this is no text classifier ({config.architectures}); choose another --model."
                )
            self._sentiments = map_labels(config.id2label, label_map, model)
            self._tokenizer: Any = AutoTokenizer.from_pretrained(model)
            self._model: Any
            self._model, loading = AutoModelForSequenceClassification.from_pretrained(model, output_loading_info=True)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise ModelError(f"{model}: this classifier cannot be loaded ({why}); check --model.") from error
        if loading["missing_keys"]:
            # transformers fills them with random numbers, and goes on
            raise ModelError(
                f"{model}: its file lacks the weights {', '.join(sorted(loading['missing_keys'])[:3])}; a classifier "
                "that was trained has them, choose another --model."
            )
        self._device = torch.device(choose_device(device))
        self._model = self._model.eval().to(self._device)
        positions = getattr(config, "max_position_embeddings", 512)
        # RoBERTa's table holds two more rows than the longest input; the tokenizer knows the length, where it has one.
        self._longest = min(self._tokenizer.model_max_length, positions, 512)
        self.name = f"classifier:{model.rstrip('/').rsplit('/', 1)[-1]}"
        self.identity = identity(
            teacher="classifier", weights=_fingerprint(self._model), labels=self._sentiments, tokens=self._longest
        )

    def label(self, texts: Sequence[str]) -> list[Answer]:
        """`raw` is the probability of the winning output."""
        import torch

        with torch.inference_mode():
            tokens = self._tokenizer(
                list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
            ).to(self._device)
            probabilities = self._model(**tokens).logits.float().softmax(-1).cpu()
        if not torch.isfinite(probabilities).all():
            raise ModelError(f"{self.name}: the classifier gives NaN; its weights are broken, choose another --model.")
        best = probabilities.argmax(-1).tolist()
        return [
            Answer("label", self._sentiments[i], f"{float(row[i]):.4f}")
            for i, row in zip(best, probabilities, strict=True)
        ]


def _fingerprint(model: Any) -> str:
    """SHA-256 of the weights: another model under the same name is another teacher."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().cpu().view(torch.uint8).numpy().data if tensor.dim() else b"")
    return digest.hexdigest()
