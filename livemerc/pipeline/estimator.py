"""The model at arm's length: one that fails, hangs or has no memory costs an utterance its label, never the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.errors import LivemercError, ModelError
from livemerc.model.checkpoint import Manifest, read_manifest
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.runtime.notices import Notice, Tell, tell_nobody
from livemerc.runtime.worker import GiveUp, Job, Worker, never

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from livemerc.model.encoders import Encoders
    from livemerc.model.merits import MeritsL
    from livemerc.model.whisper_encoder import WhisperEncoder
    from livemerc.pipeline.dialogue import Dialogue

_WARM_WITHIN_S = 5.0

T = TypeVar("T")


class Unjudged(Exception):
    """There is no estimate, for `reason`."""

    def __init__(self, reason: NoAnswer) -> None:
        super().__init__(reason)
        self.reason = reason


class Estimator:
    """Encoders and conversation model on a thread of their own, the only one that touches the GPU.

    Made without torch; `load` brings it. `tell` says what is wrong, and when it is well again. `failure` is set once
    the model has failed `live.failures_in_a_row` times: then it is not asked any more. All methods are for one thread.
    """

    def __init__(self, config: Config, tell: Tell = tell_nobody) -> None:
        self.manifest: Manifest = read_manifest(config.model.checkpoint)
        self.device: str = config.model.device
        self.failure: LivemercError | None = None
        self._config = config
        self._tell = tell
        self._worker = Worker("livemerc-model")
        self._failures = 0
        self._loading: Job[None] | None = None
        self._model: MeritsL | None = None
        self._encoders: Encoders | None = None

    @property
    def loaded(self) -> bool:
        return self._model is not None

    def begin_load(self) -> None:
        """Loads the model while the caller does something else; `load` then waits for it."""
        if self._loading is None:
            self._loading = self._worker.start(self._load)

    def load(self, give_up: GiveUp[NoAnswer] = never) -> NoAnswer | None:
        """None when the model is there, else why nobody waited for it. Raises `ModelError`."""
        self.begin_load()
        assert self._loading is not None
        reason = self._loading.wait(give_up)
        if reason is None:
            self._loading.result()
        return reason

    def dialogue(self) -> Dialogue:
        """A new conversation; its model runs where `run` runs."""
        from livemerc.pipeline.dialogue import Dialogue

        assert self._model is not None
        return Dialogue(self._model, self._config.dialogue, self.manifest.abstention)

    def embed(
        self, words: str, voice: np.ndarray | None, give_up: GiveUp[NoAnswer]
    ) -> tuple[Tensor | None, Tensor | None]:
        """T1 (Dt,) of the words ("" = none) and the voice, as `Encoders.speech` gives it, of (n,) samples (None = not
        asked for). Raises `Unjudged`."""
        return self.run(lambda: self._embed(words, voice), give_up)

    def run(self, work: Callable[[], T], give_up: GiveUp[NoAnswer]) -> T:
        """What `work` gives on the model's thread. Raises `Unjudged` when it fails or cannot be waited for."""
        if self.failure is not None:
            raise Unjudged(NoAnswer.FAILED)
        reason = give_up(self._worker.ran_s) or self._worker.until_free(give_up)
        if reason is None:
            job = self._worker.start(lambda: self._with_memory(work))
            reason = job.wait(give_up)
        if reason is not None:
            if reason is NoAnswer.HUNG:
                self._tell(Notice.MODEL_HANGS, self._hang_sentence())
            elif reason is NoAnswer.BEHIND:
                self._tell(Notice.MODEL_BEHIND, "too far behind to judge even the voice: no labels until caught up")
            raise Unjudged(reason)
        self._tell(Notice.MODEL_HANGS, None)
        try:
            return job.result()
        except Exception as error:  # the boundary of a part: torch raises whatever its kernels raise
            raise self._failed(error) from error

    def try_run(self, work: Callable[[], T], within_s: float) -> T | None:
        """What `work` gives on the model's thread, or None: the model is busy, fails or takes longer than `within_s`.
        For what is superseded anyway: nothing is told, and a failure does not count."""
        if self.failure is not None or self._worker.busy:
            return None
        job = self._worker.start(lambda: self._with_memory(work))
        if job.wait(lambda ran_s: NoAnswer.HUNG if ran_s > within_s else None) is not None:
            return None
        try:
            return job.result()
        except Exception:  # noqa: BLE001 - the boundary of a part: the next utterance will say whether it is broken
            return None

    @property
    def voice_encoder(self) -> WhisperEncoder | None:
        """The Whisper's layers that the loaded model hears voices with, for the model's thread; None = it has none."""
        if self._model is None:
            return None
        from livemerc.model.voice import VoiceBranch

        branch = self._model.speech
        return branch.encoder if isinstance(branch, VoiceBranch) else None

    def warm(self) -> None:
        """Runs the model once for nobody: the first call of its kernels takes .4 s, and nobody waits yet."""
        self.try_run(self._run_once, _WARM_WITHIN_S)

    def voice(self, samples: np.ndarray) -> Tensor:
        """The voice of (n,) samples, on the model's thread."""
        assert self._encoders is not None
        return self._encoders.speech(samples)

    def succeeded(self) -> None:
        """An utterance has its estimate: the model is well."""
        self._failures = 0
        self._tell(Notice.MODEL_FAILED, None)
        self._tell(Notice.MODEL_BEHIND, None)

    def close(self) -> None:
        self._worker.close()

    # -- in the worker's thread ------------------------------------------------------------------------------------

    def _run_once(self) -> None:
        import numpy as np

        from livemerc.pipeline.abstention import Cues

        hiss = np.random.default_rng(0).normal(0.0, 0.01, 2 * SAMPLE_RATE_HZ).astype(np.float32)
        t1, s1 = self._embed("Well, how are you?", None if self._config.voice.text_only else hiss)
        dialogue = self.dialogue()
        for i in range(2):
            dialogue.add(str(i), t1, s1, Cues(duration_s=2.0))

    def _load(self) -> None:
        from livemerc.model.encoders import choose_device, load_model

        device = choose_device(self._config.model.device)
        wanted = self._config.model
        voice = not self._config.voice.text_only
        try:
            model, encoders = load_model(wanted.checkpoint, device, wanted.threads, wanted.precision, voice=voice)
        except Exception as error:  # full GPU memory has no class of its own in every library; all else goes on up
            if device == "cpu" or not _is_gpu_memory(error):
                raise
            device = "cpu"
            self._tell_cpu()
            model, encoders = load_model(wanted.checkpoint, device, wanted.threads, wanted.precision, voice=voice)
        self.device = device
        self._model, self._encoders = model, encoders

    def _embed(self, words: str, voice: np.ndarray | None) -> tuple[Tensor | None, Tensor | None]:
        assert self._encoders is not None
        t1 = self._encoders.text([words])[0] if words else None
        s1 = None if voice is None else self._encoders.speech(voice)
        for row in (t1, s1):
            if row is not None and not bool(row.isfinite().all()):
                raise ArithmeticError("an embedding that is not finite")  # it would spoil the whole window
        return t1, s1

    def _with_memory(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except Exception as error:  # as above
            if self.device == "cpu" or not _is_gpu_memory(error):
                raise
        assert self._model is not None
        assert self._encoders is not None
        self._model.to("cpu")
        self._encoders.device = next(self._model.parameters()).device
        self.device = "cpu"
        self._tell_cpu()
        return work()

    def _tell_cpu(self) -> None:
        self._tell(Notice.MODEL_ON_CPU, "the GPU's memory is full: the model runs on the CPU")

    # -- outcome ---------------------------------------------------------------------------------------------------

    def _failed(self, error: Exception) -> Unjudged:
        self._failures += 1
        what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}".rstrip(".")
        self._tell(Notice.MODEL_FAILED, f"the model failed ({what}): no label")
        if self._failures >= self._config.live.failures_in_a_row and self.failure is None:
            self.failure = ModelError(
                f"the model failed on {self._failures} utterances in a row ({what}); what was heard before is kept. "
                "Run `livemerc doctor`, or choose another --checkpoint or --device."
            )
        return Unjudged(NoAnswer.FAILED)

    def _hang_sentence(self) -> str:
        return f"the model has not answered for over {self._config.model.time_limit_s:.0f} s: no labels until it does"


def _is_gpu_memory(error: BaseException) -> bool:
    """torch's own class, and what cuBLAS says when it finds no room for its workspace."""
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return True
    what = str(error)
    return isinstance(error, RuntimeError) and ("CUDA error: out of memory" in what or "ALLOC_FAILED" in what)
