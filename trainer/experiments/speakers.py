"""How well speakers are told apart: conversations made of clips, through the ears and the monitor's own stage."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from livemerc.errors import ConfigError, LivemercError
from livemerc.speakers.choose import id_asked_for
from livemerc.speakers.models import GE2E
from livemerc.speakers.voiceprints import Voiceprints
from trainer.corpora.voices import read_clips
from trainer.experiments.listening import PEOPLE, listen, make, voices_of
from trainer.experiments.results import FIGURES, Rows, table
from trainer.files import told
from trainer.loop.progress import Progress
from trainer.loop.saving import save_json
from trainer.speakers.conversations import Conversation
from trainer.speakers.shares import Labelled, Share, share_right


def run(
    data: Path, corpora: Sequence[str], out: Path, *, conversations: int, turns: int, seed: int, embedder: str = GE2E
) -> list[str]:
    """`conversations` of each corpus, each with the next number of `PEOPLE` and the next of `SURROUNDINGS`. embedder:
    as in `speakers.embedder`. Writes figures.json; returns the table. Raises the readers' `InputError`, `ConfigError`
    for a corpus with too few voices, and `ModelError` where the embedder cannot be used."""
    with told(LivemercError, f"{out}: no folder for an experiment", "name another"):
        out.mkdir(parents=True, exist_ok=True)
    id_asked_for(embedder)
    rows: Rows = {}
    for corpus in corpora:
        voices = voices_of(read_clips(data, corpus))
        if len(voices) < max(PEOPLE):
            raise ConfigError(f"--corpora {corpus}: {len(voices)} voices have enough clips; {max(PEOPLE)} are needed.")
        shares: dict[int, list[Share]] = {people: [] for people in PEOPLE}
        with Progress(f"conversations of {corpus}", 0, conversations, unit="conversation") as progress:
            for number in range(conversations):
                made = make(corpus, voices, number, turns=turns, seed=seed)
                shares[made.speakers].append(share_right(made.turns, told_apart(made, embedder)))
                progress.update(number + 1)
        rows |= {f"{corpus}, {people} people": _figures(people, of) for people, of in shares.items() if of}
    save_json(
        {"embedder": embedder, "conversations": conversations, "turns": turns, "seed": seed, "rows": rows},
        out / FIGURES,
    )
    return table(rows)


def told_apart(made: Conversation, embedder: str = GE2E) -> list[Labelled]:
    """The turns that the monitor would hear, with their frozen speakers."""
    with tempfile.TemporaryDirectory() as nobody:  # else whoever is enrolled on this machine would be known
        turns = listen(made, Voiceprints(Path(nobody)), embedder)
    return [Labelled(turn.start_s, turn.end_s, turn.speaker) for turn in turns]


def _figures(people: int, shares: Sequence[Share]) -> dict[str, float]:
    """`right` and `best` over all seconds; `number`: the share of conversations with the right number of speakers."""
    judged_s = sum(share.judged_s for share in shares)
    return {
        "conversations": len(shares),
        "right": sum(share.right_s for share in shares) / judged_s,
        "best that one label an utterance can be": sum(share.best_s for share in shares) / judged_s,
        "number right": sum(share.found == people for share in shares) / len(shares),
    }
