"""Endpointing: frames and their speech probabilities in, utterances out.

Hysteresis: an utterance opens when the mean probability over `onset_ms` reaches `onset_threshold`, and ends when no
frame reached `offset_threshold` for `hangover_ms`. Frames between `hold_threshold` and `offset_threshold` are weak:
the closure of a stop, a breath, the end of a word in a reverberant room. They belong to the utterance for `hold_ms`
behind its last strong frame, and no utterance ends inside a run of them. Everything is counted in frames, so the
result is a function of the samples alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from livemerc.audio.items import Dropped, EarItem, Ending, Onset, Quiet, Speech, Utterance
from livemerc.config import EndpointConfig

_SUPPORT_MS = 100.0
"""A frame is strong only if its last 100 ms are on average: a single flicker must not prolong a hangover."""
_WORD_GAP_MS = 96.0
"""An utterance ends only where so long not even a weak frame came: the closure of a stop consonant is shorter."""
_LEAD_POWER = 1e-3
"""What leads to the first voiced frame is at most 30 dB weaker than the onset: consonants are, the room is not."""
_QUIETNESS_MS = 80.0
"""Span over which energies are averaged around a candidate cut: shorter finds the closure of a stop consonant."""


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    samples: np.ndarray
    start_s: float
    end_s: float
    probability: float
    strong: bool
    voiced: bool
    """Strong, or weak and held."""
    sounding: bool
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
        self._hold_threshold = config.hold_threshold
        self._long_hold_threshold = max(config.hold_threshold, config.offset_threshold / 2)
        self._hold_frames = round(config.hold_ms / 1000 / frame_s)
        self._onset_frames = _frames(config.onset_ms / 1000, frame_s)
        self._support_frames = _frames(_SUPPORT_MS / 1000, frame_s)
        self._pre_roll_frames = -int(-config.pre_roll_ms / 1000 // frame_s)  # rounded up: "at least"
        self._hangover_frames = _frames(config.hangover_ms / 1000, frame_s)
        self._tail_frames = _frames(config.tail_ms / 1000, frame_s)
        self._long_frames = config.long_utterance_s / frame_s
        self._long_hangover_frames = min(self._hangover_frames, _frames(config.long_hangover_ms / 1000, frame_s))
        self._word_gap_frames = min(self._long_hangover_frames, _frames(_WORD_GAP_MS / 1000, frame_s))
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
        self._first = 0  # index in _open of the first frame that belongs to it
        self._voiced_from = 0  # of the first voiced one
        self._last = 0  # and of the last one
        self._strong = 0  # and of the last strong one
        self._continued = False
        self._since_snapshot = 0
        self._finals = 0
        self._quiet_due_s: float | None = None

    @property
    def speaking(self) -> bool:
        return self._open is not None

    def step(
        self, samples: np.ndarray, probability: float, start_s: float, end_s: float, *, sounding: bool = False
    ) -> list[EarItem]:
        """One frame, (n,) float32 at 16 kHz, that lasts from `start_s` to `end_s`.

        `sounding`: it stands out of the noise floor. Such frames next to the voiced ones belong to the utterance, as
        far as its samples reach anyway: consonants, which no detector calls voiced.
        """
        self._support.append(probability)
        strong = (
            probability >= self._offset_threshold
            and sum(self._support) / self._support_frames >= self._offset_threshold
        )
        power = float(np.dot(samples, samples)) / max(1, len(samples))
        voiced = strong or self._held(probability)
        frame = _Frame(samples, start_s, end_s, probability, strong, voiced, sounding, power)
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

    def _held(self, probability: float) -> bool:
        """Whether a frame behind the newest of the open utterance is its weak continuation. What is not yet long enough
        to be an utterance has none: a click in a noise must not become one."""
        return (
            self._open is not None
            and probability >= (self._long_hold_threshold if self._long() else self._hold_threshold)
            and len(self._open) - self._last <= self._word_gap_frames
            and len(self._open) - self._strong <= self._hold_frames
            and not self._too_short()
        )

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
        self._first = self._voiced_from = voiced[0] - keep_from
        least_power = _LEAD_POWER * max(frame.power for frame in self._open[self._voiced_from :])
        while self._first > 0 and self._leads(self._open[self._first - 1], least_power):
            self._first -= 1
        self._strong = self._last = voiced[-1] - keep_from
        self._continued = False
        self._since_snapshot = 0
        self._ending = None
        return Onset(self._id, self._open[self._first].start_s)

    def _leads(self, frame: _Frame, least_power: float) -> bool:
        return frame.sounding and frame.power >= least_power

    def _continue(self, frames: list[_Frame]) -> list[EarItem]:
        now = len(frames) - 1
        if frames[now].voiced:
            if now + 1 - self._first > self._max_frames:
                return self._cut(frames)
            self._last = now
            if frames[now].strong:
                self._strong = now
        elif now >= self._ends_at():
            return [self._close(frames[now].end_s)]
        elif self._endings and self._is_ending(now):
            self._ending = self._last, self._until_tail(frames, frames[now].end_s)
            left_s = (self._ends_at() - now) * (frames[now].end_s - frames[now].start_s)
            return [Ending(self._ending[1], left_s)]
        self._since_snapshot += 1
        if self._snapshot_is_due(frames[now]):
            self._since_snapshot = 0
            return [self._snapshot(frames)]
        return []

    def _snapshot_is_due(self, newest: _Frame) -> bool:
        """Not in a pause where endings are told: the ending has the same words, and should not find a look at one
        in its way."""
        due = self._snapshot_frames is not None and self._since_snapshot >= self._snapshot_frames
        return due and (newest.voiced or not self._endings)

    def _snapshot(self, frames: list[_Frame]) -> Speech:
        return Speech(
            self._id,
            _joined(frames),
            frames[self._first].start_s,
            frames[-1].end_s,
        )

    def _ends_at(self) -> int:
        """The frame with which the utterance ends if none before it is voiced."""
        hangover = self._long_hangover_frames if self._long() else self._hangover_frames
        return max(self._strong + hangover, self._last + self._word_gap_frames)

    def _long(self) -> bool:
        return self._strong + 1 - self._first >= self._long_frames

    def _tail_end(self) -> int:
        """So many frames the utterance has if nobody says more."""
        return max(self._strong + self._tail_frames, self._last) + 1

    def _end(self, frames: list[_Frame]) -> int:
        """Index of its last frame if nobody says more."""
        end = self._last
        limit = min(len(frames), self._tail_end(), self._first + self._max_frames)
        while end + 1 < limit and frames[end + 1].sounding:
            end += 1
        return end

    def _is_ending(self, now: int) -> bool:
        told = self._ending is not None and self._ending[0] == self._last
        return not told and now + 1 >= self._tail_end() and not self._too_short()

    def _close(self, decided_s: float) -> EarItem:
        frames, self._open = self._open, None
        assert frames is not None
        # what follows the utterance may be the next one's pre-roll; what belongs to it never is
        self._recent.extend(frames[self._end(frames) + 1 :])
        if self._too_short():
            return Dropped(self._id, decided_s, "too short")
        if self._ending is not None and self._ending[0] == self._last:
            return self._counted(replace(self._ending[1], decided_s=decided_s))
        return self._counted(self._until_tail(frames, decided_s))

    def _too_short(self) -> bool:
        return self._strong + 1 - self._voiced_from < self._min_frames and not self._continued

    def _until_tail(self, frames: list[_Frame], decided_s: float) -> Utterance:
        """Not the whole hangover: how long nobody spoke says nothing, and what is there early can be heard early."""
        return self._as_utterance(frames[: self._tail_end()], self._end(frames), decided_s, forced_cut=False)

    def _cut(self, frames: list[_Frame]) -> list[EarItem]:
        """The newest frame is voiced and one too many: end before the quietest boundary, go on behind it."""
        at = self._quietest(frames)
        rest = frames[at:]
        self._last = max(i for i in range(at) if frames[i].voiced or i == self._first)
        final = self._counted(self._as_utterance(frames[:at], self._last, frames[-1].end_s, forced_cut=True))
        self._open = rest
        self._first = self._voiced_from = next(i for i, frame in enumerate(rest) if frame.voiced)
        self._last = len(rest) - 1
        self._strong = max((i for i, frame in enumerate(rest) if frame.strong), default=self._last)
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

    def _as_utterance(self, frames: list[_Frame], end: int, decided_s: float, *, forced_cut: bool) -> Utterance:
        return Utterance(
            utterance_id=self._id,
            samples=_joined(frames),
            samples_start_s=frames[0].start_s,
            start_s=frames[self._first].start_s,
            end_s=frames[end].end_s,
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
