"""`livemerc bench asr`: word errors as jiwer counts them, both windows of a Whisper, and files that do not pair."""

from __future__ import annotations

import json
import random
from pathlib import Path

import jiwer
import pytest
from helpers import wav_file
from helpers.command_line import livemerc
from helpers.paths import DEMO, DEMO_WORDS

from livemerc.asr.sidecar import read_cues
from livemerc.audio.read import read_samples
from livemerc.bench.asr import edits, main, reference_words
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ConfigError, InputError


def test_word_errors_are_those_of_jiwer() -> None:
    chance = random.Random(0)
    for _ in range(200):
        said, heard = ([chance.choice("abcde") for _ in range(chance.randint(n, 30))] for n in (1, 0))
        counted = jiwer.process_words(" ".join(said), " ".join(heard))
        assert edits(said, heard) == counted.substitutions + counted.deletions + counted.insertions
    assert edits([], ["a"]) == 1
    assert edits([], []) == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("said.txt", "We've missed, the LAST train!\n"),
        ("said.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nWe've missed,\n\n00:02.500 --> 00:03.000\nthe last train.\n"),
        ("said.stm", "a 1 speaker 1.0 2.0 <o,f0,m> we've missed the last train\n"),
    ],
)
def test_a_reference_is_words(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert reference_words(tmp_path / name) == ["we've", "missed", "the", "last", "train"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b" ... "])
def test_a_reference_that_is_none_is_an_input_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "said.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError):
        reference_words(path)


def test_files_and_references_go_in_pairs() -> None:
    with pytest.raises(ConfigError, match="--reference"):
        main([DEMO], [])
    done = livemerc("bench", "--reference", "said.txt")
    assert done.returncode == 2
    assert b"bench asr" in done.stderr


@pytest.fixture(scope="module")
def excerpt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The demo's first two utterances, and what is said in them."""
    folder = tmp_path_factory.mktemp("excerpt")
    first, second, third = read_cues(DEMO_WORDS)[:3]
    samples = read_samples(DEMO, SAMPLE_RATE_HZ, 0.0, (second.end_s + third.start_s) / 2)
    (folder / "said.txt").write_text(f"{first.text} {second.text}")
    return wav_file.write(folder / "talk.wav", samples, SAMPLE_RATE_HZ), folder / "said.txt"


def test_a_whisper_is_measured_in_both_windows(
    excerpt: tuple[Path, Path], random_whisper: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [excerpt[0]], [excerpt[1]], str(random_whisper)
    assert main(*given, json=True) == 0
    figures = json.loads(capsys.readouterr().out)
    full, adaptive = figures["rows"]
    assert (full["window"], adaptive["window"]) == ("full", "adaptive")
    assert (full["second_passes"], adaptive["second_passes"]) == (0, 2), "random weights say nothing"
    assert full["wer"] == adaptive["wer"] == 1.0
    assert full["word_errors"] == figures["words"] > 10
    assert adaptive["rtf"] > 0
    assert main(*given) == 0
    table = capsys.readouterr().out
    assert "again because of nothing heard: 2" in table
    assert table.count("1.000") == 2


def test_another_recogniser_has_no_window(
    excerpt: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEMERC_ASR_ENGINE", "faster-whisper")
    assert main([excerpt[0]], [excerpt[1]], json=True) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["window"] is None
    assert row["ms"]["n"] == 2
    assert row["asr"].startswith("faster-whisper")
