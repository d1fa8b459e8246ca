#!/usr/bin/python3
"""The program itself on twenty disks that lost power and twenty spoilt spools (tests/proof/states.py;
more in the proof)."""
import os
import sys

script = os.path.join(os.environ["SOURCE_DIR"], "tests/proof/states.py")
os.environ.setdefault("STATES_BUILD", os.environ.get("BUILD_DIR", ""))
os.environ.setdefault("FG_STATES", "20")
if not os.path.exists(os.environ["STATES_BUILD"] + "/tests/proof/proof_damage"):
    print("skipped: the proof's programs are not built")
    sys.exit(77)
os.execv(sys.executable, [sys.executable, script])
