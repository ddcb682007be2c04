"""Endpointing: frames and their speech probabilities in, utterances out.

Hysteresis: an utterance opens when the mean probability over `onset_ms` reaches `onset_threshold`, and ends when no
frame was voiced for `hangover_ms`. Everything is counted in frames, so the result is a function of the samples alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from livemerc.audio.items import Dropped, EarItem, Ending, Onset, Quiet, Speech, Utterance
from livemerc.config import EndpointConfig

_SUPPORT_MS = 100.0
"""A frame counts as voiced only if its last 100 ms do on average: a single flicker must not prolong a hangover."""
_QUIETNESS_MS = 80.0
"""Span over which energies are averaged around a candidate cut: shorter finds the closure of a stop consonant."""


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    samples: np.ndarray
    start_s: float
    end_s: float
    probability: float
    voiced: bool
    power: float


class Endpointer:
    """`step` takes one frame after the other, contiguous in time unless `interrupt` came between.

    `endings`: says how an open utterance would end as soon as its tail is there, while the hangover still runs.
    Memory is bounded: the pre-roll while idle, the maximum plus pre-roll and hangover while open.
    """

    def __init__(
        self,
        config: EndpointConfig,
        frame_s: float,
        freeze_after_s: float,
        snapshot_every_s: float | None = None,
        *,
        endings: bool = False,
    ) -> None:
        self._onset_threshold = config.onset_threshold
        self._offset_threshold = config.offset_threshold
        self._onset_frames = _frames(config.onset_ms / 1000, frame_s)
        self._support_frames = _frames(_SUPPORT_MS / 1000, frame_s)
        self._pre_roll_frames = -int(-config.pre_roll_ms / 1000 // frame_s)  # rounded up: "at least"
        self._hangover_frames = _frames(config.hangover_ms / 1000, frame_s)
        self._tail_frames = _frames(config.tail_ms / 1000, frame_s)
        self._long_frames = config.long_utterance_s / frame_s
        self._long_hangover_frames = min(self._hangover_frames, _frames(config.long_hangover_ms / 1000, frame_s))
        self._min_frames = config.min_utterance_s / frame_s - 1e-6
        self._max_frames = max(1, int(config.max_utterance_s / frame_s + 1e-6))
        self._search_frames = _frames(config.cut_search_s, frame_s)
        self._quietness_frames = _frames(_QUIETNESS_MS / 2000, frame_s)
        self._snapshot_frames = None if snapshot_every_s is None else _frames(snapshot_every_s, frame_s)
        self._freeze_after_s = freeze_after_s
        self._endings = endings
        self._ending: tuple[int, Utterance] | None = None  # the last one told, and its last voiced frame
        self._recent: deque[_Frame] = deque(maxlen=self._pre_roll_frames + self._onset_frames)
        self._support: deque[float] = deque(maxlen=self._support_frames)
        self._open: list[_Frame] | None = None
        self._first = 0  # index in _open of the first voiced frame
        self._last = 0  # and of the last one
        self._continued = False
        self._since_snapshot = 0
        self._finals = 0
        self._quiet_due_s: float | None = None

    @property
    def speaking(self) -> bool:
        return self._open is not None

    def step(self, samples: np.ndarray, probability: float, start_s: float, end_s: float) -> list[EarItem]:
        """One frame, (n,) float32 at 16 kHz, that lasts from `start_s` to `end_s`."""
        self._support.append(probability)
        voiced = (
            probability >= self._offset_threshold
            and sum(self._support) / self._support_frames >= self._offset_threshold
        )
        power = float(np.dot(samples, samples)) / max(1, len(samples))
        frame = _Frame(samples, start_s, end_s, probability, voiced, power)
        items: list[EarItem] = []
        if self._open is None:
            self._recent.append(frame)
            if self._onset():
                items.append(self._begin())
        else:
            self._open.append(frame)
            items.extend(self._continue(self._open))
        items.extend(self._quiet(end_s))
        return items

    def interrupt(self, t_s: float) -> list[EarItem]:
        """The stream stops here or jumps to `t_s`: an open utterance ends, nothing before counts as its neighbour."""
        items: list[EarItem] = []
        if self._open is not None:
            items.append(self._close(self._open[-1].end_s))
        self._recent.clear()
        self._support.clear()
        items.extend(self._quiet(t_s))
        return items

    def _onset(self) -> bool:
        newest = list(self._recent)[-self._onset_frames :]
        return sum(frame.probability for frame in newest) / self._onset_frames >= self._onset_threshold

    def _begin(self) -> Onset:
        frames = list(self._recent)
        self._recent.clear()
        window = range(max(0, len(frames) - self._onset_frames), len(frames))
        voiced = [i for i in window if frames[i].probability >= self._offset_threshold]
        keep_from = max(0, voiced[0] - self._pre_roll_frames)
        self._open = frames[keep_from:]
        self._first, self._last = voiced[0] - keep_from, voiced[-1] - keep_from
        self._continued = False
        self._since_snapshot = 0
        self._ending = None
        return Onset(self._id, self._open[self._first].start_s)

    def _continue(self, frames: list[_Frame]) -> list[EarItem]:
        now = len(frames) - 1
        if frames[now].voiced:
            if now + 1 - self._first > self._max_frames:
                return self._cut(frames)
            self._last = now
        elif now - self._last >= self._hangover():
            return [self._close(frames[now].end_s)]
        elif self._endings and now - self._last == self._tail_frames and not self._too_short():
            self._ending = self._last, self._until_tail(frames, frames[now].end_s)
            left_s = (self._hangover() - self._tail_frames) * (frames[now].end_s - frames[now].start_s)
            return [Ending(self._ending[1], left_s)]
        self._since_snapshot += 1
        if self._snapshot_frames is not None and self._since_snapshot >= self._snapshot_frames:
            self._since_snapshot = 0
            return [self._snapshot(frames)]
        return []

    def _snapshot(self, frames: list[_Frame]) -> Speech:
        return Speech(
            self._id,
            _joined(frames),
            frames[self._first].start_s,
            frames[-1].end_s,
            settled_samples=self._settled(frames),
        )

    def _settled(self, frames: list[_Frame]) -> int:
        """Samples that the open utterance will begin with: nobody may speak again, and it ends with the tail; or go on
        for too long, and it is cut."""
        settled = min(self._last + 1 + self._tail_frames, self._cut_from(self._first + self._max_frames))
        return sum(len(frame.samples) for frame in frames[:settled])

    def _hangover(self) -> int:
        return (
            self._long_hangover_frames if self._last + 1 - self._first >= self._long_frames else self._hangover_frames
        )

    def _close(self, decided_s: float) -> EarItem:
        frames, self._open = self._open, None
        assert frames is not None
        # what follows the last voiced frame may be the next one's pre-roll; voiced audio never is
        self._recent.extend(frames[self._last + 1 :])
        if self._too_short():
            return Dropped(self._id, decided_s, "too short")
        if self._ending is not None and self._ending[0] == self._last:
            return self._counted(replace(self._ending[1], decided_s=decided_s))
        return self._counted(self._until_tail(frames, decided_s))

    def _too_short(self) -> bool:
        return self._last + 1 - self._first < self._min_frames and not self._continued

    def _until_tail(self, frames: list[_Frame], decided_s: float) -> Utterance:
        """Not the whole hangover: how long nobody spoke says nothing, and what is there early can be heard early."""
        return self._as_utterance(frames[: self._last + 1 + self._tail_frames], decided_s, forced_cut=False)

    def _cut(self, frames: list[_Frame]) -> list[EarItem]:
        """The newest frame is voiced and one too many: end before the quietest boundary, go on behind it."""
        at = self._quietest(frames)
        rest = frames[at:]
        self._last = max(i for i in range(at) if frames[i].voiced or i == self._first)
        final = self._counted(self._as_utterance(frames[:at], frames[-1].end_s, forced_cut=True))
        self._open = rest
        self._first = next(i for i, frame in enumerate(rest) if frame.voiced)
        self._last = len(rest) - 1
        self._continued = True
        self._ending = None
        self._since_snapshot = 0
        return [final, Onset(self._id, rest[self._first].start_s)]

    def _quietest(self, frames: list[_Frame]) -> int:
        """Index of the frame before which to cut; on a tie the latest, so that utterances stay long."""
        newest = len(frames) - 1
        low = self._cut_from(newest)
        # the rest should be worth an utterance of its own
        high = max(low, newest - int(self._min_frames))
        power = np.array([frame.power for frame in frames])
        span = self._quietness_frames
        around = [float(power[max(0, i - span) : i + span].mean()) for i in range(low, high + 1)]
        return low + max(i for i, value in enumerate(around) if value == min(around))

    def _cut_from(self, newest: int) -> int:
        """The first frame before which an utterance may be cut that has become too long at frame `newest`."""
        return max(newest - self._search_frames, self._first + max(1, self._max_frames // 4))

    def _as_utterance(self, frames: list[_Frame], decided_s: float, *, forced_cut: bool) -> Utterance:
        return Utterance(
            utterance_id=self._id,
            samples=_joined(frames),
            samples_start_s=frames[0].start_s,
            start_s=frames[self._first].start_s,
            end_s=frames[self._last].end_s,
            decided_s=decided_s,
            forced_cut=forced_cut,
        )

    def _counted(self, utterance: Utterance) -> Utterance:
        self._finals += 1
        self._quiet_due_s = utterance.end_s + self._freeze_after_s
        return utterance

    def _quiet(self, t_s: float) -> list[EarItem]:
        if self._quiet_due_s is None or self._open is not None or t_s < self._quiet_due_s:
            return []
        self._quiet_due_s = None
        return [Quiet(t_s)]

    @property
    def _id(self) -> str:
        return f"u{self._finals + 1}"


def _frames(span_s: float, frame_s: float) -> int:
    return max(1, round(span_s / frame_s))


def _joined(frames: list[_Frame]) -> np.ndarray:
    return np.concatenate([frame.samples for frame in frames])
