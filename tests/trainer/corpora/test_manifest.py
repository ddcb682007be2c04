"""The manifest contract: what is read as what, and that every refusal names file and line."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.corpus import Corpus, LabelledUtterance
from trainer.corpora.manifest import COLUMNS, ManifestRow, read_manifest_corpus, read_manifest_dialogues, write_manifest

HEADER = "dialogue_id,utterance_id,speaker,audio,start_s,end_s,text,emotion,split"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the manifest lies, with `clips/a.wav` (its content is nobody's business here)."""
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.wav").write_bytes(b"RIFF")
    return tmp_path


def write(folder: Path, *rows: str, header: str = HEADER, newline: str = "\n", encoding: str = "utf-8") -> Path:
    path = folder / "manifest.csv"
    path.write_bytes(newline.join([header, *rows, ""]).encode(encoding))
    return path


def flat(dialogues: list[list[ManifestRow]]) -> list[ManifestRow]:
    return [row for dialogue in dialogues for row in dialogue]


def refusal(path: Path, split: str | None = None) -> str:
    """What the user is told: one plain sentence that begins with the file."""
    with pytest.raises(InputError) as caught:
        read_manifest_dialogues(path, LABELS, split)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_the_columns_are_those_of_the_contract() -> None:
    assert ",".join(COLUMNS) == HEADER


def test_every_field_of_a_row_is_read(folder: Path) -> None:
    path = write(folder, "d1,u1,Ann,clips/a.wav,1.5,2.25,Oh no!,sadness,test")
    (row,) = flat(read_manifest_dialogues(path, LABELS))
    assert row == ManifestRow(
        dialogue_id="d1", utterance_id="u1", speaker="Ann", text="Oh no!", audio=folder / "clips" / "a.wav",
        start_s=1.5, end_s=2.25, emotion="sadness", sentiment=None, where=f"{path}, line 2", line=2, split="test",
    )  # fmt: skip


def test_absent_modalities_and_times_are_empty_fields(folder: Path) -> None:
    rows = flat(
        read_manifest_dialogues(write(folder, "d,1,,,,,hi,joy,", "d,2,,clips/a.wav,,,,joy,", "d,3,,,,,,joy,"), LABELS)
    )
    assert [(r.audio is None, r.text) for r in rows] == [(True, "hi"), (False, ""), (True, "")]
    assert [(r.start_s, r.end_s) for r in rows] == [(0.0, None)] * 3


def test_audio_is_relative_to_the_csv_and_not_to_the_working_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder, "d,1,,clips/a.wav,,,,joy,")
    monkeypatch.chdir(folder.parent)
    assert flat(read_manifest_dialogues(path, LABELS))[0].audio == folder / "clips" / "a.wav"
    (row,) = flat(read_manifest_dialogues(path.relative_to(folder.parent), LABELS))
    assert row.audio is not None
    assert row.audio.resolve() == folder / "clips/a.wav"


