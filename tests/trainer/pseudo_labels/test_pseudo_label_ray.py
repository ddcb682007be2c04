"""Labelling on Ray: what a run without it gives, each asked for once, also where a worker is killed."""

from __future__ import annotations

import json
import wave
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.paths import DEMO
from helpers.ray_cluster import children_called, cluster, ray_or_skip

from livemerc.audio.read import read_samples
from livemerc.cli import call
from trainer.cli import app
from trainer.pseudo_labels.answers import Journal

ray_or_skip()
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")]

RECORDINGS = 6


@pytest.fixture(scope="module")
def on_ray() -> Iterator[None]:
    with cluster(cpus=2):
        yield


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, each time a little quieter: no file is another's copy."""
    folder = tmp_path_factory.mktemp("recordings")
    samples = read_samples(DEMO, 16_000)
    for number in range(RECORDINGS):
        with wave.open(str(folder / f"r{number:02}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes((samples * 32767 * (1 - 0.02 * number)).astype("<i2").tobytes())
    return folder


def labelled(source: Path, out: Path, *flags: str) -> dict[str, Any]:
    """The summary."""
    assert call(["pseudo-label", str(source), "--out", str(out), *flags], app) == 0
    summary: dict[str, Any] = json.loads(out.with_suffix(".json").read_text())
    return summary


def counted(monkeypatch: pytest.MonkeyPatch, on_more: Callable[[int], None]) -> Counter[str]:
    """How often each key comes into a journal; on_more: gets how many have, each time that some do."""
    asked: Counter[str] = Counter()
    add, add_transcript = Journal.add, Journal.add_transcript

    def adding(self: Journal, teacher: str, answered: Sequence[tuple[str, str, Any]]) -> None:
        asked.update(key for key, _, _ in answered)
        add(self, teacher, answered)
        on_more(sum(asked.values()))

    def adding_transcript(self: Journal, key: str, file: str, utterances: Sequence[Sequence[object]]) -> None:
        asked[key] += 1
        add_transcript(self, key, file, utterances)
        on_more(sum(asked.values()))

    monkeypatch.setattr(Journal, "add", adding)
    monkeypatch.setattr(Journal, "add_transcript", adding_transcript)
    return asked


class Killer:
    """Kills a worker, once, when so many answers are there."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.killed = False

    def __call__(self, answers: int) -> None:
        if answers >= self._at and not self.killed:
            children_called("MapWorker")[0].kill()
            self.killed = True


def test_a_killed_worker_changes_nothing_of_what_is_heard(
    on_ray: None, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = labelled(recordings, tmp_path / "plain.csv")
    killer = Killer(2)
    asked = counted(monkeypatch, killer)
    shared = labelled(recordings, tmp_path / "shared.csv", "--ray")
    assert killer.killed
    assert plain["rows"] >= 100
    assert (tmp_path / "shared.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()
    assert set(asked.values()) == {1}
    assert len(asked) == RECORDINGS + plain["unique"]
    assert shared["audio"] == plain["audio"]
    for key in ("labels", "unique", "asked", "from_journal", "apart"):
        assert shared[key] == plain[key]
    again = labelled(recordings, tmp_path / "shared.csv", "--ray")
    assert set(asked.values()) == {1}
    assert (again["asked"], again["audio"]["from_journal"]) == (0, RECORDINGS)


def test_a_killed_worker_changes_nothing_of_3000_labels(
    on_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feelings = ("love", "hate", "see", "fear", "enjoy")
    table = tmp_path / "said.csv"
    table.write_text("text\n" + "".join(f"I {feelings[n % 5]} number {n} of them.\n" for n in range(3000)))
    plain = labelled(table, tmp_path / "plain.csv")
    killer = Killer(1)
    asked = counted(monkeypatch, killer)
    shared = labelled(table, tmp_path / "shared.csv", "--ray")
    assert killer.killed
    assert (plain["rows"], plain["unique"]) == (3000, 3000)
    assert len(plain["labels"]) > 1
    assert (tmp_path / "shared.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()
    assert (len(asked), set(asked.values())) == (3000, {1})
    assert shared["labels"] == plain["labels"]


def test_a_recording_that_does_not_decode_is_named_and_passed_over(
    on_ray: None, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "two"
    folder.mkdir()
    (folder / "good.wav").symlink_to(recordings / "r00.wav")
    (folder / "bad.wav").write_bytes(np.zeros(999, np.uint8).tobytes())
    summary = labelled(folder, tmp_path / "out.csv", "--ray")
    assert summary["audio"]["cannot_be_decoded"] == ["bad.wav"]
    assert "bad.wav" in capsys.readouterr().err
