"""Which recogniser runs: `--asr auto` and its explicit fellows. It always says which and why, and fetches nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from livemerc.asr.cuda import load_cublas
from livemerc.asr.engine import AsrEngine, GpuMemoryError, Lightened, Movable, NoAsr
from livemerc.asr.models import BUNDLED, BUNDLED_NAME, cached_path, is_complete, local_path, repository_of
from livemerc.asr.screening import primary_language
from livemerc.config import Config
from livemerc.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from livemerc.asr.faster_whisper_engine import FasterWhisperEngine

Announce = Callable[[str], None]

PREFERENCE_CPU = (
    "base", "base.en", "small", "small.en", "tiny", "tiny.en", "distil-small.en", "large-v3-turbo", "medium",
    "medium.en", "distil-medium.en", "distil-large-v3.5", "distil-large-v3", "distil-large-v2", "large-v3", "large-v2",
    "large-v1",
)  # fmt: skip
"""Of several cached models: base keeps up with speech on two cores, larger ones fall behind."""
PREFERENCE_CUDA = (
    "large-v3-turbo", "distil-large-v3.5", "distil-large-v3", "large-v3", "distil-large-v2", "large-v2", "medium",
    "medium.en", "distil-medium.en", "small", "small.en", "distil-small.en", "base", "base.en", "tiny", "tiny.en",
    "large-v1",
)  # fmt: skip
FASTEST_FIRST = (
    "tiny.en", "tiny", "base.en", "base", "distil-small.en", "small.en", "small", "distil-medium.en", "medium.en",
    "medium", "large-v3-turbo", "distil-large-v3.5", "distil-large-v3", "distil-large-v2", "large-v3", "large-v2",
    "large-v1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A Whisper on this machine, and why it is the one."""

    name: str
    folder: Path
    why: str


def find_engine(config: Config) -> Found | None:
    """The Whisper that `config.asr` asks for, without loading it; None where it asks for none. No network.

    auto and faster-whisper: the one that `asr.model` names, else the best cached one, else tiny.en, which ships. Raises
    `ModelError` (exit 3) with the mend, and `ConfigError` (exit 2) for one that does not know `asr.language`.
    """
    if config.asr.engine not in ("auto", "faster-whisper"):
        return None
    if config.asr.model is not None:
        found = Found(config.asr.model, _named(config.asr.model), "as asked")
    else:
        found = _best(config)
    if _is_english(found.name) and primary_language(config.asr.language or "en") != "en":
        raise ConfigError(
            f"asr.language: Whisper {found.name} knows English alone; fetch one of many languages once with "
            "`livemerc models pull base`, or name one with --model."
        )
    return found


def _best(config: Config) -> Found:
    name = best_cached(config)
    folder = None if name is None else cached_path(name)
    if name is not None and folder is not None:
        return Found(name, folder, "found in the cache")
    if not is_complete(BUNDLED):
        raise ModelError(f"{BUNDLED}: the Whisper that ships with livemerc is missing; install livemerc anew.")
    return Found(BUNDLED_NAME, BUNDLED, "ships with livemerc, English only")


def _is_english(name: str) -> bool:
    """By its name; a folder's says nothing, and the engine itself will refuse."""
    return name.endswith(".en") and not Path(name).expanduser().is_dir()


def choose_engine(config: Config, *, announce: Announce) -> AsrEngine:
    """The recogniser that `config.asr` asks for, loaded. No network.

    `announce` gets one line that names the engine and the reason. Raises as `find_engine`, and `ModelError` for a model
    that is broken.
    """
    engine = config.asr.engine
    if engine == "none":
        announce("ASR: none, as asked: the emotion is judged by the voice alone.")
        return NoAsr()
    if engine == "transcript":
        return _transcript(config, announce)
    found = find_engine(config)
    assert found is not None
    whisper, on_cpu = load_whisper(found.name, found.folder, config)
    announce(f"ASR: faster-whisper {found.name} ({found.why}{on_cpu}).")
    return whisper


