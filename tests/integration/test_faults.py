#!/usr/bin/python3
# run-on: release
"""A few calls of each kind fail (tests/proof/faults.py; all of them, and of
allocations, in the proof)."""
import os
import sys

script = os.path.join(os.environ["SOURCE_DIR"], "tests/proof/faults.py")
library = os.path.join(os.environ.get("BUILD_DIR", ""), "tests/proof/libfaulty.so")
os.environ.setdefault("FAULTY", library)
os.environ.setdefault("FG_FAULTS", "3")
os.environ.setdefault("FG_LEAVE_OUT", "alloc alloc-stretch alloc-library")
if not os.path.exists(os.environ["FAULTY"]):
    print("skipped: libfaulty.so is not built")
    sys.exit(77)
os.execv(sys.executable, [sys.executable, script])
