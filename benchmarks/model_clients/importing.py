"""Time and memory of imports: `python -m benchmarks.model_clients.importing NAME…`."""

import importlib
import json
import os
import sys
import time

from benchmarks.processes import rss_kb

if __name__ == "__main__":
    _began = time.perf_counter()
    for _name in sys.argv[1:]:
        importlib.import_module(_name)
    _took_s = time.perf_counter() - _began
    print(json.dumps({"seconds": _took_s, "mb": rss_kb(os.getpid()) / 1000}))
