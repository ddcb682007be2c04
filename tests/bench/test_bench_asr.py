"""`livemerc bench asr`: word errors as jiwer counts them, both windows of each Whisper, and files that do not pair."""

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
from livemerc.bench import asr as bench_asr
from livemerc.bench import whisper as bench_whisper
from livemerc.bench.asr import Edits, edits, main, reference_words
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ConfigError, InputError


def test_word_errors_are_those_of_jiwer() -> None:
    chance = random.Random(0)
    for _ in range(200):
        said, heard = ([chance.choice("abcde") for _ in range(chance.randint(n, 30))] for n in (1, 0))
        counted = jiwer.process_words(" ".join(said), " ".join(heard))
        found = edits(said, heard)
        assert found.all == counted.substitutions + counted.deletions + counted.insertions
        assert found.lost <= counted.deletions
        assert found.lost - found.added == len(said) - len(heard)
        assert found.added >= 0
    assert edits([], ["a"]) == Edits(1, 0, 1)
    assert edits(["a", "b"], ["b"]) == Edits(1, 1, 0)
    assert edits([], []) == Edits(0, 0, 0)
    assert edits(["mister", "brown"], ["mr", "brown"]) == Edits(0, 0, 0)


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


def test_the_bundled_whisper_is_measured_in_both_windows(
    excerpt: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_asr, "NOISE_CLIPS", 1)
    monkeypatch.setattr(bench_whisper, "cached_path", lambda _: None)
    assert main([excerpt[0]], [excerpt[1]], json=True) == 0
    figures = json.loads(capsys.readouterr().out)
    full, adaptive = figures["rows"]
    assert [row["asr"] for row in figures["rows"]] == ["faster-whisper tiny.en"] * 2
    assert (full["window"], adaptive["window"]) == ("full", "adaptive")
    assert full["second_passes"] == 0
    assert full["labels_as_full"] == 1.0
    for row in figures["rows"]:
        assert row["wer"] == row["word_errors"] / figures["words"] <= 0.1
        assert row["added"] - row["lost"] + figures["words"] >= 0
        assert row["closed"] == 1.0
        assert row["doubled"] == 0
        assert row["ms"]["n"] == figures["utterances"] == 2
        assert 0 <= row["invented"] <= figures["noise_clips"] == 4
    lines = bench_asr.table(figures)
    assert any("tiny.en, full" in line for line in lines)
    assert any("tiny.en, adaptive" in line for line in lines)


def test_a_folder_is_measured_beside_the_bundled_one(
    excerpt: tuple[Path, Path],
    random_whisper: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench_asr, "NOISE_CLIPS", 0)
    monkeypatch.setattr(bench_whisper, "at_hand", lambda model: {model: Path(model)})  # the other one has its own test
    given = [excerpt[0]], [excerpt[1]], str(random_whisper)
    assert main(*given, json=True) == 0
    figures = json.loads(capsys.readouterr().out)
    full, adaptive = figures["rows"]
    assert (full["second_passes"], adaptive["second_passes"]) == (0, 2), "random weights say nothing"
    assert full["wer"] == adaptive["wer"] == 1.0
    assert full["lost"] == full["word_errors"] == figures["words"] > 10
    assert adaptive["labels_as_full"] == 1.0, "the same words are the same labels"
    assert "again because of nothing heard: 2" in "\n".join(bench_asr.table(figures))


def test_what_is_not_here_is_not_fetched(tmp_path: Path) -> None:
    for model, named in (
        ("enormous", "tiny.en"),
        ("large-v2", "livemerc models pull large-v2"),
        (str(tmp_path), "complete"),
    ):
        with pytest.raises(ConfigError, match=named):
            main(model=model)


def test_base_is_measured_where_it_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(bench_whisper.at_hand("tiny.en")) == ["tiny.en"]
    monkeypatch.setattr(bench_whisper, "cached_path", lambda name: tmp_path / name)
    assert bench_whisper.at_hand() == {"tiny.en": bench_whisper.BUNDLED, "base": tmp_path / "base"}
    monkeypatch.setattr(bench_whisper, "cached_path", lambda name: None)
    assert list(bench_whisper.at_hand()) == ["tiny.en"]


def test_phrases_said_again_at_once_are_counted() -> None:
    assert bench_asr.doubled(["no", "no", "that", "is", "not", "what", "i", "said"]) == 0
    assert bench_asr.doubled(["gave", "me", "the", "job", "gave", "me", "the", "job", "and", "so", "and", "so"]) == 6
    assert bench_asr.doubled([]) == 0
