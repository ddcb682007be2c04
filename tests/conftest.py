"""Fixtures that every room's tests share."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers.command_line import SETTINGS
from helpers.paths import SHARED_DATA
from helpers.pulse import PulseServer, missing_for_pulse
from helpers.signals import let_children_hear
from hypothesis import settings

if TYPE_CHECKING:
    from livemerc.config import Config

# The settings and models of whoever runs the tests are not theirs; and one thread, before torch reads how many.
for name in [name for name in os.environ if name.startswith(("LIVEMERC_", "HF_"))]:
    del os.environ[name]
os.environ |= {**SETTINGS, "OMP_NUM_THREADS": "1"}
settings.register_profile("any machine", deadline=None)  # a busy one is slow, and no example is wrong for that
settings.load_profile("any machine")

LONG = (
    # the slow tier; two clusters of Ray are never begun together
    "tests/trainer/loop/test_killed_stages.py",
    "tests/trainer/test_recipe.py",
    "tests/trainer/merits_l/test_full_size.py",
    "tests/bench/test_bench.py",
    "tests/server/test_ray_rooms.py",
    "tests/fuzz/",
    "tests/server/test_page.py",
    "tests/asr/test_window.py",
    "tests/e2e/test_record.py",
    "tests/server/test_server_docs.py",
    "tests/trainer/pseudo_labels/test_pseudo_label_ray.py",
    # the default tier
    "tests/test_purpose.py",
    "tests/e2e/",
    "tests/pipeline/test_rerun.py",
    "tests/audio/test_ears.py",
    "tests/parity/",
    "tests/test_privacy.py",
    "tests/server/",
    "tests/trainer/experiments/test_experiments.py",
    "tests/audio/test_noise.py",
    "tests/audio/test_resumed.py",
    "tests/trainer/evaluation/",
    "tests/export/",
    "tests/pipeline/",
    "tests/faults/",
    "tests/bench/",
    "tests/web/test_chromium.py",
    "tests/trainer/pseudo_labels/",
    "tests/trainer/merits_l/",
)
"""Begun first: a worker that begins one of these last leaves the others idle."""


def pytest_configure() -> None:
    let_children_hear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((n for n, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG)))


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """No test changes settings, folder or torch's threads for the next one; commands that run in this process may.

    One thread: sums over another number of them differ in the last bit, and several wait for each other on a busy
    machine. Variables that libraries set when they are imported stay: they are imported once.
    """
    before, folder, threads = _ours(), Path.cwd(), set(threading.enumerate())
    yield
    _no_thread_stays(threads)
    for name in _ours().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
    os.chdir(folder)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _no_thread_stays(threads: set[threading.Thread]) -> None:
    """None of the project's besides `threads`, or the next test that looks for some finds this one's."""
    until_s = time.monotonic() + 30.0
    while left := [t.name for t in threading.enumerate() if t.name.startswith("livemerc-") and t not in threads]:
        gc.collect()  # a worker that nobody closed ends with its owner
        assert time.monotonic() < until_s, f"the test left threads: {left}"
        time.sleep(0.02)


def _ours() -> dict[str, str]:
    """Variables that this project's commands and tests set."""
    names = ("LIVEMERC_", "HF_", "OMP_", "XDG_", "PULSE_", "CUBLAS_")
    return {name: value for name, value in os.environ.items() if name.startswith(names)}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real audio and corpora beside the project; the test skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data beside the project: real audio and corpora are not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small checkpoint with random weights, for what does not depend on them; read only."""
    from helpers.networks import write_checkpoint

    return write_checkpoint(tmp_path_factory.mktemp("random") / "checkpoint")


@pytest.fixture(scope="session")
def configured(checkpoint: Path) -> Callable[..., Config]:
    """Makes settings of nothing but the defaults, that checkpoint and its arguments: `asr__engine` is asr.engine."""
    from livemerc.config import load_config

    def configure(**keys: Any) -> Config:
        overrides = {key.replace("__", "."): value for key, value in keys.items()}
        return load_config(overrides={"model.checkpoint": str(checkpoint), **overrides}, environ={})

    return configure


@pytest.fixture(scope="session")
def random_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small Whisper with random weights, for what does not depend on its words; read only."""
    from helpers.random_whisper import build_random

    return build_random(tmp_path_factory.mktemp("random_whisper"))


@pytest.fixture(scope="session")
def german_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that always hears German, and is sure of it."""
    from helpers.random_whisper import build_multilingual

    return build_multilingual(tmp_path_factory.mktemp("german_whisper"), {"de": 9.0, "en": 2.0, "pl": 2.0})


@pytest.fixture(scope="session")
def undecided_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that hears German with a probability of .36, a little more than English or Polish."""
    from helpers.random_whisper import build_multilingual

    return build_multilingual(tmp_path_factory.mktemp("undecided_whisper"), {"de": 2.1, "en": 2.0, "pl": 2.0})


@pytest.fixture
def encoded_frames(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Mel frames of each input that reaches CTranslate2's encoder, an entry a pass."""
    from faster_whisper import WhisperModel

    real, frames = WhisperModel.encode, list[int]()

    def counted(self: Any, features: Any) -> object:
        frames.append(features.shape[-1])
        return real(self, features)

    monkeypatch.setattr(WhisperModel, "encode", counted)
    return frames


@pytest.fixture(scope="session")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulseServer]:
    """A private sound server with one silent room; the test skips, saying why, where it cannot run."""
    yield from _served(tmp_path_factory.mktemp("pulse"))


@pytest.fixture
def pulse_alone(tmp_path: Path) -> Iterator[PulseServer]:
    """One that the test may stop."""
    yield from _served(tmp_path)


def _served(folder: Path) -> Iterator[PulseServer]:
    missing = missing_for_pulse()
    if missing is not None:
        pytest.skip(f"microphone path not tried: {missing}")
    server = PulseServer(folder)
    try:
        yield server.start()
    finally:
        server.stop()
