"""The build that is tested."""

import functools
import os
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("WAYBILL_BUILDDIR", TOP))


@functools.cache
def built_with_sanitizers():
    done = subprocess.run(["ldd", os.path.join(BUILD, "waybill.fcgi")], capture_output=True, text=True, check=True)
    return any(library in done.stdout for library in ("libasan", "libtsan", "libubsan"))
