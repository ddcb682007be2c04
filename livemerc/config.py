"""Every knob once, with unit, default and reason.

Precedence: defaults <- TOML <- environment <- flags. The TOML file is `--config FILE`, else `livemerc.toml` in the
user's configuration folder (XDG). Environment: `LIVEMERC_<SECTION>_<KEY>`, for instance
`LIVEMERC_ENDPOINT_HANGOVER_MS=500`.
An unknown key, a wrong type or a value out of range is a `ConfigError` that names the key with its path.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from livemerc.errors import ConfigError
from livemerc.purpose import Purpose, VoiceScope, check_asked, scope_of
from livemerc.toml_file import read_toml, refused

SAMPLE_RATE_HZ = 16_000
"""The rate of everything behind the resampler: webrtcvad, Silero, Whisper and the speech encoder all take 16 kHz."""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class AudioConfig(_Section, frozen=True):
    block_ms: Annotated[float, Meta(gt=0, le=10_000)] = 20.0
    """What a source hands over at once. Results do not depend on it; small keeps the level meter and onset prompt."""
    ring_s: Annotated[float, Meta(ge=1, le=3600)] = 120.0
    """Audio that the microphone's ring holds while models load or the processor is behind; more counts as dropped."""


class VadConfig(_Section, frozen=True):
    engine: Literal["webrtc", "silero"] = "silero"
    """webrtc takes keys, music and a sudden fan for speech for seconds to minutes an hour, and behind its floor gate
    misses up to a quarter of what is said 10 dB above one; silero does neither, for .005 of a core (docs/noise.md)."""
    silero_forget_after_s: Annotated[float, Meta(ge=0.1, le=60)] = 0.5
    """One of Silero's two memories begins anew after this long without speech; the other drifts over a conversation and
    alone misses whole utterances (8 % of clean speech instead of 2 %)."""
    webrtc_level: Annotated[int, Meta(ge=0, le=3)] = 2
    """webrtcvad aggressiveness: 3 clips quiet speech, 0-1 call fan noise speech."""
    floor_gate_db: Annotated[float, Meta(ge=0, le=40)] = 6.0
    """A frame less than this above the noise floor is no speech, whatever the detector says; with silero it still holds
    an utterance where the detector is sure. It takes the tail off the detector's hangover (webrtcvad's own is 100 ms
    of every endpoint wait); with webrtc it rejects steady noise, too, and speech in it. 0 = off."""
    pause_depth_db: Annotated[float, Meta(ge=0, le=60)] = 20.0
    """silero: the floor gate closes only on frames that are also this far below the recent peak. Without this it
    misses a quarter of what is said 10 dB above a noise."""


class EndpointConfig(_Section, frozen=True):
    onset_threshold: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Mean speech probability over `onset_ms` that opens an utterance. With webrtc .6, since .5 opens on hiss."""
    offset_threshold: Annotated[float, Meta(ge=0, lt=1)] = 0.3
    """Speech probability under which a frame counts towards the hangover (hysteresis: below the onset threshold)."""
    hold_threshold: Annotated[float, Meta(gt=0, le=1)] = 0.05
    """Speech probability from which a frame behind speech still belongs to it, for `hold_ms`: far from the microphone
    the ends of words lie below `offset_threshold`. """
    hold_ms: Annotated[float, Meta(ge=0, le=2000)] = 300.0
    """So long behind the last frame above `offset_threshold`; `hangover_ms` less 100 ms adds nothing to the wait. With
    webrtc 0: it says yes or no."""
    onset_ms: Annotated[float, Meta(ge=10, le=1000)] = 96.0
    """Window of the onset decision; a longer one loses short, quiet words. With webrtc 140: a click lasts 80."""
    pre_roll_ms: Annotated[float, Meta(ge=300, le=2000)] = 300.0
    """Audio before the onset that goes to the encoders, because first consonants are quieter than the threshold."""
    tail_ms: Annotated[float, Meta(ge=20, le=500)] = 100.0
    """Audio behind the last voiced frame that goes to recogniser and encoders. Word errors are the same with 60 as with
    400 ms; where it is short enough, all work but the fusion is done while the hangover still runs."""
    hangover_ms: Annotated[float, Meta(ge=60, le=5000)] = 400.0
    """Silence that ends an utterance: the endpoint wait. Pauses inside a sentence are mostly shorter."""
    long_utterance_s: Annotated[float, Meta(gt=0, le=30)] = 5.0
    """From this length on `long_hangover_ms` ends an utterance, so that people who hardly pause are told apart."""
    long_hangover_ms: Annotated[float, Meta(ge=60, le=5000)] = 180.0
    """Silence that ends a long utterance: a breath between phrases, not the closure of a stop, in which Silero stays
    sure. Never more than `hangover_ms` is waited."""
    min_utterance_s: Annotated[float, Meta(ge=0, le=10)] = 0.15
    """Voiced stretches shorter than this are coughs and clicks; they are dropped and counted. With webrtc .25."""
    max_utterance_s: Annotated[float, Meta(ge=2, le=30)] = 12.0
    """Speech past this is cut at its quietest point. Whisper's own window is 30 s."""
    cut_search_s: Annotated[float, Meta(gt=0, le=10)] = 4.0
    """The quietest point is looked for in this last stretch before the maximum."""


