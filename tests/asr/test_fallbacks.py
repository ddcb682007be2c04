"""What takes over when the machine is too slow or the GPU too full: real engines of random weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.random_whisper import build_random
from helpers.speech import noise, utterance

from livemerc.asr import models
from livemerc.asr.engine import GpuMemoryError, NoAsr
from livemerc.asr.faster_whisper_engine import FasterWhisperEngine
from livemerc.asr.select import choose_engine, engine_on_cpu, fastest_engine
from livemerc.config import AsrConfig, Config
from livemerc.errors import ModelError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def narrow_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_random(tmp_path_factory.mktemp("narrow"), width=32)


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, narrow_whisper: Path, random_whisper: Path) -> Path:
    """A hub cache with a narrow `tiny` and a wide `base`."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    for name, whisper in (("tiny", narrow_whisper), ("base", random_whisper)):
        folder = tmp_path / "hub" / ("models--" + models.REPOSITORIES[name].replace("/", "--"))
        (folder / "refs").mkdir(parents=True)
        (folder / "snapshots").mkdir()
        (folder / "refs/main").write_text(COMMIT)
        (folder / "snapshots" / COMMIT).symlink_to(whisper)
    return tmp_path


def with_whisper(**asr: object) -> Config:
    return Config(asr=AsrConfig(engine="faster-whisper", **asr))  # type: ignore[arg-type]  # keys of several types


def test_a_smaller_cached_whisper_takes_over(cached: Path) -> None:
    config = with_whisper(model="base", language="en")
    engine = choose_engine(config, announce=lambda _: None)
    fast = fastest_engine(engine, config)
    assert isinstance(fast, FasterWhisperEngine)
    assert (engine.model, fast.model) == ("base", "tiny")
    assert isinstance(fast.transcribe(utterance(noise(1.0))).text, str)
    assert fastest_engine(fast, config) is None  # there is nothing smaller, and it is greedy already
    engine.close()
    fast.close()


def test_without_a_smaller_one_a_wide_beam_becomes_greedy(random_whisper: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    config = with_whisper(model=str(random_whisper), beam_size=5, language="en")
    engine = FasterWhisperEngine(random_whisper, config.asr, device="cpu")
    fast = fastest_engine(engine, config)
    assert isinstance(fast, FasterWhisperEngine)
    assert fast.folder == engine.folder
    assert fast._config.beam_size == 1
    greedy = with_whisper(model=str(random_whisper))
    assert fastest_engine(FasterWhisperEngine(random_whisper, greedy.asr, device="cpu"), greedy) is None


def test_what_is_the_smallest_already_has_nothing_to_hurry(cached: Path) -> None:
    for name in ("tiny", "base"):
        shutil.rmtree(cached / "hub" / ("models--" + models.REPOSITORIES[name].replace("/", "--")))
    shipped = FasterWhisperEngine(models.BUNDLED, AsrConfig(), device="cpu", name="tiny.en")
    assert fastest_engine(shipped, with_whisper(language="en")) is None
    assert fastest_engine(NoAsr(), Config()) is None
    shipped.close()


@pytest.mark.parametrize("said", ["CUDA failed with error out of memory", "cuBLAS failed: CUBLAS_STATUS_ALLOC_FAILED"])
def test_a_full_gpu_is_told_apart_and_the_cpu_takes_over(narrow_whisper: Path, said: str) -> None:
    config = with_whisper(language="en", window="full")
    engine = FasterWhisperEngine(narrow_whisper, config.asr, device="cpu")
    real = engine._whisper

    def full(*_: object, **__: object) -> None:
        raise RuntimeError(said)

    engine._whisper = SimpleNamespace(transcribe=full)
    with pytest.raises(GpuMemoryError):
        engine.transcribe(utterance(noise(1.0)))
    engine._whisper = real
    moved = engine_on_cpu(engine, config)
    assert isinstance(moved, FasterWhisperEngine)
    assert (moved.device, moved.model) == ("cpu", engine.model)
    assert moved.transcribe(utterance(noise(1.0))) == engine.transcribe(utterance(noise(1.0)))
    with pytest.raises(ModelError, match="--device cpu"):
        engine_on_cpu(NoAsr(), config)


def test_a_gpu_that_is_full_at_the_start_is_said_and_not_used(
    narrow_whisper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from livemerc.asr import one_pass

    real = one_pass.OnePassWhisper

    def load(path: str, *, device: str, **options: object) -> object:
        if device != "cpu":
            raise RuntimeError("CUDA failed with error out of memory")
        return real(path, device=device, **options)

    monkeypatch.setattr(one_pass, "OnePassWhisper", load)
    said: list[str] = []
    config = with_whisper(model=str(narrow_whisper))
    engine = choose_engine(config, announce=said.append)
    assert "on the CPU, because the GPU's memory is full" in said[-1]
    assert isinstance(engine, FasterWhisperEngine)
    assert engine.device == "cpu"
