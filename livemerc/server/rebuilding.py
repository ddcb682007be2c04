"""A room as its journal has it: what another server began, this one goes on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livemerc.audio.frames import samples_between_grid_points
from livemerc.errors import ConfigError
from livemerc.events import CheckpointInfo, decode
from livemerc.server.journal import LEAD_IN_S, Found, Heard, Known, Lost, RoomJournal
from livemerc.server.room import Room, Speaker
from livemerc.server.source import Dealt
from livemerc.streams.past import Past, Remember, past_of

if TYPE_CHECKING:
    from torch import Tensor


def restore(room: Room, found: Found, checkpoint: CheckpointInfo) -> Past:
    """Brings a new room to where its journal ends: its events, who speaks, and the sound that is to be heard again.
    Returns what its stream has said. Raises `ConfigError` where the model is another one now."""
    assert found.opened is not None
    if found.opened.checkpoint != checkpoint.sha256:
        raise ConfigError("this session was judged by another model than the one that is here now; begin a new one.")
    events = [decode(said.line.encode()) for said in found.said]
    for said, event in zip(found.said, events, strict=True):
        room.keep(said.seq, event, said.line.encode())
    past = past_of(events, {name: (known.t1, known.voice) for name, known in found.known.items()})
    until_s = [
        max((final.end_s for final in past.finals if final.speaker == joined.speaker), default=0.0)
        for joined in found.joined
    ]
    again_s = max(until_s, default=0.0) - LEAD_IN_S
    found.sound = _on_the_grid(found, [record for record in found.sound if found.ends_s(record) > again_s])
    room.source.restore(found, Dealt(len(past.judged), until_s))
    for joined, channel in zip(found.joined, room.source.channels, strict=True):
        room.speakers[joined.session] = Speaker(joined.session, channel)
    return past


def _on_the_grid(found: Found, sound: list[Heard | Lost]) -> list[Heard | Lost]:
    """Without what each channel has before its first frame begins: ears that begin elsewhere would have other frames,
    and give utterances other edges. (So they do behind a loss that was long enough to end an utterance.)"""
    begun: set[int] = set()
    kept: list[Heard | Lost] = []
    for record in sound:
        if record.channel not in begun and isinstance(record, Heard):
            step = samples_between_grid_points(found.joined[record.channel].rate_hz)
            skipped = -record.at % step
            if 2 * skipped >= len(record.pcm):
                continue
            record = Heard(record.channel, record.at + skipped, record.pcm[2 * skipped :])
        begun.add(record.channel)
        kept.append(record)
    return kept


def remembering(journal: RoomJournal) -> Remember:
    """Keeps embeddings in the journal."""
    from livemerc.pipeline.entry import packed

    def keep(utterance_id: str, t1: Tensor | None, voice: Tensor | None) -> None:
        try:
            journal.write(Known(utterance_id, packed(t1), packed(voice)))
        except OSError as error:
            journal.spoil(error)  # told with the next event: this is the model's thread

    return keep
