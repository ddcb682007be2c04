"""The report in plain words: what a person may take from it, and how far to trust it."""

from __future__ import annotations

from livemerc.notation import clock
from livemerc.report.card import Card
from livemerc.report.facts import NOT_JUDGED, NOT_SURE, NOTHING, Facts

EXPRESSED = (
    "Labels say what an utterance expresses, as an annotator would put it. They do not say what a person feels, and "
    "they are no diagnosis."
)
LAWFUL = (
    "Use this with the knowledge and consent of everyone heard. Not covertly, not for decisions about people, and not "
    "to watch people at work or in education: inferring emotions from voices there is prohibited in the European Union "
    "(AI Act, Art. 5(1)(f)) save for medical or safety reasons, and restricted elsewhere. Consent does not lift that."
)
NOTICE = (
    f"{EXPRESSED} Only with the consent of everyone heard: not covertly, not to watch people at work or in education."
)
KEEP = "This file holds the whole transcript: keep it as carefully, and delete it as soon, as the recording itself."


def count(number: int, one: str, more: str | None = None) -> str:
    """`1 utterance`, `2 utterances`."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def minutes(seconds: float) -> str:
    """`48 s`, `4 min 12 s`, `2 h 05 min`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def summary(facts: Facts) -> list[str]:
    """The session in a few sentences. An empty one has a sentence that says so kindly."""
    session = facts.session
    so_far = " so far" if session.growing else ""
    if not facts.lines:
        return [
            f"In {minutes(facts.duration_s)} of recording{so_far} nobody was heard speaking, so there is nothing to "
            "show: no transcript and no course. That is how a silent room looks, and also a muted microphone; "
            "livemerc devices and livemerc doctor tell which."
            if facts.duration_s >= 0.5
            else f"This session holds no utterance{'s yet' if session.growing else ''}, so there is nothing to show."
        ]
    named = [person for person in facts.people if person.name is not None]
    who = f" by {count(len(named), 'speaker')}" if named else ""
    if named and len(named) < len(facts.people):
        unknown = sum(line.speaker is None for line in facts.lines)
        who += f" ({unknown:,} of nobody known)"
    sentences = [
        f"In {minutes(facts.duration_s)} of recording{so_far} there were {count(len(facts.lines), 'utterance')}{who}, "
        f"{minutes(facts.voiced_s)} of speech."
    ]
    if len(facts.lines) == 1:
        sentences[0] = sentences[0].replace("there were 1", "there was 1")
    sentences += _expressed(facts)
    sentences += _uncertain(facts)
    if facts.shifts:
        strongest = max(facts.shifts, key=lambda shift: shift.strength)
        sentences.append(
            f"The label of a speaker changed {count(len(facts.shifts), 'time')}"
            if facts.named
            else f"The label changed from one utterance to the next {count(len(facts.shifts), 'time')}"
        )
        sentences[-1] += (
            f", most strongly at {clock(strongest.after.start_s)} (from {strongest.before.label} to "
            f"{strongest.after.label})."
        )
    return sentences


def _expressed(facts: Facts) -> list[str]:
    shares = [(label, share) for label, share in facts.shares().items() if label not in (NOT_SURE, NOTHING, NOT_JUDGED)]
    if not shares:
        return ["The monitor settled on no label at all."]
    first, share = shares[0]
    words = f"{'All' if share > 0.995 else 'Most'} of the speech was heard as {first}"
    if share <= 0.5:
        words = f"What was heard most is {first}"
    others = [f"{label} ({part:.0%})" for label, part in shares[1:3] if part >= 0.005]
    return [f"{words} ({share:.0%} of the voiced time)" + (f", then {' and '.join(others)}." if others else ".")]


def _uncertain(facts: Facts) -> list[str]:
    sentences = []
    unsure = sum(line.abstained is not None for line in facts.lines)
    if unsure:
        sentences.append(
            f"Of {count(unsure, 'utterance')} ({unsure / len(facts.lines):.0%}) the monitor was not sure, and gives no "
            "label."
        )
    labelled = facts.by_model
    if labelled:
        right = sum(line.confidence or 0.0 for line in labelled)
        sentences.append(
            f"By its own probabilities, about {right:,.0f} of the {count(len(labelled), 'label')} that it gave would "
            f"be an annotator's choice too, and about {len(labelled) - right:,.0f} would not; on voices and topics "
            "unlike those that it has learnt from, fewer would. Single labels are hints."
        )
    by_person = sum(line.by_person for line in facts.lines)
    if by_person:
        sentences.append(f"{count(by_person, 'label')} {'was' if by_person == 1 else 'were'} set by a person.")
    dismissed = sum(line.dismissed for line in facts.lines)
    if dismissed:
        sentences.append(f"In {count(dismissed, 'utterance')} a person found nothing to judge.")
    return sentences


def calibration(facts: Facts, card: Card | None) -> list[str]:
    """What a probability in the report means."""
    sentences = [
        "The figure beside a label is its calibrated probability: of all utterances with .70, seven in ten should "
        "carry the label that annotators would choose, if they are like those on which the model was calibrated "
        "(conversations from television)."
    ]
    if card is not None and card.ece is not None:
        sentences.append(
            f"There, the probabilities were off by {card.ece * 100:.1f} points on average (expected calibration error "
            f"{card.ece:g}, from the model card). On this recording nobody has measured it."
        )
    else:
        sentences.append(
            "How far off they are is not known for this checkpoint; on this recording nobody has measured it."
        )
    kept, checked = facts.agreement()
    if checked:
        sentences.append(
            f"A person has set the label of {count(checked, 'utterance')}; {kept} of them as the monitor had it. "
            "People mostly correct what is wrong, so this says little about the others."
        )
    return sentences
