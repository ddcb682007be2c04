"""Which ears hear a source."""

from __future__ import annotations

from livemerc.audio.channels import ChannelEars
from livemerc.audio.ears import AnyEars, Ears
from livemerc.audio.resumed import ResumedEars
from livemerc.audio.source import BringsEars, InOwnTime, Resumable, Source, speakers_of
from livemerc.config import Config


def make_ears(
    config: Config, source: Source, snapshot_every_s: float | None = None, *, endings: bool = False
) -> AnyEars:
    """Ears for `source`: one detector and endpointer, or one for each of its speakers; or those that it brings.

    `snapshot_every_s` and `endings` as `Ears` takes them.
    """
    if isinstance(source, BringsEars):
        return source.ears(config)
    past = source.past if isinstance(source, Resumable) else None
    speakers = speakers_of(source)
    ears: AnyEars
    if not speakers:
        ears = Ears(config, source.rate_hz, snapshot_every_s, endings=endings)
    else:
        in_step = source.in_step if isinstance(source, InOwnTime) else True
        ears = ChannelEars(config, source.rate_hz, speakers, snapshot_every_s, in_step=in_step, endings=endings)
    return ears if past is None else ResumedEars(ears, past)
