"""The other corpora, the manifest as one, and what every corpus must hold before it is trained on."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.trainer.releases import meld, wav

from livemerc.errors import ConfigError, InputError
from trainer.corpora.audio_check import check_audio, probe_s
from trainer.corpora.check import check, faults
from trainer.corpora.corpus import Corpus, LabelledUtterance
from trainer.corpora.registry import CORPORA, options_of, read_corpus

MANIFEST = "dialogue_id,utterance_id,speaker,audio,start_s,end_s,text,emotion,split"


def corpus(**splits: list[tuple[str | None, str | None]]) -> Corpus:
    """One dialogue a split, of (speaker, emotion)."""
    return Corpus(
        "mine",
        ("joy", "anger"),
        {
            split: [
                [
                    LabelledUtterance(split, str(i), speaker, "x", None, 0.0, None, emotion, None, f"line {i}")
                    for i, (speaker, emotion) in enumerate(turns)
                ]
            ]
            for split, turns in splits.items()
        },
    )


def manifest(folder: Path, *rows: str) -> Path:
    path = folder / "calls.csv"
    path.write_text("\n".join([MANIFEST, *rows, ""]))
    return path


GOOD = [("Ann", "joy"), ("Bob", "anger")]


def test_every_name_has_a_reader_with_known_options() -> None:
    folders = ("emodb", "emovo", "emotiontts", "rakshak", "ased", "emogator", "readers")
    assert {name: set(options_of(name)) for name in CORPORA} == {
        "meld": {"audio"},
        "iemocap": {"labels"},
        "mosi": {"audio", "zero", "split_file"},
        "ravdess": {"fold"},
        "nemo": {"fold"},
        "emorynlp": {"labels"},
        "goemotions": {"several"},
        "manifest": {"labels"},
    } | {name: {"dialogues"} for name in folders}


def test_unknown_corpora_and_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no corpus is called 'melt'; there are meld, .*manifest"):
        read_corpus("melt", tmp_path)
    with pytest.raises(ConfigError, match="corpus mosi has no option fold; it takes audio, zero, split-file"):
        read_corpus("mosi", tmp_path, fold=1)
    with pytest.raises(ConfigError, match="corpus ravdess, option fold: 'first' will not do"):
        read_corpus("ravdess", tmp_path, fold="first")
    with pytest.raises(ConfigError, match="corpus meld, option audio: 5 will not do"):
        read_corpus("meld", tmp_path, audio=5)


def test_a_speaker_in_two_splits_is_refused_unless_allowed() -> None:
    mine = corpus(train=GOOD, test=[("Bob", "joy"), ("Cid", "anger")])
    with pytest.raises(InputError, match=r"1 speaker\(s\) in both train and test \(Bob\)"):
        check(mine)
    assert check(mine, allow_shared_speakers=True) is mine
    assert check(replace(mine, shares_speakers=True))


def test_unknown_speakers_are_shared_by_no_split() -> None:
    assert faults(corpus(train=[(None, "joy"), (None, "anger")], dev=[(None, "joy"), (None, "anger")])) == []


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ({"train": GOOD, "dev": []}, "split dev is empty"),
        ({"train": GOOD, "dev": [("Cid", None), ("Dan", None)]}, "split dev is empty"),
        ({"train": [("Ann", "joy"), ("Bob", "joy"), ("Cid", None)]}, "split train holds one class only .joy."),
        ({}, "no splits at all"),
    ],
)
def test_what_nothing_can_be_learnt_from_is_refused(splits: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check(corpus(**splits))


def test_a_manifest_is_a_corpus_with_its_own_labels(tmp_path: Path) -> None:
    clip = wav(tmp_path / "a.wav", 2.0)
    path = manifest(
        tmp_path,
        "d2,1,Cid,,,,Bye,bored,test",
        "d2,2,,,,,Oh,joy,test",
        "d1,1,Ann,a.wav,0.5,1.5,Hi,joy,train",
        "d1,2,Bob,gone.wav,,,No,anger,train",
    )
    read = read_corpus("manifest", path)
    assert read.labels == ("joy", "anger", "bored")
    assert list(read.splits) == ["train", "test"]
    assert read.missing_audio == [tmp_path / "gone.wav"]
    first, second = read.splits["train"][0]
    assert (first.audio, first.start_s, first.end_s, first.where) == (clip, 0.5, 1.5, f"{path}, line 4")
    assert second.audio is None
    assert [u.speaker for u in read.utterances("test")] == ["Cid", None]
    assert read_corpus("manifest", path, labels=["anger", "bored", "joy"]).labels == ("anger", "bored", "joy")
    with pytest.raises(InputError, match=r"line 2 .*emotion 'bored' is not one of"):
        read_corpus("manifest", path, labels=["anger", "joy"])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("d1,3,Ann,,,,x,joy,dev", "line 4: dialogue 'd1' is in train .line 2. and in dev"),
        ("d2,3,Ann,,,,x,joy,", "line 4: split is empty"),
        ("d2,3,Ann,,,,x,,dev", "line 4: emotion is empty"),
        ("d1,1,Ann,,,,x,joy,train", "line 4: utterance '1' of dialogue 'd1' stands on line 2 already"),
    ],
)
def test_a_bad_manifest_row_is_named(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_corpus("manifest", manifest(tmp_path, "d1,1,Ann,,,,x,joy,train", "d1,2,Ann,,,,x,anger,train", row))


def test_a_folder_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty; give the manifest, a CSV file with the columns dialogue_id"):
        read_corpus("manifest", tmp_path)


def emory(folder: Path, split: str, *rows: str) -> None:
    header = "Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode,Start_Time,End_Time"
    (folder / f"emorynlp_{split}_final.csv").write_text("\n".join([header, *rows, ""]))


def test_emorynlp_keeps_its_labels_or_takes_ours_with_the_rest_as_context(tmp_path: Path) -> None:
    emory(
        tmp_path,
        "train",
        "Second,['Ross Geller'],Peaceful,1,12,1,2,00:00:04.504,00:00:07.548",
        "First,\"['Monica Geller', 'Joey Tribbiani']\",Joyful,1,3,1,2,00:00:02.877,00:00:07.548",
        'Other,"[""Mr. O\'Neill""]",Mad,2,1,1,2,00:00:02.877,00:00:07.548',
    )
    own = read_corpus("emorynlp", tmp_path)
    assert own.labels == ("Neutral", "Joyful", "Peaceful", "Powerful", "Mad", "Scared", "Sad")
    assert [[(u.text, u.speaker, u.emotion) for u in d] for d in own.splits["train"]] == [
        [("First", "Monica Geller & Joey Tribbiani", "Joyful"), ("Second", "Ross Geller", "Peaceful")],
        [("Other", "Mr. O'Neill", "Mad")],
    ]
    ours = read_corpus("emorynlp", tmp_path, labels="ours")
    assert [[u.emotion for u in d] for d in ours.splits["train"]] == [["joy", None], ["anger"]]


def test_emorynlp_names_a_bad_row(tmp_path: Path) -> None:
    emory(tmp_path, "dev", "x,['A'],Calm,1,1,1,2,,")
    with pytest.raises(InputError, match=r"emorynlp_dev_final\.csv, line 2: Emotion 'Calm' is not one of Neutral"):
        read_corpus("emorynlp", tmp_path)


def test_goemotions_comments_are_dialogues_of_one_and_never_cut_at_odd_separators(tmp_path: Path) -> None:
    (tmp_path / "ekman_labels.txt").write_text("anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise")
    text = "one\u2028two\x85three"
    (tmp_path / "ekman_dev.tsv").write_text(f"{text}\t3\ta\nboth\t0,6\tb\n", encoding="utf-8")
    first = read_corpus("goemotions", tmp_path)
    assert [[(u.text, u.emotion, u.speaker) for u in d] for d in first.splits["dev"]] == [
        [("one two three", "joy", None)],
        [("both", "anger", None)],
    ]
    dropped = read_corpus("goemotions", tmp_path, several="drop", check=False)
    assert [u.utterance_id for u in dropped.utterances("dev")] == ["a"]
    (tmp_path / "ekman_dev.tsv").write_text("x\t3\ta\nx\t4\ta\n")
    with pytest.raises(InputError, match="line 2: comment 'a' stands on line 1 already"):
        read_corpus("goemotions", tmp_path)


def test_ravdess_reads_the_actors_folders_and_splits_by_actor(tmp_path: Path) -> None:
    for actor in range(1, 25):
        for emotion in (1, 5):
            wav(tmp_path / f"Actor_{actor:02}" / f"03-01-0{emotion}-01-02-01-{actor:02}.wav", 0.1)
    read = read_corpus("ravdess", tmp_path)
    assert {s: len({u.speaker for u in read.utterances(s)}) for s in read.splits} == {"train": 16, "dev": 4, "test": 4}
    assert next(read.utterances("train")).text == "Dogs are sitting by the door."
    fold = read_corpus("ravdess", tmp_path, fold=6)
    assert {u.speaker for u in fold.utterances("test")} == {f"ravdess-{a}" for a in (21, 22, 23, 24)}
    assert len({u.speaker for u in fold.utterances("train")}) == 20
    shutil.copy(tmp_path / "Actor_01/03-01-01-01-02-01-01.wav", tmp_path)
    with pytest.raises(InputError, match="the clip lies at"):
        read_corpus("ravdess", tmp_path)


def test_nemo_collects_missing_clips_instead_of_stopping(tmp_path: Path) -> None:
    rows = [
        f"{s}_{e}_1.wav\t{e}\tTo test\tto test\t   {s}\tmale\t20"
        for s in ("EB0", "IC0", "SM0")
        for e in ("anger", "fear")
    ]
    (tmp_path / "data.tsv").write_text(
        "\n".join(["file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage", *rows, ""])
    )
    for s in ("EB0", "SM0"):
        for e in ("anger", "fear"):
            wav(tmp_path / "samples" / f"{s}_{e}_1.wav", 0.1)
    read = read_corpus("nemo", tmp_path)
    assert read.labels == ("anger", "fear")
    assert [p.name for p in read.missing_audio] == ["IC0_anger_1.opus", "IC0_fear_1.opus"]
    assert [(u.audio, u.text) for u in read.utterances("dev")] == [(None, "To test")] * 2
    assert all(u.audio is not None for u in read.utterances("test"))


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("emorynlp", {"train": 6240, "dev": 701, "test": 906}),
        ("goemotions", {"train": 43410, "dev": 5426, "test": 5427}),
        ("ravdess", {"train": 959, "dev": 240, "test": 240}),
        ("nemo", {"train": 2864, "dev": 1079, "test": 538}),
    ],
)
def test_the_real_corpora_are_whole(shared_data: Path, name: str, counts: dict[str, int]) -> None:
    read = read_corpus(name, shared_data / name)
    assert {split: sum(map(len, dialogues)) for split, dialogues in read.splits.items()} == counts
    assert read.missing_audio == []


def test_folds_of_the_real_acted_corpora_hold_every_speaker_out_once(shared_data: Path) -> None:
    for name, folds, speakers in (("ravdess", 6, 24), ("nemo", 3, 9)):
        held = Counter(
            speaker
            for fold in range(1, folds + 1)
            for speaker in {u.speaker for u in read_corpus(name, shared_data / name, fold=fold).utterances("test")}
        )
        assert len(held) == speakers
        assert set(held.values()) == {1}


def test_audio_that_cannot_be_used_is_taken_out_and_named(tmp_path: Path) -> None:
    wav(tmp_path / "good.wav", 2.0)
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "empty.wav").touch()
    path = manifest(
        tmp_path,
        "d,1,A,good.wav,,,a,joy,train",
        "d,2,A,good.wav,1.5,9,b,anger,train",
        "d,3,A,good.wav,3,4,c,joy,train",
        "d,4,A,text.wav,,,d,joy,train",
        "d,5,A,empty.wav,,,e,joy,train",
        "d,6,A,gone.wav,,,f,joy,train",
        "d,7,A,,,,g,joy,train",
    )
    checked, report = check_audio(read_corpus("manifest", path))
    assert {key[2]: pytest.approx(s) for key, s in report.seconds.items()} == {"1": 2.0, "2": 0.5}
    assert [u.audio is not None for u in checked.utterances("train")] == [True, True] + [False] * 5
    assert list(report.undecodable) == [f"{path}, line 4", str(tmp_path / "text.wav"), str(tmp_path / "empty.wav")]
    assert (report.expected, report.missing, report.bad) == (6, 1, 4)
    assert report.limit(0.7) is None
    assert "4 of 6 utterances have no usable audio (1 missing" in str(report.limit(0.6))


def test_a_wav_whose_header_promises_more_is_found_by_decoding(tmp_path: Path) -> None:
    path = wav(tmp_path / "cut.wav", 2.0)
    path.write_bytes(path.read_bytes()[: 44 + 16_000 * 2])
    length_s, warnings = probe_s(path, decode=True)
    assert length_s == pytest.approx(1.0, abs=0.05)
    assert "truncated" in warnings[0]


def test_what_is_read_is_what_is_written_as_a_manifest(tmp_path: Path) -> None:
    from trainer.corpora.manifest import write_manifest

    read = read_corpus("meld", meld(tmp_path))
    write_manifest(read, tmp_path / "meld.csv")
    again = read_corpus("manifest", tmp_path / "meld.csv", labels=list(read.labels), allow_shared_speakers=True)
    for split in read.splits:
        assert [[(u.dialogue_id, u.utterance_id, u.text, u.emotion) for u in d] for d in again.splits[split]] == [
            [(u.dialogue_id, u.utterance_id, u.text, u.emotion) for u in d] for d in read.splits[split]
        ]