_WEBRTC_ENDPOINT = {"onset_threshold": 0.6, "hold_ms": 0.0, "onset_ms": 140.0, "min_utterance_s": 0.25}
"""webrtcvad says yes or no, and says yes to hiss and clicks: its defaults where they differ (docs/noise.md)."""


GONE_ENGINE = "pocketsphinx"
"""The recogniser of earlier versions: recordings and configurations may still name it."""


class AsrConfig(_Section, frozen=True):
    engine: Literal["auto", "faster-whisper", "transcript", "none"] = "auto"
    model: str | None = None
    """Whisper size or local path; null = the best cached one, else tiny.en, which ships (English only)."""
    language: str | None = None
    """Code of the language spoken, for instance "de"; null = Whisper detects it per utterance, and all else counts as
    English. Text in a language that the checkpoint's text branch has not learnt is shown, and not judged."""
    beam_size: Annotated[int, Meta(ge=1, le=10)] = 1
    """1 = greedy: half the time of beam 5 for a fraction of a point of word error on short utterances."""
    window: Literal["auto", "full", "adaptive"] = "auto"
    """Whisper: full = its window of 30 s, whatever is in it. adaptive = the utterance and a margin, a fraction of the
    time, and the full window where that looks wrong. auto = adaptive. With tiny.en and base it hears
    nearly as well, and only so the words are there when the hangover ends (docs/performance.md). Both on your own
    files: `livemerc bench asr`."""
    compute_type: str = "default"
    """CTranslate2's; default = int8 on a CPU (half of the memory and two thirds of the time of float32 for the same
    words but one in a hundred), float16 on a GPU."""
    word_timestamps: bool = False
    transcript: str | None = None
    """Sidecar transcript (VTT, SRT, STM) for engine `transcript`."""
    time_limit_s: Annotated[float, Meta(gt=0, le=3600)] = 120.0
    """A recogniser that has not answered for this long hangs: its utterance goes on without words, and so do later
    ones until it comes back. The longest utterance (12 s) at ten times its length is honest work."""


