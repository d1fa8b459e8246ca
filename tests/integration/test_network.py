#!/usr/bin/python3
# run-on: release
"""A dozen link flaps, one silence, brokers that are stopped, slow, busy or hang up
(tests/proof/network.py; more of each, and the times, in the proof)."""
import os
import sys

script = os.path.join(os.environ["SOURCE_DIR"], "tests/proof/network.py")
os.environ.setdefault("FG_FLAPS", "12")
os.execv(sys.executable, [sys.executable, script])