def test_absolute_audio_stays_where_it_is(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "b.wav"
    elsewhere.write_bytes(b"RIFF")
    assert flat(read_manifest_dialogues(write(folder, f"d,1,,{elsewhere},,,,joy,"), LABELS))[0].audio == elsewhere


def test_rows_keep_file_order_and_dialogues_that_of_their_first_row(folder: Path) -> None:
    path = write(folder, "b,2,,,,,x,joy,", "a,9,,,,,x,joy,", "b,1,,,,,x,joy,", "a,10,,,,,x,joy,")
    order = [[(r.dialogue_id, r.utterance_id) for r in dialogue] for dialogue in read_manifest_dialogues(path, LABELS)]
    assert order == [[("b", "2"), ("b", "1")], [("a", "9"), ("a", "10")]]


def test_ids_are_strings_and_unique_inside_their_dialogue_only(folder: Path) -> None:
    rows = flat(read_manifest_dialogues(write(folder, "1,01,,,,,x,joy,", "1,1,,,,,x,joy,", "2,1,,,,,x,joy,"), LABELS))
    assert [(r.dialogue_id, r.utterance_id) for r in rows] == [("1", "01"), ("1", "1"), ("2", "1")]


def test_split_keeps_its_rows_only(folder: Path) -> None:
    path = write(folder, "d,1,,,,,a,joy,train", "d,2,,,,,b,joy,test", "d,3,,,,,c,joy,test", "e,1,,,,,d,joy,dev")
    assert [r.text for r in flat(read_manifest_dialogues(path, LABELS, "test"))] == ["b", "c"]
    assert [r.text for r in flat(read_manifest_dialogues(path, LABELS))] == ["a", "b", "c", "d"]


def test_rows_of_other_splits_need_neither_known_emotions_nor_audio_on_this_machine(folder: Path) -> None:
    path = write(folder, "d,1,,gone.wav,,,a,excited,train", "d,2,,,,,b,joy,test")
    assert [r.text for r in flat(read_manifest_dialogues(path, LABELS, "test"))] == ["b"]


def test_rows_of_context_come_with_the_split_of_their_dialogue_and_not_alone(folder: Path) -> None:
    path = write(
        folder, "d,1,,,,,a,,context", "d,2,,,,,b,joy,test", "d,3,,,,,c,, context ", "e,1,,gone.wav,,,d,,context",
        "e,2,,,,,e,excited,train", "f,1,,,,,f,,context", "d,4,,,,,g,fear,context",
    )  # fmt: skip
    (dialogue,) = read_manifest_dialogues(path, LABELS, "test")
    assert [(r.text, r.context_only) for r in dialogue] == [("a", True), ("b", False), ("c", True)]
    assert [r.text for r in flat(read_manifest_dialogues(path, LABELS, "context"))] == ["a", "c", "g"]  # g is judged
    assert "line 5" in refusal(path)  # without --split the context of e is asked for, and its audio is gone
    assert "'a'" in refusal(write(folder, "d,a,,,,,x,,context", "d,a,,,,,x,joy,test"))
    assert "no rows" in refusal(write(folder, "d,1,,,,,x,,context"))


def test_context_is_unlabelled_in_the_split_of_its_dialogue_when_a_manifest_is_trained_on(folder: Path) -> None:
    rows = ["d,1,,,,,a,,context", "d,2,,,,,b,joy,train", "d,3,,,,,c,fear,train", "e,1,,,,,d,joy,dev"]
    corpus = read_manifest_corpus(write(folder, *rows))
    assert [(u.text, u.emotion) for u in corpus.utterances("train")] == [("a", None), ("b", "joy"), ("c", "fear")]
    assert (list(corpus.splits), corpus.labels) == (["train", "dev"], ("joy", "fear"))


def test_the_order_of_columns_is_free_and_more_of_them_do_no_harm(folder: Path) -> None:
    header = "note,split,emotion,text,end_s,start_s,audio,speaker,utterance_id,dialogue_id"
    (row,) = flat(read_manifest_dialogues(write(folder, "x,test,fear,Run!,2,1,,Bob,u,d", header=header), LABELS))
    assert (row.dialogue_id, row.utterance_id, row.speaker, row.text) == ("d", "u", "Bob", "Run!")
    assert (row.start_s, row.end_s, row.emotion, row.split) == (1.0, 2.0, "fear", "test")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_byte_order_mark_crlf_quotes_and_line_breaks_in_the_text(folder: Path, encoding: str, newline: str) -> None:
    text = f'"He said ""no"", twice;{newline}Straße, 日本"'
    path = write(folder, f"d,1,,,,,{text},anger,", "d,2,,,,,x,joy,", newline=newline, encoding=encoding)
    rows = flat(read_manifest_dialogues(path, LABELS))
    assert rows[0].text == f'He said "no", twice;{newline}Straße, 日本'
    assert rows[1].text == "x"
    assert rows[1].line == 4  # the quoted line break counts: that is the line an editor shows


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ("d,2,,,,,x,excited,", ["excited", *LABELS]),
        ("d,2,,,,,x,Joy,", ["'Joy'"]),
        ("d,2,,,,,x,,", ["emotion ''"]),
        ("d,1,,,,,x,joy,", ["'1'", "line 2"]),
        ("d,2,,,one,,x,joy,", ["start_s", "'one'"]),
        ("d,2,,,,1:30,x,joy,", ["end_s", "'1:30'"]),
        ("d,2,,,-1,,x,joy,", ["start_s", "'-1'"]),
        ("d,2,,,,inf,x,joy,", ["end_s", "'inf'"]),
        ("d,2,,,nan,,x,joy,", ["start_s", "'nan'"]),
        ("d,2,,,3,2,x,joy,", ["end_s (2)", "start_s (3)"]),
        ("d,2,,,3,3,x,joy,", ["end_s (3)", "start_s (3)"]),
        ("d,2,,clips/gone.wav,,,x,joy,", ["gone.wav"]),
        ("d,2,,clips,,,x,joy,", ["clips"]),  # a folder is no file
        ("d,2,,,,,x,joy", ["fields"]),
        ("d,2,,,,,x, and more,joy,", ["fields"]),
    ],
)
def test_a_refused_row_is_named_by_file_and_line(folder: Path, row: str, names: list[str]) -> None:
    message = refusal(write(folder, "d,1,,,,,x,joy,", row))
    assert f"{folder / 'manifest.csv'}, line 3" in message
    for name in names:
        assert name in message


