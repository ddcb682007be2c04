"""The CUDA 12 cuBLAS that CTranslate2 opens by name, beside torch's CUDA 13."""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from pathlib import Path

CUBLAS = "libcublas.so.12"
"""CTranslate2 4.8 asks the loader for this name at its first matrix product, and ends the process without it."""


def load_cublas() -> bool:
    """Load cuBLAS 12 from the system or from the wheel of `livemerc[cuda]`; whether it is there.

    The loader does not look where pip puts the wheel. Once loaded, the library is found by its name from everywhere.
    On other systems than Linux nothing is needed.
    """
    if sys.platform != "linux":
        return True
    wheel = Path(sysconfig.get_path("purelib"), "nvidia", "cublas", "lib", CUBLAS)
    for spot in (CUBLAS, str(wheel)):
        try:
            ctypes.CDLL(spot, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return True
    return False
