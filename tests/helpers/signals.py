"""What the tests start hears the stop signals, however the tests themselves were started."""

from __future__ import annotations

import signal

from livemerc.runtime.process import STOP_SIGNALS


def let_children_hear() -> None:
    """Takes a handler that does nothing where a stop signal is ignored (nohup, a shell's background job, some CI).

    This process stays as deaf as it was, but a handler, unlike SIG_IGN, is not inherited by a program that it starts.
    """
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
