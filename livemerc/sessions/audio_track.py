"""The recorded audio of a session: blocks of all channels, each at its time, in one FLAC file."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from livemerc.audio.flac_writer import FlacWriter
from livemerc.audio.source import JUMP_S, Block
from livemerc.sessions.folder import AudioTrack

_DRIFT_S = 0.01
"""The device's own clock is followed within this, by a sample a block: no clock is off by so much."""
_CHANNELS_APART_S = 5.0
"""A channel that is behind the others by more (its device is gone) is silence in the file."""
_SILENCE_S = 1.0


class TrackWriter:
    """Places blocks of all channels in time, in one FLAC file whose first sample is second 0 of the session."""

    def __init__(self, file: BinaryIO, track: AudioTrack) -> None:
        self.file = file
        self._rate_hz = track.rate_hz
        self._flac = FlacWriter(file, track.rate_hz, track.channels)
        self._waiting: list[list[np.ndarray]] = [[] for _ in range(track.channels)]
        self._ends = [0] * track.channels  # samples placed so far
        self._late = [False] * track.channels  # was filled up because it was too far behind
        self._written = 0

    @property
    def duration_s(self) -> float:
        return self._flac.duration_s

    def add(self, block: Block) -> None:
        """Place one block. Raises `OSError`."""
        channel, samples = block.channel, block.samples
        ahead = round(block.start_s * self._rate_hz) - self._ends[channel]
        if ahead > 0 and (block.gap_s > 0 or ahead > JUMP_S * self._rate_hz or not self._ends[channel]):
            self._silence(channel, ahead)
            self._late[channel] = False
        elif ahead < 0 and self._late[channel]:
            samples = samples[-ahead:]
        elif abs(ahead) > _DRIFT_S * self._rate_hz and len(samples):  # a sample twice, or one less
            samples = np.append(samples, samples[-1:]) if ahead > 0 else samples[:-1]
        self._place(channel, samples)
        furthest = max(self._ends) - round(_CHANNELS_APART_S * self._rate_hz)
        for other, end in enumerate(self._ends):
            if end < furthest:
                self._late[other] = True
                self._silence(other, furthest - end)

    def close(self) -> None:
        """Fill every channel up to the furthest one, and finish the file. Raises `OSError`."""
        furthest = max(self._ends)
        for channel, end in enumerate(self._ends):
            self._silence(channel, furthest - end)
        self._flac.close()

    def abandon(self) -> None:
        """Finish the file as it is. Raises `OSError`."""
        self._flac.abandon()

    def _silence(self, channel: int, samples: int) -> None:
        while samples > 0:
            piece = min(samples, round(_SILENCE_S * self._rate_hz))
            self._place(channel, np.zeros(piece, np.float32))
            samples -= piece

    def _place(self, channel: int, samples: np.ndarray) -> None:
        self._waiting[channel].append(samples)
        self._ends[channel] += len(samples)
        complete = min(self._ends)
        if complete == self._written:
            return
        take = complete - self._written
        columns = []
        for number, pieces in enumerate(self._waiting):
            joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
            columns.append(joined[:take])
            self._waiting[number] = [joined[take:]] if len(joined) > take else []
        self._written = complete
        self._flac.write(np.stack(columns, axis=1))
