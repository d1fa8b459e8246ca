"""clang-format with some liberties: trailing comments, tables, enums, one-line accessors and macros
are laid out by hand.

clang-format 14 either aligns all trailing comments its own way or none, so it is shown an empty
comment in their place. Later versions differ in corners: with them a difference is only a warning.
"""
import difflib
import re
import shutil
import subprocess

TRAILING = re.compile(r"^(.*\S)(\s*)(/\*(?:(?!\*/).)*(?:\*/)?)$")


def split(line):
    """A line's code and its trailing comment (with the space before it)."""
    match = TRAILING.match(line)
    if not match or match.group(1).lstrip().startswith(("/*", "*", "#")):
        return line, ""
    return match.group(1), match.group(2) + match.group(3)


def units(text):
    """Lines; one whose trailing comment goes on below is a unit with the lines of that comment."""
    found, going_on = [], False
    for line in text.split("\n"):
        if going_on:
            code, comment = found[-1]
            found[-1] = code, comment + "\n" + line
        else:
            found.append(split(line))
        going_on = found[-1][1] != "" and not found[-1][1].endswith("*/")
    return found


def mask(code, comment):
    # room for the mark, or else the mark itself would make the line too long
    return code + " //" if comment and len(code.expandtabs(8)) <= 97 else code


def unmask(line):
    return line.removesuffix(" //")


def clang_format(path, text):
    return subprocess.run(["clang-format", "--style=file", f"--assume-filename={path}"], input=text,
                          capture_output=True, text=True, check=True).stdout


def version():
    if not shutil.which("clang-format"):
        return None
    out = subprocess.run(["clang-format", "--version"], capture_output=True, text=True).stdout
    match = re.search(r"version (\d+)", out)
    return int(match.group(1)) if match else None


def by_hand(lines):
    """The lines whose layout is left alone: directives and what stands right behind one, the rows of
    tables and enums, accessors in one line."""
    free, closing = set(), None
    for i, line in enumerate(lines):
        before = lines[i - 1] if i else ""
        if before.endswith("\\") or line.startswith("#") or before.startswith("#"):
            free.add(i)
        if closing is not None:
            free.add(i)
            if line.startswith(closing):
                closing = None
        elif re.search(r"(= \{|^\s*(typedef )?enum\b[^;()]*\{)( //)?$", line) or \
                re.match(r"\s*enum \{[^}]*$", line):
            free.add(i)
            closing = re.match(r"\s*", line).group() + "}"
        elif re.match(r"(static inline .*\{ .*; \}|enum \{)", line):
            free.add(i)
        if closing is not None and "};" in line:
            closing = None
    return free


def formatted(path, text):
    """(line of the first difference or 0, the text as it should be)."""
    parts = units(text)
    masked = [mask(*part) for part in parts]
    free = by_hand(masked)
    wanted = clang_format(path, "\n".join(masked)).split("\n")
    result, fault = [], 0
    matcher = difflib.SequenceMatcher(None, masked, wanted, autojunk=False)
    for what, a, b, c, d in matcher.get_opcodes():
        old = [code + comment for code, comment in parts[a:b]]
        if what == "equal" or free.issuperset(range(a, max(b, a + 1))):
            result += old
            continue
        fault = fault or len("\n".join(result).split("\n")) + 1
        new = [unmask(line) for line in wanted[c:d]]
        comments = [comment for _, comment in parts[a:b]]
        if len(new) == len(comments):
            new = [code + comment for code, comment in zip(new, comments)]
        elif new:
            new[-1] += "".join(comments)
        result += new
    return fault, "\n".join(result)