def _named(model: str) -> Path:
    """The folder of a model that the user names. Raises `ModelError`."""
    if Path(model).expanduser().is_dir():
        return Path(model).expanduser()
    if model.startswith((".", "/", "~")) or "\\" in model:
        raise ModelError(f"{model}: no such folder with a Whisper model; give a folder or a size such as base.")
    path = local_path(model)
    if path is None:
        repository_of(model)  # an unknown name is another error
        raise ModelError(f"Whisper {model} is not on this machine; run `livemerc models pull {model}` once.")
    return path


def fastest_engine(engine: AsrEngine, config: Config) -> AsrEngine | None:
    """What to use instead of `engine` while the machine cannot keep up: the smallest Whisper at hand that knows the
    language, decoding greedily; what a `Lightened` one says. None where nothing is faster. No network; loads it.
    """
    if isinstance(engine, Lightened):
        return engine.lighter()
    if engine.engine != "faster-whisper":
        return None
    from livemerc.asr.faster_whisper_engine import FasterWhisperEngine

    assert isinstance(engine, FasterWhisperEngine)
    greedy = msgspec.structs.replace(config.asr, beam_size=1)
    for name in _knowing(config.asr.language, FASTEST_FIRST):
        folder = local_path(name)
        if folder is not None and name != engine.model and _bytes(folder) < _bytes(engine.folder):
            return FasterWhisperEngine(folder, greedy, device=engine.device, name=name, screening=config.screening)
    if config.asr.beam_size > 1:
        return FasterWhisperEngine(
            engine.folder, greedy, device=engine.device, name=engine.model, screening=config.screening
        )
    return None


def engine_on_cpu(engine: AsrEngine, config: Config) -> AsrEngine:
    """The same recogniser on the CPU, for a GPU whose memory is full. Raises `ModelError`."""
    if isinstance(engine, Movable):
        return engine.on_cpu()
    from livemerc.asr.faster_whisper_engine import FasterWhisperEngine

    if not isinstance(engine, FasterWhisperEngine):
        raise ModelError(f"{engine.engine} has no way from the GPU to the CPU; use --device cpu.")
    return FasterWhisperEngine(engine.folder, config.asr, device="cpu", name=engine.model, screening=config.screening)


def _bytes(folder: Path) -> int:
    return (folder / "model.bin").stat().st_size


def _knowing(language: str | None, names: Sequence[str]) -> list[str]:
    if language in (None, "en"):
        return list(names)
    return [name for name in names if not name.endswith(".en") and not name.startswith("distil-")]


def best_cached(config: Config) -> str | None:
    """The cached Whisper that suits this machine and language best, or None. No network."""
    names = [name for name in _knowing(config.asr.language, PREFERENCE_CPU) if cached_path(name) is not None]
    if len(names) < 2:
        return names[0] if names else None
    if _has_cuda(config):
        return min(names, key=PREFERENCE_CUDA.index)
    return names[0]


def _has_cuda(config: Config) -> bool:
    if config.model.device != "auto":
        return config.model.device == "cuda"
    import ctranslate2

    return ctranslate2.get_cuda_device_count() > 0


def load_whisper(name: str, path: Path, config: Config) -> tuple[FasterWhisperEngine, str]:
    """A Whisper on `model.device`, and why it is on the CPU where that was not asked for ("" otherwise)."""
    from livemerc.asr.faster_whisper_engine import FasterWhisperEngine

    device, why = config.model.device, ""
    # loading it is the point: CTranslate2 then finds it by name
    if device != "cpu" and _has_cuda(config) and not load_cublas() and device == "auto":
        device, why = "cpu", "; on the CPU, because CUDA 12's cuBLAS is missing: see `livemerc doctor`"

    def engine(device: str) -> FasterWhisperEngine:
        return FasterWhisperEngine(path, config.asr, device=device, name=name, screening=config.screening)

    try:
        return engine(device), why
    except GpuMemoryError:
        return engine("cpu"), f"{why}; on the CPU, because the GPU's memory is full"


def _transcript(config: Config, announce: Announce) -> AsrEngine:
    from livemerc.asr.sidecar import SidecarEngine

    if config.asr.transcript is None:
        raise ConfigError("asr.transcript: --asr transcript needs a VTT, SRT or STM file; give --transcript FILE.")
    engine = SidecarEngine(config.asr.transcript)
    announce(f"ASR: none; the words come from {config.asr.transcript}.")
    for sentence in engine.unread:
        announce(sentence)
    return engine
