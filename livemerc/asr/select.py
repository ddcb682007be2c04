"""Which recogniser runs: `--asr auto` and its explicit fellows. It always says which, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from livemerc.asr.cuda import load_cublas
from livemerc.asr.engine import AsrEngine, GpuMemoryError, Lightened, Movable, NoAsr
from livemerc.asr.identify import find_whisper, not_here, voice_of
from livemerc.asr.models import REPOSITORIES, cached_path, hub_is_offline, pull, repository_of
from livemerc.config import Config
from livemerc.errors import ConfigError, ModelError
from livemerc.model.whisper_identity import WhisperIdentity

if TYPE_CHECKING:
    from livemerc.asr.faster_whisper_engine import FasterWhisperEngine

Announce = Callable[[str], None]

DEFAULT_MODEL = "base"
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


def choose_engine(config: Config, *, demo: bool, terminal: bool, announce: Announce) -> AsrEngine:
    """The recogniser that `config.asr` asks for; `auto` is resolved as the contract says. Loads the model.

    `terminal`: someone sees a progress bar on stderr, so `auto` may fetch `base` once. `demo`: never fetch.
    `announce` gets one line that names the engine and the reason. Where no model is named and the checkpoint judges
    the voice with the encoder of a Whisper, it is that one: `livemerc.pipeline.processor` would refuse any other.
    Raises `ModelError` (exit 3) or `ConfigError` (exit 2) with the mend.
    """
    engine = config.asr.engine
    if engine == "none":
        announce("ASR: none, as asked: the emotion is judged by the voice alone.")
        return NoAsr()
    if engine == "transcript":
        return _transcript(config, announce)
    if engine == "pocketsphinx":
        return _pocketsphinx("as asked", announce)
    identity = voice_of(config)
    if identity is not None and config.asr.model is None:
        return _whisper_of_the_voice(identity, config, demo=demo, terminal=terminal, announce=announce)
    if engine == "faster-whisper" or config.asr.model is not None:
        return _named_whisper(config, demo=demo, terminal=terminal, announce=announce)
    return _auto(config, demo=demo, terminal=terminal, announce=announce)


def _auto(config: Config, *, demo: bool, terminal: bool, announce: Announce) -> AsrEngine:
    name = best_cached(config)
    if name is not None:
        return _whisper(name, cached_path(name), config, "found in the cache", announce)
    if demo:
        return _pocketsphinx("no Whisper is cached and the demo fetches nothing", announce)
    if config.offline or hub_is_offline():
        return _pocketsphinx("no Whisper is cached and --offline forbids fetching one", announce)
    if not terminal:
        return _pocketsphinx(
            f"no Whisper is cached; `livemerc models pull {DEFAULT_MODEL}` fetches a better recogniser", announce
        )
    try:
        path = _fetch(DEFAULT_MODEL, terminal, announce)
    except ModelError as error:
        return _pocketsphinx(f"no Whisper is cached and fetching failed: {error}", announce)
    return _whisper(DEFAULT_MODEL, path, config, "fetched", announce)


def _whisper_of_the_voice(
    identity: WhisperIdentity, config: Config, *, demo: bool, terminal: bool, announce: Announce
) -> AsrEngine:
    found = find_whisper(identity)
    if found is None:
        forbidden = demo or not terminal or config.offline or hub_is_offline()
        if forbidden or identity.name not in REPOSITORIES or cached_path(identity.name) is not None:
            raise not_here(identity)
        found = identity.name, _fetch(identity.name, terminal, announce)
    return _whisper(*found, config, "the checkpoint's voice needs it", announce)


def _named_whisper(config: Config, *, demo: bool, terminal: bool, announce: Announce) -> AsrEngine:
    model = config.asr.model or best_cached(config) or DEFAULT_MODEL
    if Path(model).expanduser().is_dir():
        return _whisper(model, Path(model).expanduser(), config, "as asked", announce)
    if model.startswith((".", "/", "~")) or "\\" in model:
        raise ModelError(f"{model}: no such folder with a Whisper model; give a folder or a size such as base.")
    repository_of(model)  # an unknown name is said before anything about networks
    path = cached_path(model)
    if path is None:
        if demo or config.offline or hub_is_offline():
            why = "the demo fetches nothing" if demo else "--offline forbids fetching it"
            raise ModelError(f"Whisper {model} is not cached and {why}; run `livemerc models pull {model}` online.")
        path = _fetch(model, terminal, announce)
    return _whisper(model, path, config, "as asked", announce)


def fastest_engine(engine: AsrEngine, config: Config) -> AsrEngine | None:
    """What to use instead of `engine` while the machine cannot keep up: the smallest cached Whisper that knows the
    language, decoding greedily; pocketsphinx with narrower beams; what a `Lightened` one says. None where nothing is
    faster. No network; loads it.
    """
    if isinstance(engine, Lightened):
        return engine.lighter()
    if engine.engine == "pocketsphinx":
        from livemerc.asr.pocketsphinx_engine import HURRIED_SEARCH, PocketsphinxEngine

        return PocketsphinxEngine(HURRIED_SEARCH, "en-us, hurried")
    if engine.engine != "faster-whisper":
        return None
    from livemerc.asr.faster_whisper_engine import FasterWhisperEngine

    assert isinstance(engine, FasterWhisperEngine)
    greedy = msgspec.structs.replace(config.asr, beam_size=1)
    name = next((n for n in _knowing(config.asr.language, FASTEST_FIRST) if cached_path(n) is not None), None)
    folder = None if name is None else cached_path(name)
    if folder is not None and _bytes(folder) < _bytes(engine.folder):
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
    moved = FasterWhisperEngine(engine.folder, config.asr, device="cpu", name=engine.model, screening=config.screening)
    moved.encodes = engine.encodes
    return moved


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
    try:
        return FasterWhisperEngine(path, config.asr, device=device, name=name, screening=config.screening), why
    except GpuMemoryError:
        engine = FasterWhisperEngine(path, config.asr, device="cpu", name=name, screening=config.screening)
        return engine, f"{why}; on the CPU, because the GPU's memory is full"


def _whisper(name: str, path: Path | None, config: Config, why: str, announce: Announce) -> AsrEngine:
    if path is None:
        raise ModelError(f"Whisper {name} has vanished from the cache; run `livemerc models pull {name}`.")
    engine, on_cpu = load_whisper(name, path, config)
    announce(f"ASR: faster-whisper {name} ({why}{on_cpu}).")
    return engine


def _pocketsphinx(why: str, announce: Announce) -> AsrEngine:
    from livemerc.asr.pocketsphinx_engine import PocketsphinxEngine

    engine = PocketsphinxEngine()
    announce(f"ASR: pocketsphinx, US English ({why}).")
    return engine


def _transcript(config: Config, announce: Announce) -> AsrEngine:
    from livemerc.asr.sidecar import SidecarEngine

    if config.asr.transcript is None:
        raise ConfigError("asr.transcript: --asr transcript needs a VTT, SRT or STM file; give --transcript FILE.")
    engine = SidecarEngine(config.asr.transcript)
    announce(f"ASR: none; the words come from {config.asr.transcript}.")
    return engine


def _fetch(name: str, terminal: bool, announce: Announce) -> Path:
    announce(f"Fetching Whisper {name} once from the Hugging Face hub.")
    if not terminal:
        return pull(name)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"Whisper {name}", total=None)
        return pull(name, lambda done, total: bar.update(task, completed=done, total=total))