def test_an_emotion_that_the_checkpoint_lacks_names_dialogue_and_utterance_too(folder: Path) -> None:
    message = refusal(write(folder, "scene 7,utt 3,,,,,x,frustration,"))
    assert "line 2" in message
    assert "scene 7" in message
    assert "utt 3" in message
    assert "'frustration'" in message


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(folder: Path, column: str) -> None:
    header = ",".join(c for c in COLUMNS if c != column)
    assert re.search(rf"column {column} is missing", refusal(write(folder, "d,1,,,,,x,joy", header=header)))


def test_a_file_that_is_not_utf8_is_refused(folder: Path) -> None:
    assert "UTF-8" in refusal(write(folder, "d,1,,,,,Straße,joy,", encoding="latin-1"))


def test_an_unclosed_quote_that_swallows_the_file_is_refused(folder: Path) -> None:
    rows = ['d,1,,,,,"never closed,joy,', *(f"d,{i},,,,,{'x' * 100},joy," for i in range(2, 2000))]
    refusal(write(folder, *rows))


def test_nothing_to_evaluate_is_refused(folder: Path) -> None:
    assert "no rows" in refusal(write(folder))
    assert "'test'" in refusal(write(folder, "d,1,,,,,x,joy,train"), split="test")
    (folder / "manifest.csv").write_bytes(b"")
    assert "dialogue_id" in refusal(folder / "manifest.csv")


def test_a_manifest_that_is_not_there_or_is_a_folder_is_refused(folder: Path) -> None:
    assert "cannot be read" in refusal(folder / "absent.csv")
    assert "cannot be read" in refusal(folder)


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PRINTABLE, st.sampled_from(LABELS), st.sampled_from("ab")), min_size=1, max_size=8))
def test_what_the_csv_module_writes_is_read_back(folder: Path, utterances: list[tuple[str, str, str]]) -> None:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for i, (text, emotion, dialogue) in enumerate(utterances):
        writer.writerow({"dialogue_id": dialogue, "utterance_id": i, "text": text, "emotion": emotion})
    path = folder / "written.csv"
    path.write_bytes(out.getvalue().encode())
    rows = sorted(flat(read_manifest_dialogues(path, LABELS)), key=lambda r: int(r.utterance_id))
    assert [(r.text, r.emotion, r.dialogue_id) for r in rows] == [(t.strip(), e, d) for t, e, d in utterances]


def corpus_of(folder: Path) -> Corpus:
    def said(number: str, emotion: str | None, audio: Path | None, end_s: float | None) -> LabelledUtterance:
        return LabelledUtterance("d1", number, None, f'words, "{number}"', audio, 1.25, end_s, emotion, None, "x:1")

    (folder / "clips").mkdir()
    inside = folder / "clips" / "a.wav"
    inside.write_bytes(b"x")
    rows = [said("0", "joy", inside, 2.5), said("1", None, inside, None), said("2", "fear", None, 4.0)]
    return Corpus("mine", LABELS, {"dev": [rows], "test": [[said("9", "anger", inside, None)]]})


def test_a_written_manifest_reads_back_as_its_corpus(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    assert write_manifest(corpus_of(tmp_path), path) == 3  # one had no emotion
    (dialogue,) = read_manifest_dialogues(path, LABELS, "dev")
    assert [(r.utterance_id, r.emotion, r.text) for r in dialogue] == [
        ("0", "joy", 'words, "0"'), ("2", "fear", 'words, "2"'),
    ]  # fmt: skip
    assert (dialogue[0].audio, dialogue[0].start_s, dialogue[0].end_s) == (tmp_path / "clips" / "a.wav", 1.25, 2.5)
    assert (dialogue[1].audio, dialogue[1].start_s, dialogue[1].end_s) == (None, 1.25, 4.0)
    assert ",clips/a.wav," in path.read_text()  # the folder may be moved as a whole


def test_a_corpus_without_a_label_or_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no utterance with an emotion"):
        write_manifest(Corpus("mine", LABELS, {"dev": []}), tmp_path / "m.csv")
    with pytest.raises(InputError, match="cannot be written"):
        write_manifest(corpus_of(tmp_path), tmp_path / "nowhere" / "m.csv")
