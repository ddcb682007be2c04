"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from helpers.pulse import PulseServer, missing_for_pulse
from helpers.signals import let_children_hear

PROJECT = Path(__file__).resolve().parent.parent
SHARED_DATA = PROJECT.parent / "shared" / "data"

LONG = (
    "tests/trainer/test_full_size.py",
    "tests/trainer/test_recipe.py",
    "tests/e2e/",
    "tests/asr/test_faster_whisper.py",
    "tests/fuzz/",
    "tests/bench/",
    "tests/trainer/test_pseudo_label_resume.py",
    "tests/faults/",
    "tests/test_privacy.py",
    "tests/runtime/test_stopping.py",
    "tests/audio/test_mic_source.py",
    "tests/web/test_chromium.py",
)
"""Begun first: a worker that begins one of these last leaves the others idle."""


def pytest_configure() -> None:
    let_children_hear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((n for n, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG)))


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


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[Path, str]]]:
    """(folder of a real CTranslate2 Whisper that knows ten sentences, [(wav file, sentence)]).

    Takes minutes, once for all workers: for tests marked `slow`, with `pytest.mark.timeout(1200)`.
    """
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed: nothing speaks the sentences that the tiny Whisper learns")
    from helpers.tiny_whisper import SENTENCES

    base = tmp_path_factory.getbasetemp()  # of this worker, in that of the run
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny_whisper"
    with FileLock(f"{folder}.lock"):
        if not (folder / "trained").exists():
            folder.mkdir(exist_ok=True)
            # a process of its own: two torch threads there, one here
            environment = {**os.environ, "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
            command = [sys.executable, str(PROJECT / "tests" / "helpers" / "tiny_whisper.py"), str(folder)]
            subprocess.run(command, cwd=PROJECT, env=environment, check=True, timeout=1200)
            (folder / "trained").touch()
    return folder / "ct2", [(folder / f"sentence{i}.wav", sentence) for i, sentence in enumerate(SENTENCES)]