class ScreeningConfig(_Section, frozen=True):
    no_speech_probability: Annotated[float, Meta(ge=0, le=1)] = 0.6
    """Whisper: gated above this if the mean log-probability is below `mean_log_probability` (Whisper's own rule)."""
    mean_log_probability: float = -1.0
    hopeless_log_probability: float = -1.8
    """Whisper: gated below this whatever the no-speech probability."""
    tokens_per_second: Annotated[float, Meta(gt=0)] = 12.0
    """More tokens a second of voiced audio than anyone speaks: a hallucination."""
    compression_ratio: Annotated[float, Meta(gt=1)] = 2.4
    """zlib ratio of the text above which it is a loop (Whisper's own threshold)."""
    echo: bool = True
    """Of several channels: what one has said and another one's microphone hears again is not judged a second time."""
    silence_dbfs: float = -60.0
    """RMS of the voiced stretch below which text is invented, unless the recogniser is sure of it."""
    sure_confidence: Annotated[float, Meta(ge=0, le=1)] = 0.6
    """From this confidence on the level counts for nothing (down to -90 dBFS, a step of 16-bit audio): quiet
    words were right at .78 and .84."""
    said_probability: Annotated[float, Meta(ge=0, le=1)] = 0.25
    """Whisper: text is gated below this confidence times the probability of speech (1 - no-speech probability). This
    limit and the next three were chosen on half of the data in docs/screening.md, and measured on the other half."""
    said_probability_of_few_words: Annotated[float, Meta(ge=0, le=1)] = 0.7
    """The same for up to three words, and for oh, ha ha, hmm: a Whisper writes these on cries. A sixth of it where
    somebody has just talked."""
    english_only_confidence: Annotated[float, Meta(ge=0, le=1)] = 0.37
    """An English-only Whisper writes English whatever is spoken, with little confidence: below this after a second of
    speech (more after longer) text of two words or more is gated."""
    unsupported_no_speech_probability: Annotated[float, Meta(ge=0, le=1)] = 0.3
    """Text that is gated for another reason than its language is no speech at all above this no-speech probability;
    then the voice is not judged either."""
    own_language_probability: Annotated[float, Meta(ge=0, le=1)] = 0.2
    """Whisper: text is gated (the voice is still judged) where the languages that the checkpoint's text branch has
    learnt have less than this probability together. English of a word or two, which Whisper often takes for another
    language, has more. A language that is given (`asr.language`) is certain."""
    language_probability: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """The same for a recogniser that tells the probability of its one guess alone: gated from this on."""


class ModelConfig(_Section, frozen=True):
    checkpoint: str | None = None
    """Folder of a checkpoint; null = the compact one that ships."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Meta(ge=0, le=64)] = 0
    """torch threads; 0 = one for the compact checkpoint, half of the cores (at most eight) for a full-size one. A
    batch of one is too little for two threads: on two cores they take a fifth longer than one, and ten times as long
    while something else runs (docs/performance.md). The recogniser has threads of its own, and waits meanwhile."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What Stage I computes in, CPU or GPU. bfloat16: its transformers (text; of a full-size checkpoint also the
    voice's) in half of the memory; embeddings come out as float32, and all else stays that. Labels differ now and then,
    and by machine (docs/performance.md); a CPU without bfloat16 products is slower with it."""
    text_only: bool = False
    """Judge the words alone: nothing is inferred from the voice."""
    time_limit_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    """A model that has not answered for this long hangs: the utterance gets the prior and no label, and so do later
    ones until it comes back. The full-size encoders on a busy CPU take ten seconds for the longest utterance."""


class DialogueConfig(_Section, frozen=True):
    context: Annotated[int, Meta(ge=1, le=512)] = 32
    """K: utterances in the window that Stages II and III see."""
    revise: Annotated[int, Meta(ge=0, le=64)] = 2
    """R: an estimate may be revised until R later utterances have come, then it is frozen."""
    freeze_after_s: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    """Without a new utterance for this long, everything is frozen."""
    revision_step: Annotated[float, Meta(ge=0, le=1)] = 0.05
    """A revision is sent when the label or the abstention changes or a probability moves by this much."""


class LiveConfig(_Section, frozen=True):
    partial_every_s: Annotated[float, Meta(ge=0.2, le=10)] = 0.5
    """How often a partial hypothesis is tried while speech goes on and the recogniser is idle; more rarely where that
    would take more than half of its time."""
    partial_budget_ms: Annotated[float, Meta(ge=0, le=10_000)] = 400.0
    """A partial is tried only if the recogniser's speed so far says that it takes no longer: it delays no final."""
    partial_emotion_every_s: Annotated[float, Meta(ge=0.5, le=10)] = 0.5
    """How often the voice of somebody who still speaks is judged: an `emotion` of status `partial`."""
    partial_emotion_budget_ms: Annotated[float, Meta(ge=0, le=10_000)] = 100.0
    """It is judged only while that takes no longer than this; 0 = never."""
    partial_emotion_last_s: Annotated[float, Meta(ge=1, le=30)] = 5.0
    """Only so much of it, the newest, is looked at: what the encoder takes grows with the length, twice a second, and
    the final hears all of it anyway."""
    ahead_budget_ms: Annotated[float, Meta(ge=0, le=10_000)] = 600.0
    """Words and encodings are begun while the hangover still runs, if the recogniser's speed so far says that they take
    no longer than this. Where speech goes on after all, the work was in vain, and a final may have to wait for it.
    0 = never."""
    status_every_s: Annotated[float, Meta(ge=0.5, le=60)] = 0.5
    """At most two status events a second."""
    stop_within_s: Annotated[float, Meta(ge=0.5, le=60)] = 3.0
    """From a stop to `session.end`: what is not transcribed or judged by then is marked. People kill a program after
    five seconds; two of them are for a machine so busy that threads wait for their turn."""
    failures_in_a_row: Annotated[int, Meta(ge=1, le=1000)] = 5
    """A recogniser or model that raises on so many utterances one after the other is broken: the session ends. One
    failure alone costs its utterance's words or label."""


