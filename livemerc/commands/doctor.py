"""`livemerc doctor`: what this machine has, what it lacks, and how to mend it."""

from __future__ import annotations


def doctor(*, json: bool = False) -> int:
    """Check this machine and say how to mend what is missing; exit 3 when livemerc cannot run at all.

    Parameters
    ----------
    json
        The findings as one JSON object.
    """
    from livemerc import doctor as room

    return room.main(json=json)
