#!/usr/bin/python3
"""The documentation holds: the configurations it shows are valid, its commands print what it says,
its links lead somewhere, the files it names are there.

In README.md, ARCHITECTURE.md and docs/: a JSON block below a line "`NAME.json`:" is that file and
passes `fieldgate check`; any other JSON block is JSON. Each "$ " line of a console block is run, in
a folder with those files; what it prints is what stands below it, but for times.
"""
import glob
import json
import os
import re
import socket
import subprocess
import time
import unittest

FIELDGATE = os.environ["FIELDGATE"]
SOURCE = os.environ["SOURCE_DIR"]
PAGES = sorted(glob.glob(SOURCE + "/*.md") + glob.glob(SOURCE + "/docs/*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
NAMED = re.compile(r"`([\w.-]+\.json)`:\n\n```json\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
# a path that a page names: in backticks, below a folder of the tree
PATH = re.compile(r"`((?:gateway|drivers|bridges|tests|cmake|docs|board)/[\w./-]*)`")
ADDED = {"drivers/x", "drivers/udp/", "drivers/udp/driver.c", "drivers/udp/Kconfig", "drivers/udp/CMakeLists.txt"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def name(page):
    return os.path.relpath(page, SOURCE)


def plain(text):
    """Without what differs from run to run."""
    text = text.replace(',"clock":"unsynced"', "")
    text = re.sub(r'"bt":1[789]\d{8}(\.\d+)?', lambda m: m[0] if m[0] in FIXED else '"bt":now', text)
    text = re.sub(r"\b[0-9a-f]{16}\b", "EPOCH", text)
    text = re.sub(r'"repeated":\d+', '"repeated":n', text)
    return [line.rstrip() for line in text.splitlines()]


def run(command):
    """What it prints. Not through a pipe: it may leave a gateway behind, which has the test's end."""
    with open("output", "w+", encoding="utf-8") as out:
        subprocess.run(["bash", "-c", command], stdout=out, stderr=subprocess.STDOUT, timeout=30,
                       stdin=subprocess.DEVNULL, check=False)
        out.seek(0)
        return out.read()


def settled(command, output):
    """The same; of a gateway that works, looked at until it says what was expected."""
    end = time.monotonic() + (DEADLINE_S if command.startswith(LOOKS) else 0)
    while plain(said := run(command)) != plain(output) and time.monotonic() < end:
        time.sleep(0.1)
    return said


LOOKS = ("fieldgate ledger -c", "fieldgate audit <")
DEADLINE_S = 20
FIXED = {'"bt":1767225600'}	# a device's own time


def commands(block):
    """Each command of a console block with what it prints."""
    parts = re.split(r"^\$ ", block, flags=re.M)
    assert parts[0] == "", "a console block begins with a command: " + parts[0]
    for part in parts[1:]:
        command, _, output = part.partition("\n")
        yield command, output


class Docs(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        os.environ["PATH"] = os.path.dirname(FIELDGATE) + ":" + os.environ["PATH"]
        self.assertTrue(PAGES)

    def write_files(self, text):
        files = NAMED.findall(text)
        for file, content in files:
            with open(file, "w", encoding="utf-8") as out:
                out.write(content)
        return [file for file, _ in files]

    def test_configurations(self):
        for page in PAGES:
            for file in self.write_files(read(page)):
                done = subprocess.run([FIELDGATE, "check", "-c", file], capture_output=True,
                                      text=True, check=False)
                with self.subTest(page=name(page), file=file):
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_json(self):
        for page in PAGES:
            for kind, block in BLOCK.findall(read(page)):
                if kind == "json":
                    with self.subTest(page=name(page), block=block[:60]):
                        json.loads(block)

    def test_commands(self):
        count, port = 0, free_port()
        for page in PAGES:
            text = read(page).replace("127.0.0.1:5683", f"127.0.0.1:{port}")
            self.write_files(text)
            for kind, block in BLOCK.findall(text):
                if kind != "console":
                    continue
                for command, output in commands(block):
                    said = settled(command, output)
                    with self.subTest(page=name(page), command=command):
                        self.assertEqual(plain(said), plain(output))
                    count += 1
        self.assertGreater(count, 10)

    def test_links(self):
        for page in PAGES:
            for target in LINK.findall(read(page)):
                with self.subTest(page=name(page), link=target):
                    self.assertTrue(os.path.exists(os.path.join(os.path.dirname(page), target)))

    def test_paths(self):
        for page in PAGES:
            for path in PATH.findall(read(page)):
                if path in ADDED:
                    continue
                with self.subTest(page=name(page), path=path):
                    self.assertTrue(os.path.exists(os.path.join(SOURCE, path)))

    def test_way_of_one_record(self):
        """Each "FILE   function()" of the tour: the function is defined in that file."""
        file, count = None, 0
        for kind, block in BLOCK.findall(read(SOURCE + "/ARCHITECTURE.md")):
            for line in block.splitlines() if kind == "text" else []:
                found = re.search(r"((?:gateway|drivers|bridges)/\S+\.c)", line)
                file = found[1] if found else file
                function = re.search(r"\b(\w+)\(\)", line)
                if not function or not file:
                    continue
                with self.subTest(file=file, function=function[1]):
                    self.assertRegex(read(os.path.join(SOURCE, file)),
                                     rf"(?m)^[a-z].*\b{function[1]}\(")
                count += 1
        self.assertGreater(count, 10)

    def test_functions(self):
        """Each `function()` that a page names is somewhere in the tree."""
        code = "".join(read(path) for folder in ("gateway", "drivers", "bridges")
                       for path in glob.glob(f"{SOURCE}/{folder}/**/*.[ch]", recursive=True))
        for page in PAGES:
            for function in re.findall(r"`(\w+)\(\)`", read(page)):
                with self.subTest(page=name(page), function=function):
                    self.assertRegex(code, rf"\b{function}\)?\(")

    def test_driver_is_the_one_that_is_tested(self):
        page = read(SOURCE + "/docs/writing-a-driver.md")
        blocks = [block for kind, block in BLOCK.findall(page) if kind == "c"]
        self.assertIn(read(SOURCE + "/docs/example/udp.c"), blocks)


if __name__ == "__main__":
    unittest.main(verbosity=1)
