"""IEMOCAP (Busso et al. 2008): ten actors, improvised and scripted dialogues, in the release's own tree.

SessionN/dialog/EmoEvaluation/DIALOG.txt   labels and times, with each annotator's lines between
SessionN/dialog/transcriptions/DIALOG.txt  words
SessionN/sentences/wav/DIALOG/UTTERANCE.wav
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from livemerc.errors import InputError
from trainer.corpora.audio_index import by_stem
from trainer.corpora.corpus import Corpus, LabelledUtterance
from trainer.corpora.rows import clean_text, duplicate, no_such_folder, read_text

SPLITS = {"train": (2, 3, 4), "dev": (1,), "test": (5,)}
"""Sessions of each split (MERITS-L): 3,205 / 1,085 / 1,241 utterances of the four classes."""
LABEL_SETS = {
    # HCAM, MERITS-L: excited counts as happy
    4: {"ang": "angry", "hap": "happy", "exc": "happy", "sad": "sad", "neu": "neutral"},
    6: {"ang": "angry", "hap": "happy", "exc": "excited", "sad": "sad", "neu": "neutral", "fru": "frustrated"},
}
# xxx: the annotators do not agree
_CODES = ("ang", "hap", "exc", "sad", "neu", "fru", "fea", "sur", "dis", "oth", "xxx")
_MEND = "use the files of the release as they are"
_TURN = r"(?P<turn>Ses0(?P<session>[1-5])[FM]_[A-Za-z0-9_]+_(?P<voice>[FM])[A-Za-z]*\d+)"
_SUMMARY = re.compile(
    rf"\[\s*(?P<start>\d+(?:\.\d+)?)\s*-\s*(?P<end>\d+(?:\.\d+)?)\s*\]\s+{_TURN}\s+(?P<code>\S+)\s*(?:\[.*)?", re.ASCII
)
# Turns with XX (Ses01F_impro01_MXX0) were not labelled: back-channels, overlaps.
_SPOKEN = re.compile(r"(?P<turn>Ses0[1-5][FM]_[A-Za-z0-9_]+_[FM]\d+)\s*\[[-.\d\s]+\]\s*:(?P<text>.*)", re.ASCII)


def read_iemocap(path: Path, *, labels: Literal[4, 6] = 4) -> Corpus:
    """IEMOCAP as a corpus, split by session; speakers are Ses01F, Ses01M, ...

    `labels`: 4 (angry, happy + excited, sad, neutral) or 6 (happy and excited apart, and frustrated). Utterances of
    other labels are left out before the sequence is made (merits-l), the others sorted by time.
    `path`: the folder with Session1 ... Session5. Raises `InputError` naming file and line.
    """
    kept = LABEL_SETS[labels]
    root = path / "IEMOCAP_full_release" if (path / "IEMOCAP_full_release").is_dir() else path
    sessions = [n for n in range(1, 6) if (root / f"Session{n}" / "dialog" / "EmoEvaluation").is_dir()]
    if not sessions:
        raise no_such_folder(path, "IEMOCAP_full_release, the folder that holds Session1 to Session5")
    with_audio = any((root / f"Session{n}" / "sentences" / "wav").is_dir() for n in sessions)
    splits: dict[str, list[list[LabelledUtterance]]] = {split: [] for split in SPLITS}
    tally = _Tally()
    for split, numbers in SPLITS.items():
        for session in (root / f"Session{n}" for n in numbers if n in sessions):
            for labels_file in _files(session / "dialog" / "EmoEvaluation"):
                dialogue = _dialogue(session, labels_file, kept, with_audio, tally)
                if dialogue:
                    splits[split].append(dialogue)
    notes = tally.notes()
    if not with_audio:
        notes.append("text only: there is no sentences/wav")
    absent = [f"Session{n}" for n in range(1, 6) if n not in sessions]
    if absent:
        notes.append(f"absent: {', '.join(absent)}")
    return Corpus("iemocap", tuple(dict.fromkeys(kept.values())), splits, tally.missing, "; ".join(notes))


@dataclass(slots=True)
class _Tally:
    """What is counted over all dialogues."""

    missing: list[Path] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    wordless: int = 0
    contradicted: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        said = []
        if self.dropped:
            counts = ", ".join(f"{n} {code}" for code, n in sorted(self.dropped.items()))
            said.append(f"left out, of other labels: {counts}")
        if self.wordless:
            said.append(f"{self.wordless} utterances have no line in the transcriptions: no text")
        if self.contradicted:
            said.append(
                f"{len(self.contradicted)} lines repeat a turn with other words, the first count "
                f"({self.contradicted[0]})"
            )
        return said


def _files(folder: Path) -> list[Path]:
    """The dialogues' files; the release also holds AppleDouble leftovers (`._Ses01F_impro01.txt`)."""
    return sorted(p for p in folder.glob("*.txt") if not p.name.startswith("."))