class OverloadConfig(_Section, frozen=True):
    """Lag at which less is done. A level is left below half of its lag, after `calm_s`. Seconds of source audio."""

    skip_partials_after_s: Annotated[float, Meta(gt=0, le=86_400)] = 3.0
    """No partial hypotheses, because these words are superseded anyway."""
    fast_asr_after_s: Annotated[float, Meta(gt=0, le=86_400)] = 6.0
    """Greedy decoding and the smallest recogniser at hand, from about the length of a turn behind."""
    speech_only_after_s: Annotated[float, Meta(gt=0, le=86_400)] = 10.0
    """Labels wait for words no longer, for later than this they are of no use to who watches. This bounds the lag while
    the recogniser cannot keep up."""
    unjudged_after_s: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    """Not even the voice can be judged in time: an utterance gets the prior and no label. This bounds the lag while the
    model cannot keep up."""
    calm_s: Annotated[float, Meta(ge=0, le=600)] = 5.0
    """How long the lag must be low before a level is left; doubled, up to 16 times, where it comes back soon."""
    retry_words_every_s: Annotated[float, Meta(gt=0, le=600)] = 10.0
    """How often, while no words come in time, some are begun that will probably be late: the recogniser may have
    recovered."""


class SpeakersConfig(_Section, frozen=True):
    diarize: bool = False
    """Tell speakers apart by their voices where no channel and no transcript names them (docs/speakers.md)."""
    at_most: Annotated[int, Meta(ge=1, le=32)] | None = None
    """How many speakers there are at most; null = as many as are heard."""
    embedder: Annotated[str, Meta(min_length=1)] = "ge2e"
    """What hears whose voice it is: ge2e, which ships; speaker or speaker-campplus, once `livemerc models pull` has
    fetched it; or the path of such an ONNX file. Whoever is enrolled with one is unknown to another
    (docs/speakers.md)."""
    voiceprints: bool = True
    """diarize: call speakers by their names whose voices are enrolled (`livemerc speakers`)."""
    usual_voice: bool = False
    """voiceprints: whoever is recognised is judged against the usual voice that was enrolled, where one was, from then
    on; without, every baseline begins cold (docs/voice.md)."""
    revise: Annotated[int, Meta(ge=0, le=64)] = 8
    """Who spoke may be revised until so many later utterances have come, or with `dialogue.freeze_after_s`."""


class RecordConfig(_Section, frozen=True):
    consent: str = "not recorded"
    """What those who are heard have agreed to, in your words; goes into the header of a recorded session."""
    retention_days: Annotated[int, Meta(ge=0)] | None = None
    """How long a recording is to be kept; null = not said. Noted in its header; nothing is deleted by itself."""
    folder: str | None = None
    """Where the dashboard's `r` begins a recording, in a folder named by the time; null = the user's data folder."""


class ScreenConfig(_Section, frozen=True):
    theme: Literal["auto", "dark", "light", "high-contrast"] = "auto"
    """The theme that the screen begins with; auto = light where the terminal says that its ground is, else dark."""


class Config(_Section, frozen=True):
    audio: AudioConfig = AudioConfig()
    vad: VadConfig = VadConfig()
    endpoint: EndpointConfig = EndpointConfig()
    asr: AsrConfig = AsrConfig()
    screening: ScreeningConfig = ScreeningConfig()
    model: ModelConfig = ModelConfig()
    dialogue: DialogueConfig = DialogueConfig()
    live: LiveConfig = LiveConfig()
    record: RecordConfig = RecordConfig()
    overload: OverloadConfig = OverloadConfig()
    speakers: SpeakersConfig = SpeakersConfig()
    screen: ScreenConfig = ScreenConfig()
    offline: bool = False
    """Make no network call at all."""
    purpose: Purpose = "personal"
    """What the session is for. work and education judge words alone, whatever else is asked for (docs/law.md)."""
    judge_voice_of: str | None = None
    """Names with commas, for instance "me,ann": only the voices of these channels are judged; null = everybody's."""

    @property
    def voice(self) -> VoiceScope:
        """Whose voice may be judged. Raises `ConfigError` where the settings contradict each other."""
        return scope_of(self.purpose, text_only=self.model.text_only, judge_voice_of=self.judge_voice_of)


