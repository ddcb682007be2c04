"""`livemerc devices`: the microphones of this machine."""

from __future__ import annotations

from livemerc.errors import EXIT_OK, MicrophoneError, say


def devices() -> int:
    """List the microphones with the names and indexes that `run --mic` takes."""
    from livemerc.audio.microphone.devices import far_side_hint, list_inputs

    inputs = list_inputs()
    if not inputs:
        raise MicrophoneError("No microphone was found; connect one and check the system's sound settings.")
    for device in inputs:
        print(device)
    if not any(device.monitor for device in inputs):
        say(far_side_hint())
    return EXIT_OK
