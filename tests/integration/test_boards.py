#!/usr/bin/python3
"""The boards: each defconfig is taken strictly, each default gateway.json is valid and names only
what its board's program has. And what "strictly" means, by faults in every place where they can be."""
import json
import os
import subprocess
import unittest

FIELDGATE = os.environ["FIELDGATE"]
SOURCE_DIR = os.environ["SOURCE_DIR"]
BOARDS = ["rpi", "rpi-armhf", "generic-arm64", "qemu-virt-arm64", "qemu-virt-armhf", "minimal"]


def kconfig(*args):
    done = subprocess.run(["/usr/bin/python3", f"{SOURCE_DIR}/cmake/kconfig.py", "--dotconfig",
                           ".config", *args], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


def begin(board):
    """The board's .config, anew; returns its lines."""
    status, said = kconfig("--fresh", "--defconfig", f"{SOURCE_DIR}/board/{board}/defconfig")
    if status or said:
        raise AssertionError(f"{board}: {status} {said}")
    with open(".config", encoding="utf-8") as file:
        return file.read().splitlines()


def add(line):
    with open(".config", "a", encoding="utf-8") as file:
        file.write(line + "\n")


class Boards(unittest.TestCase):
    def test_every_defconfig_is_taken(self):
        for entry in os.scandir(f"{SOURCE_DIR}/board"):
            if os.path.exists(f"{entry.path}/defconfig"):
                with self.subTest(entry.name):
                    begin(entry.name)

    def test_every_board_is_whole(self):
        for board in BOARDS:
            for name in ("defconfig", "gateway.json", "README.md"):
                self.assertTrue(os.path.exists(f"{SOURCE_DIR}/board/{board}/{name}"),
                                f"{board}/{name}")

    def test_every_gateway_json_is_valid(self):
        for board in BOARDS:
            with self.subTest(board):
                done = subprocess.run([FIELDGATE, "check", "-c",
                                       f"{SOURCE_DIR}/board/{board}/gateway.json"],
                                      capture_output=True, text=True, timeout=30, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                doubts = [line for line in done.stderr.splitlines() if not line.endswith(": valid")]
                # whoever reaches a virtual machine's network is on its host
                if board.startswith("qemu"):
                    doubts = [line for line in doubts if "/drivers/things/open" not in line]
                self.assertEqual(doubts, [])

    def test_every_gateway_json_fits_its_program(self):
        for board in BOARDS:
            built = {line.split("=")[0] for line in begin(board) if line.endswith(("=y", "=m"))}
            with open(f"{SOURCE_DIR}/board/{board}/gateway.json", encoding="utf-8") as file:
                conf = json.load(file)
            wanted = [f"DRIVER_{d['type']}" for d in conf["drivers"].values()]
            wanted += [f"BRIDGE_{b['type']}" for b in conf["bridges"].values()]
            wanted += [f"DECODER_{p['format']}" for p in conf.get("profiles", {}).values()]
            for name in wanted:
                self.assertIn(f"CONFIG_{name.upper()}", built, board)


class Strict(unittest.TestCase):
    def refused(self, word, *args):
        status, said = kconfig(*args)
        self.assertEqual(status, 1, said)
        self.assertIn(word, said)

    def defconfig(self, line, word):
        with open("defconfig", "w", encoding="utf-8") as file:
            file.write(line + "\n")
        self.refused(word, "--fresh", "--defconfig", "defconfig")

    def test_a_defconfig(self):
        self.defconfig("CONFIG_DRIVER_TELEPATHY=y", "DRIVER_TELEPATHY")
        self.defconfig("CONFIG_WORKERS=65", "WORKERS")
        self.defconfig("CONFIG_WORKERS=many", "WORKERS")
        self.defconfig("CONFIG_DECODER_JSON=m", "DECODER_JSON")
        self.defconfig("# CONFIG_MODULES is not set\nCONFIG_DRIVER_COAP=m", "DRIVER_COAP")

    def test_an_assignment(self):
        for text in ("CONFIG_DRIVER_TELEPATHY=y", "CONFIG_WORKERS=0", "CONFIG_WORKERS=many",
                     "CONFIG_WORKERS", "CONFIG_DECODER_JSON=m"):
            begin("full")
            self.refused(text.split("=")[0].removeprefix("CONFIG_"), text)

    def test_a_configuration_that_was_left(self):
        for line, word in (("CONFIG_DRIVER_TELEPATHY=y", "DRIVER_TELEPATHY"),
                           ("CONFIG_LIMIT_DEPTH=65", "LIMIT_DEPTH"),
                           ("CONFIG_LIMIT_DEPTH=deep", "LIMIT_DEPTH")):
            kept = begin("full")
            add(line)
            self.refused(word)
            self.refused("make defconfig")
            with open(".config", encoding="utf-8") as file:
                self.assertEqual(file.read().splitlines(), kept + [line], "nothing is overwritten")

    def test_what_is_good_stays(self):
        for board in ("generic", "minimal"):
            kept = begin(board)
            self.assertEqual(kconfig(), (0, ""))
            with open(".config", encoding="utf-8") as file:
                self.assertEqual(file.read().splitlines(), kept)


if __name__ == "__main__":
    unittest.main(verbosity=0)
