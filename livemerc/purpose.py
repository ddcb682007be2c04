"""What a session is for, and whose voice may be judged: the one place that decides. docs/law.md says why.

Whatever would hand a voice to the model asks `VoiceScope` first: recogniser, processor, partial estimates, streams and
`predict`. `Config.voice` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from livemerc.errors import ConfigError

Purpose = Literal["personal", "research", "care", "demo", "work", "education"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
WORDS_ALONE: tuple[Purpose, ...] = ("work", "education")
"""There only words are judged, whatever else is asked for."""

_REASON: dict[Purpose, str] = {
    "work": "judges words alone, because to infer the emotions of people at work from their voices is prohibited in "
    "the European Union (AI Act, Art. 5(1)(f))",
    "education": "judges words alone, because to infer the emotions of people in education from their voices is "
    "prohibited in the European Union (AI Act, Art. 5(1)(f))",
}
_NO_ENROLMENT = "livemerc does not know anybody by voice yet (enrolment is not built), so a name counts by its channel"


@dataclass(frozen=True, slots=True)
class VoiceScope:
    """Whose voice may be judged. `names` None = everybody's; they count only where `text_only` is False."""

    purpose: Purpose
    text_only: bool
    """Words alone are judged: nobody's voice is, by the purpose or as asked."""
    names: tuple[str, ...] | None = None

    def includes(self, *speakers: str | None) -> bool:
        """Whether the voice of an utterance may be judged. speakers: who said it, the channel's name first, then what
        others say (a transcript), which can only take away; None = unknown."""
        if self.text_only:
            return False
        if self.names is None:
            return True
        channel, *others = speakers
        return channel in self.names and all(other is None or other in self.names for other in others)

    @property
    def by_channel(self) -> bool:
        """Whether it hangs on which microphone or channel is whose."""
        return not self.text_only and self.names is not None

    @property
    def short(self) -> str:
        """`told` for a narrow screen."""
        if self.text_only:
            return "words alone"
        return "words, voices" if self.names is None else f"voice of {', '.join(self.names)}"

    @property
    def told(self) -> str:
        """What is judged, in a few words."""
        if self.text_only:
            return "words alone, nobody's voice"
        return "words and every voice" if self.names is None else f"words, and the voice of {', '.join(self.names)}"

    def check_channels(self, channels: Sequence[str]) -> None:
        """Raises `ConfigError` where a name is none of the channels: its voice could never be told from others."""
        if not self.by_channel or self.names is None:
            return
        missing = [name for name in self.names if name not in channels]
        if missing:
            there = f"the channels are {', '.join(channels)}" if channels else "no channel has a name"
            raise ConfigError(
                f"--judge-voice-of: {' and '.join(missing)}: {_NO_ENROLMENT}, and {there}; name them with --speakers, "
                "or leave the voice out with --text-only."
            )

    def check_audio(self) -> None:
        """For audio of somebody unknown that serves nothing but the voice. Raises `ConfigError` where that may not be
        judged."""
        if self.purpose in WORDS_ALONE:
            raise ConfigError(f"audio: purpose {self.purpose} {_REASON[self.purpose]}; give the words alone.")
        if self.by_channel:
            raise ConfigError(
                "judge_voice_of: `predict` does not know who speaks, so it cannot keep to these names; give the words "
                "alone, or leave judge_voice_of out."
            )


def scope_of(purpose: Purpose, *, text_only: bool, judge_voice_of: str | None) -> VoiceScope:
    """The scope of settings. Raises `ConfigError` where they contradict each other, or name nobody."""
    names = None if judge_voice_of is None else tuple(name.strip() for name in judge_voice_of.split(","))
    if names is not None and not all(names):
        raise ConfigError(f"judge_voice_of: {judge_voice_of!r} has an empty name; give names, for instance me,ann.")
    if names is not None and purpose in WORDS_ALONE:
        raise _refused(purpose, "judge_voice_of")
    return VoiceScope(
        purpose, text_only or purpose in WORDS_ALONE, None if names is None else tuple(dict.fromkeys(names))
    )


def check_asked(purpose: Purpose, asked: Mapping[str, Any], *, text_only: bool, partial_budget_ms: float) -> None:
    """Raises `ConfigError` where a purpose judges words alone and what was asked for would judge a voice.

    asked: tree of the keys that somebody gave, as files, variables and flags give them. The rest are the settings that
    came of it.
    """
    if purpose not in WORDS_ALONE:
        return
    model, live = _section(asked, "model"), _section(asked, "live")
    if "text_only" in model and not text_only:
        raise _refused(purpose, "model.text_only = false")
    if partial_budget_ms > 0:
        for key in ("partial_emotion_budget_ms", "partial_emotion_every_s", "partial_emotion_last_s"):
            if key in live:
                raise _refused(purpose, f"live.{key}")


def check_same_use(recorded: Purpose | None, asked: Purpose | None) -> None:
    """Raises `ConfigError` where what was recorded for work or education would be judged for something else."""
    if recorded in WORDS_ALONE and asked is not None and asked not in WORDS_ALONE:
        raise ConfigError(
            f"--purpose {asked}: this session was recorded for {recorded}, which {_REASON[recorded]}; another purpose "
            "does not change whose voices they are: leave --purpose out."
        )


def _refused(purpose: Purpose, key: str) -> ConfigError:
    return ConfigError(f"{key}: would judge a voice, and purpose {purpose} {_REASON[purpose]}; leave it out.")


def _section(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = tree.get(name)
    return section if isinstance(section, Mapping) else {}
