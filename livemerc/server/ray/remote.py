"""Recogniser and model as whoever asks them sees them: what is called here is done on another machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import RayServeException

from livemerc.asr.engine import Transcript
from livemerc.audio.items import Utterance
from livemerc.errors import LivemercError
from livemerc.server.ray.parts import Failed, ModelFacts, RecogniserFacts
from livemerc.streams.batch import Parts, Rows

if TYPE_CHECKING:
    import numpy as np
    from ray.serve.handle import DeploymentHandle
    from torch import Tensor

    from livemerc.model.merits import Window
    from livemerc.pipeline.judging import Answer, Question

TRY_AGAIN_FOR_S = 20.0
"""A replica that dies takes its calls with it; they are made again at another, or at the one that takes its place."""
ANSWER_WITHIN_S = 180.0
"""Whoever asks has given up long before (`asr.time_limit_s`, `model.time_limit_s`)."""
_PAUSE_S = 0.3


def asked(handle: DeploymentHandle, method: str, *arguments: Any) -> Any:
    """Waits for what a deployment answers. Raises what the call fails of, and `LivemercError` where nobody answers."""
    until_s = time.monotonic() + TRY_AGAIN_FOR_S
    while True:
        try:
            found = getattr(handle, method).remote(*arguments).result(timeout_s=ANSWER_WITHIN_S)
        except TimeoutError as error:
            raise LivemercError(
                f"{handle.deployment_name} has not answered for {ANSWER_WITHIN_S:.0f} s; see `serve status`."
            ) from error
        except (RayActorError, RayServeException, RayError) as error:
            if isinstance(error, RayTaskError) or time.monotonic() > until_s:  # its own failure would come again
                raise LivemercError(
                    f"{handle.deployment_name} does not answer ({type(error).__name__}); see `serve status`."
                ) from error
            time.sleep(_PAUSE_S)
            continue
        if isinstance(found, Failed):
            raise found.error
        return found


class RemoteEngine:
    """The recognisers of the cluster as one. It listens for a language, whichever engine is behind."""

    repeatable = True

    def __init__(self, handle: DeploymentHandle, lighter: RecogniserFacts | None = None) -> None:
        """lighter: what there is for rooms that cannot keep up; then this is that."""
        facts: RecogniserFacts = lighter or asked(handle, "facts")
        self.engine = facts.engine
        self.model: str | None = facts.model
        self.said = facts.said
        self.language: str | None = None
        self._handle = handle
        self._fast = lighter is not None

    def knows(self, language: str) -> bool:
        return bool(asked(self._handle, "knows", language))

    def transcribe(self, utterance: Utterance) -> Transcript:
        found: Transcript = asked(self._handle, "transcribe", (utterance, self.language, self._fast))
        return found

    def lighter(self) -> RemoteEngine | None:
        """For `livemerc.asr.engine.Lightened`."""
        facts = None if self._fast else asked(self._handle, "lighter")
        return None if facts is None else RemoteEngine(self._handle, facts)

    def partial(self, samples: np.ndarray) -> str:
        return str(asked(self._handle, "partial", samples, self.language))

    def close(self) -> None:
        """The engine is everybody's."""


class RemoteEncoders:
    """Stage I elsewhere."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    def batch(self, texts: Sequence[str | None], voices: Sequence[np.ndarray | None]) -> list[Rows]:
        found: list[Rows] = asked(self._handle, "embed", (list(texts), list(voices)))
        return found

    def speech(self, samples: np.ndarray) -> Tensor:
        ((_, voice),) = self.batch([None], [samples])
        assert voice is not None
        return voice


class RemoteModel:
    """Stages II and III elsewhere: a `livemerc.pipeline.judging.AnswersItself`."""

    def __init__(self, handle: DeploymentHandle, facts: ModelFacts) -> None:
        self.labels = facts.labels
        self.prior = facts.prior
        self.has_baseline = facts.has_baseline
        self.widths = facts.widths
        self._handle = handle

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        found: list[Answer] = asked(self._handle, "answer", list(questions))
        return found

    def deciding(self, window: Window, at: int, label: int) -> int | None:
        found: int | None = asked(self._handle, "deciding", window, at, label)
        return found


def remote_parts(handle: DeploymentHandle) -> Parts:
    """What judges, elsewhere."""
    facts: ModelFacts = asked(handle, "facts")
    return Parts(RemoteEncoders(handle), RemoteModel(handle, facts), facts.device)