def load_config(
    path: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Defaults <- TOML <- environment <- `overrides`.

    `overrides` maps dotted keys to values, for instance `{"endpoint.hangover_ms": 300}`; None values are left out.
    Raises `ConfigError` (exit 2) with the key's path.
    """
    environ = os.environ if environ is None else environ
    merged: dict[str, Any] = {}
    where = Path(path) if path is not None else user_config_file()
    if path is not None or where.is_file():
        merged = read_toml(where)
        _convert(merged, str(where))
    for name, value in environ.items():
        if name.startswith("LIVEMERC_"):
            _set(merged, _environment_key(name), value)
    _convert(merged, "the environment (LIVEMERC_*)")
    for key, value in (overrides or {}).items():
        if value is not None:
            _set(merged, key, value)
    return _lawful(_convert(merged, "the command line"), merged)


def settings_from(tree: Mapping[str, Any], overrides: Mapping[str, Any], origin: str) -> Config:
    """Settings as a tree (those that a session was recorded with) and dotted `overrides`; None of these is left out.

    Raises `ConfigError` (exit 2) with `origin` and the key's path.
    """
    merged = {key: dict(value) if isinstance(value, Mapping) else value for key, value in tree.items()}
    asked: dict[str, Any] = {}
    for key, value in overrides.items():
        if value is not None:
            _set(merged, key, value)
            _set(asked, key, value)
    return _lawful(_convert(merged, origin), asked)


def user_config_file() -> Path:
    """`livemerc.toml` in the user's configuration folder; need not exist."""
    import platformdirs

    return Path(platformdirs.user_config_dir("livemerc")) / "livemerc.toml"


def _environment_key(name: str) -> str:
    rest = name.removeprefix("LIVEMERC_").lower()
    for section in Config.__struct_fields__:
        if rest == section:
            return section
        if rest.startswith(section + "_"):
            return f"{section}.{rest.removeprefix(section + '_')}"
    raise ConfigError(f"{name}: unknown configuration variable; see the keys in livemerc/config.py.")


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, leaf = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"{section}: set to a value and used as a section ({key}); leave one of them out.")
    tree[leaf] = value


def _convert(tree: dict[str, Any], origin: str) -> Config:
    vad, endpoint = tree.get("vad"), tree.get("endpoint", {})
    if isinstance(vad, dict) and vad.get("engine") == "webrtc" and isinstance(endpoint, dict):
        tree = tree | {"endpoint": _WEBRTC_ENDPOINT | endpoint}
    asr = tree.get("asr")
    if isinstance(asr, dict) and asr.get("engine") == GONE_ENGINE:
        raise ConfigError(
            f"{origin}: `asr.engine`: {GONE_ENGINE} has left livemerc; leave the key out: a cached Whisper is used, or "
            "tiny.en, which ships."
        )
    try:
        # strict=False: values from the environment are strings
        config = msgspec.convert(tree, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin}: {refused(error)}.") from error
    if config.endpoint.offset_threshold >= config.endpoint.onset_threshold:
        raise ConfigError(
            f"{origin}: endpoint.offset_threshold ({config.endpoint.offset_threshold}) must be below "
            f"endpoint.onset_threshold ({config.endpoint.onset_threshold})."
        )
    return config


def _lawful(config: Config, asked: Mapping[str, Any]) -> Config:
    """`config`, unless what was `asked` for would judge a voice that its purpose does not let be judged."""
    budget_ms = config.live.partial_emotion_budget_ms
    check_asked(config.purpose, asked, text_only=config.model.text_only, partial_budget_ms=budget_ms)
    if config.voice.text_only and config.speakers.diarize:
        raise ConfigError(
            "speakers.diarize (--diarize) tells people apart by their voices, and words alone are judged here "
            "(--text-only, or the purpose); leave one of them out."
        )
    return config
