"""The work of a labelling run shared among the machines of a Ray cluster: recordings -> transcripts -> labels.

Ray Data hands the work out, and again where a worker dies. The journal stays with the process that was started: what a
worker gives is in it before the next is taken, so nothing that came is asked for again. An endpoint is not a worker's:
its requests, pauses and prices are one account, kept where they are.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from livemerc.errors import InputError, LivemercError, ModelError
from trainer.pseudo_labels.options import PseudoLabelOptions
from trainer.pseudo_labels.teachers import Answer, LocalTeacher, Record, Teacher

MOST_BLOCKS = 10_000
"""Pieces of the work: each is one message, and what a dying worker has in hand."""

Pending = tuple[str, Path]
"""Key and path of a recording that is to be transcribed."""


@contextmanager
def on_cluster() -> Iterator[int]:
    """Joins the cluster that RAY_ADDRESS names, else begins one on this machine; gives its cores. Raises `ModelError`
    where Ray is not there, and `LivemercError` where it cannot be reached."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ModelError(
            f"Ray cannot be loaded ({error}); run `pip install 'livemerc[ray]'`, or leave out --ray."
        ) from error
    ours = not ray.is_initialized()
    try:
        if ours:
            os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
            _begin()
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        yield max(1, int(ray.cluster_resources().get("CPU", 1)))
    except ray.exceptions.RayError as error:
        raise LivemercError(
            f"the work on Ray failed ({_last_line(error)}); what came before is kept, and the same command goes on "
            "from there."
        ) from error
    finally:
        if ours:
            ray.shutdown()


def _begin() -> None:
    """Raises `LivemercError`."""
    import ray

    try:
        ray.init(log_to_driver=False, logging_level="error", include_dashboard=False)
    except Exception as error:  # Ray raises bare Exception where a node does not start in time
        raise LivemercError(
            f"no Ray cluster can be reached or begun ({_last_line(error)}); check RAY_ADDRESS and the load of this "
            "machine, or leave out --ray."
        ) from error


def _shared(
    items: Sequence[dict[str, Any]], worker: type, arguments: tuple[Any, ...], workers: int, together: int, gpu: bool
) -> Iterator[list[dict[str, Any]]]:
    """What `worker` makes of the items, some at once as they come. together: items of one call."""
    import ray.data

    pieces = min(MOST_BLOCKS, -(-len(items) // together))
    done = ray.data.from_items(list(items), override_num_blocks=pieces).map_batches(
        worker,
        fn_constructor_args=arguments,
        batch_size=together,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, min(workers, pieces))),
        num_cpus=1,
        num_gpus=1 if gpu else 0,
        batch_format="numpy",
    )
    for some in done.iter_batches(batch_size=None, batch_format="numpy"):
        yield [dict(zip(some, row, strict=True)) for row in zip(*some.values(), strict=True)]


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200].rstrip(".")


# -- recordings --------------------------------------------------------------------------------------------------------


class Transcriber:
    """A worker with a recogniser of its own."""

    def __init__(self, settings: bytes) -> None:
        from livemerc.asr.select import choose_engine
        from livemerc.config import Config

        self._config = msgspec.json.decode(settings, type=Config)
        self._engine = choose_engine(self._config, announce=lambda _: None)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        from trainer.pseudo_labels.hearing import transcribe

        found: dict[str, list[str]] = {"key": [], "heard": [], "error": [], "said": []}
        for key, path in zip(batch["key"], batch["path"], strict=True):
            said: list[str] = []
            heard, error = "", ""
            try:
                heard = msgspec.json.encode(
                    transcribe(Path(str(path)), self._engine, self._config, said.append)
                ).decode()
            except InputError as problem:
                error = str(problem)
            for name, value in (("key", str(key)), ("heard", heard), ("error", error), ("said", "\n".join(said))):
                found[name].append(value)
        return found


def transcripts(
    pending: Sequence[Pending], settings: bytes, options: PseudoLabelOptions, say: Callable[[str], None]
) -> Generator[tuple[str, bytes | InputError], None, None]:
    """Key and utterances (JSON of `livemerc`'s `Heard`s) of each recording as it comes, or why it does not decode.
    settings: the `Config` as JSON."""
    with on_cluster() as cores:
        items = [{"key": key, "path": str(path)} for key, path in pending]
        for rows in _shared(items, Transcriber, (settings,), cores, 1, options.device == "cuda"):
            for row in rows:
                for sentence in filter(None, row["said"].split("\n")):
                    say(sentence)
                yield str(row["key"]), InputError(row["error"]) if row["error"] else row["heard"].encode()


# -- texts -------------------------------------------------------------------------------------------------------------


class Labeller:
    """A worker with a teacher of its own."""

    def __init__(self, options: PseudoLabelOptions) -> None:
        from trainer.pseudo_labels.choice import make_teacher

        teacher = make_teacher(options)
        assert isinstance(teacher, LocalTeacher)
        self._teacher = teacher

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        answers = self._teacher.label([str(text) for text in batch["text"]])
        return {
            "at": [int(at) for at in batch["at"]],
            "status": [answer.status for answer in answers],
            "label": [answer.label or "" for answer in answers],
            "raw": [answer.raw for answer in answers],
        }


class SharedTeacher(Teacher):
    """A teacher of this machine, as many as there are workers."""

    def __init__(self, own: LocalTeacher, options: PseudoLabelOptions) -> None:
        self.name, self.identity = own.name, own.identity
        self._batch, self._options = own.batch, options

    def label_all(self, texts: Sequence[str], record: Record, forget: Callable[[Sequence[int]], None]) -> int:
        if not texts:
            return 0
        with on_cluster() as cores:
            items = [{"at": at, "text": text} for at, text in enumerate(texts)]
            gpu = self._options.device == "cuda"
            together = max(1, min(self._batch, -(-len(items) // (4 * cores))))
            for rows in _shared(items, Labeller, (self._options,), cores, together, gpu):
                record([(int(row["at"]), Answer(row["status"], row["label"] or None, row["raw"])) for row in rows])
        return 0
