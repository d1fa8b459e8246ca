#!/usr/bin/python3
# run-on: release
"""docs/devices.md is what docs/devices/make writes, by the program as it is shipped: each decoder that
is a module is found and loaded beside it."""
import os
import subprocess
import unittest

FIELDGATE = os.environ["FIELDGATE"]
SOURCE = os.environ["SOURCE_DIR"]


class Devices(unittest.TestCase):
    def test_page_is_up_to_date(self):
        done = subprocess.run([SOURCE + "/docs/devices/make", FIELDGATE, "--check"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr +
                         "\nto write it anew: docs/devices/make build/fieldgate")


if __name__ == "__main__":
    unittest.main()