def _dialogue(
    session: Path, labels_file: Path, kept: dict[str, str], with_audio: bool, tally: _Tally
) -> list[LabelledUtterance]:
    name = labels_file.stem
    words, again = parse_transcription(session / "dialog" / "transcriptions" / labels_file.name)
    tally.contradicted += again
    folder = session / "sentences" / "wav" / name
    files = by_stem(folder)
    timed = []
    for turn, start_s, end_s, code, where in parse_evaluation(labels_file):
        if code not in kept:
            tally.dropped[code] += 1
            continue
        audio = files.get(turn)
        if with_audio and audio is None:
            tally.missing.append(folder / f"{turn}.wav")
        # Ses01F_impro01_M003: the dialogue's letter says who wore the markers, the turn's who speaks.
        speaker = turn[:5] + turn.rsplit("_", 1)[1][0]
        tally.wordless += not words.get(turn)
        utterance = LabelledUtterance(
            name, turn, speaker, words.get(turn, ""), audio, 0.0, None, kept[code], None, where
        )
        timed.append((start_s, end_s, turn, utterance))
    return [utterance for _, _, _, utterance in sorted(timed, key=lambda t: t[:3])]


def parse_evaluation(path: Path) -> list[tuple[str, float, float, str, str]]:
    """(turn, start_s, end_s, code, "file, line n") of an EmoEvaluation file, in its order; times are the dialogue's.

    Lines of single annotators (C-E2:, A-F1:, ...), the % header and empty lines are passed over.
    Raises `InputError` for a summary line that cannot be read, an unknown code and a turn that comes twice.
    """
    turns: dict[str, str] = {}
    found = []
    for number, line in enumerate(read_text(path, _MEND, latin=True).split("\n"), start=1):
        line = line.strip()
        if not line.startswith("["):
            continue
        where = f"{path}, line {number}"
        match = _SUMMARY.fullmatch(line)
        if match is None:
            raise InputError(f"{where}: not '[start - end] TURN label [v, a, d]' ({line[:60]!r}); {_MEND}.")
        turn, code = match["turn"], match["code"]
        if code not in _CODES:
            raise InputError(f"{where}: label {code!r} is not one of {', '.join(_CODES)}; {_MEND}.")
        if turn in turns:
            raise duplicate(turn, where, turns[turn])
        if not turn.startswith(path.stem + "_"):
            raise InputError(f"{where}: {turn} is no turn of {path.stem}; {_MEND}.")
        turns[turn] = where
        found.append((turn, float(match["start"]), float(match["end"]), code, where))
    return found


def parse_transcription(path: Path) -> tuple[dict[str, str], list[str]]:
    """{turn: text}, and where ("file, line n") a turn comes again with other words: the first ones count.

    Lines that are no labelled turn ("M: ...", "F: ...", XX turns) are passed over. Raises `InputError`.
    """
    words: dict[str, str] = {}
    contradicted = []
    for number, line in enumerate(read_text(path, _MEND, latin=True).split("\n"), start=1):
        match = _SPOKEN.fullmatch(line.strip())
        if match is None:
            continue
        text = clean_text(match["text"])
        if words.setdefault(match["turn"], text) != text:
            contradicted.append(f"{path}, line {number}")
    return words, contradicted
