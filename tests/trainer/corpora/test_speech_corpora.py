"""The speech corpora are read as they are published, and a bad row is named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from helpers.trainer.releases import labelled_clips

from livemerc.audio.read import read_samples
from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.labelled_clips import read_labelled
from trainer.corpora.nemo import read_nemo
from trainer.corpora.ravdess import read_ravdess
from trainer.corpora.read_speech import read_librispeech, read_read
from trainer.corpora.sources import SOURCES
from trainer.corpora.speaker_split import part_of, speaker_split
from trainer.corpora.voices import VOICES, read_clips

HEADER = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"


def names(clips) -> list[str]:
    return [LABELS[c.label] for c in clips]


def test_ravdess_names_give_emotion_actor_and_gender(tmp_path: Path) -> None:
    for emotion, actor in zip(range(1, 9), range(1, 9), strict=True):
        (tmp_path / f"03-01-0{emotion}-01-02-01-0{actor}.flac").touch()
    clips = read_ravdess(tmp_path)
    assert names(clips) == ["neutral", "neutral", "joy", "sadness", "anger", "fear", "disgust", "surprise"]
    assert [c.speaker for c in clips] == list("12345678")
    assert [c.male for c in clips] == [True, False] * 4


@pytest.mark.parametrize("name", ["a.flac", "03-01-09-01-01-01-01.flac", "03-01-01-01-01-01-xx.wav"])
def test_ravdess_refuses_a_foreign_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=name):
        read_ravdess(tmp_path)


def test_empty_ravdess_folder_is_an_error_with_a_mend(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--data, the folder above it"):
        read_ravdess(tmp_path)


def test_nemo_rows_are_joined_to_files_and_padded_speakers_are_stripped(tmp_path: Path) -> None:
    (tmp_path / "data.tsv").write_text(
        HEADER
        + "WR0_surprised_64.wav\tsurprised\tA\ta\t        WR0\tmale\t23\n"
        + "EB0_happiness_1.wav\thappiness\tB\tb\tEB0\tfemale\t27\n"
    )
    (tmp_path / "WR0_surprised_64.opus").touch()
    (tmp_path / "EB0_happiness_1.wav").touch()
    clips = read_nemo(tmp_path)
    assert names(clips) == ["surprise", "joy"]
    assert [(c.speaker, c.male, c.path.suffix) for c in clips] == [("WR0", True, ".opus"), ("EB0", False, ".wav")]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("X_1.wav\tboredom\tA\ta\tX\tmale\t23\n", "line 2.*boredom"),
        ("X_1.wav\tanger\tA\ta\tX\tmale\t23\n", "line 2.*missing"),
    ],
)
def test_nemo_names_the_line_of_a_bad_row(tmp_path: Path, row: str, said: str) -> None:
    (tmp_path / "data.tsv").write_text(HEADER + row)
    with pytest.raises(InputError, match=said):
        read_nemo(tmp_path)


def test_absent_nemo_is_an_error_with_a_mend(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--data, the folder above it"):
        read_nemo(tmp_path)


def test_undecodable_clip_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.flac").write_text("no sound")
    with pytest.raises(InputError, match=r"x\.flac"):
        read_samples(tmp_path / "x.flac", 16_000)


def test_real_corpora_have_their_published_counts(shared_data: Path) -> None:
    ravdess, nemo = read_ravdess(shared_data / "ravdess"), read_nemo(shared_data / "nemo")
    assert len(ravdess) == 1439
    assert len({c.speaker for c in ravdess}) == 24
    assert Counter(names(ravdess))["disgust"] == 192
    assert len(nemo) == 4481
    assert len({c.speaker for c in nemo}) == 9
    assert Counter(names(nemo))["disgust"] == 0
    assert len(read_librispeech(shared_data / "speech/librispeech")) == 60
    assert len(read_read(shared_data / "speech/read")) == 11


def test_real_clips_decode_to_a_plausible_length_and_level(shared_data: Path) -> None:
    for clip in (read_ravdess(shared_data / "ravdess")[0], read_nemo(shared_data / "nemo")[0]):
        samples = read_samples(clip.path, 16_000)
        assert samples.dtype == np.float32
        assert 0.5 < len(samples) / 16_000 < 10
        assert 0.001 < np.abs(samples).max() <= 1.5


def test_every_speaker_is_in_exactly_one_part_and_parts_mix_genders(shared_data: Path) -> None:
    split = speaker_split()
    clips = read_ravdess(shared_data / "ravdess") + read_nemo(shared_data / "nemo")
    for corpus in ("ravdess", "nemo"):
        listed = [speaker for part in split.values() for speaker in part[corpus]]
        assert len(listed) == len(set(listed))
    for part in split:
        assert {c.male for c in clips if part_of(c) == part} == {True, False}


def test_readers_are_heard_in_several_utterances_that_make_up_the_whole(tmp_path: Path) -> None:
    labelled_clips(tmp_path / "readers", [("26-1.opus", "26", "neutral")], seconds=30.0)
    labelled_clips(tmp_path / "short/readers", [("27-1.opus", "27", "neutral")], seconds=0.5)
    pieces = read_clips(tmp_path, "readers")
    assert [(c.clip_id, c.speaker) for c in pieces] == [(f"26-1.{k}", "26") for k in range(len(pieces))]
    heard = [read_samples(c.path, 16_000, c.start_s, c.end_s) for c in pieces]
    np.testing.assert_array_equal(np.concatenate(heard), read_samples(pieces[0].path, 16_000))
    lengths_s = [len(samples) / 16_000 for samples in heard]
    assert min(lengths_s) > 1.4
    assert max(lengths_s) < 7.6
    assert max(lengths_s) - min(lengths_s) > 1.0, "of all lengths, as utterances are"
    assert pieces == read_clips(tmp_path, "readers")
    (alone,) = read_clips(tmp_path / "short", "readers")
    assert (alone.start_s, alone.end_s) == (0.0, None)


def test_most_real_readers_say_several_utterances(shared_data: Path) -> None:
    said = Counter(c.speaker for c in read_clips(shared_data, "readers"))
    assert len(said) == 200
    assert sum(n > 1 for n in said.values()) > 100


def test_every_voice_has_a_source_and_every_speaker_a_part(shared_data: Path) -> None:
    assert set(VOICES) == set(SOURCES)
    for corpus in VOICES:
        parts = {part_of(clip) for clip in read_clips(shared_data, corpus)}
        assert parts <= set("ABC")
        if not SOURCES[corpus].ships:
            assert parts == {"C"}, "no stage hears what states no licence"


def test_a_speaker_of_no_part_is_named(tmp_path: Path) -> None:
    labelled_clips(tmp_path, [("x.opus", "nobody", "neutral")])
    with pytest.raises(InputError, match=r"x\.opus: speaker nobody of readers is in no part of speech_split\.json"):
        part_of(read_labelled(tmp_path, "readers")[0])
