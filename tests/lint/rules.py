"""The rules that look at one file. Each yields (line, message); its name is the function's."""
import re

LAYERS = [{"base"}, {"loop", "record"}, {"decode", "spool", "adapt"},
          {"profile", "device", "intake", "outbox", "config"}, {"control", "command", "fleet"}, {"run"},
          {"processes"}, {"cli"}, {"main.c"}]
LEVEL = {folder: level for level, folders in enumerate(LAYERS) for folder in folders}
# who may, beyond its own folder and the layers below, see a folder of its own layer: what the
# configuration says is known to those who act on it, never the other way round
PEERS = {"profile": {"config"}, "device": {"config"}, "intake": {"profile", "device", "config"},
         "outbox": {"device", "config"}}

FOREIGN = re.compile(r"(mosquitto|mqtt_protocol|coap|cjson/|cJSON|openssl/|curl/|nats|systemd/|gpiod|"
                     r"microhttpd|sqlite3|modbus|zlib|zstd)")
CJSON = re.compile(r"cjson/|cJSON")

BANNED = ("sprintf vsprintf strcpy stpcpy strcat strncat strtok atoi atol atoll atof gets alloca "
          "system popen usleep sleep select signal gethostbyname strlcpy strlcat").split()
TO_STDOUT = "printf vprintf puts putchar".split()
CALL = r"(?<![\w.>])({})\s*\("


def file_length(source):
    if len(source.lines) > 800:
        yield 1, f"{len(source.lines)} lines; 800 is the limit"


def function_length(source):
    for function in source.functions:
        if len(function.body) > 80:
            yield function.line, f"{function.name} has {len(function.body)} lines; 80 is the limit"


def line_width(source):
    for number, line in enumerate(source.lines, 1):
        width = len(line.expandtabs(8))
        if width > 100:
            yield number, f"{width} columns; 100 is the limit"


def trailing_space(source):
    for number, line in enumerate(source.lines, 1):
        if line != line.rstrip():
            yield number, "space at the end of the line"
    if source.text and not source.text.endswith("\n"):
        yield len(source.lines), "no newline at the end"
    if source.text.endswith("\n\n"):
        yield len(source.lines), "empty line at the end"


def unfinished(source):
    for number, line in enumerate(source.lines, 1):
        if re.search(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b", line):
            yield number, "finish it, or say in docs/ what is missing"


def pragma_once(source):
    if source.path.endswith(".h") and not re.search(r"^#pragma once$", source.text, re.M):
        yield 1, "#pragma once is missing"


def include_layers(source):
    """base <- loop, record <- decode, spool, adapt <- profile ... <- main; drivers see only <fg/...>."""
    if not source.product:
        return
    own = source.path.split("/")[1]
    for line, mark, path in source.includes():
        target = path.split("/")[0]
        if mark == "<":
            continue
        if own == "console":  # may be a module, so it sees what a driver sees
            if target not in ("console", "adapt"):
                yield line, "the console includes <fg/...>, its own folder and adapt/"
        elif source.folder != "gateway":
            if "/" in path and target != "adapt":
                yield line, f'a {source.folder[:-1]} includes <fg/...>, its own folder and adapt/'
        elif "/" not in path:
            yield line, f'"{path}": name it from gateway/ on ("{own}/{path}")'
        elif target not in LEVEL:
            yield line, f"{target}/ is not a folder of gateway/ that this rule knows"
        elif target != own and target not in PEERS.get(own, ()) and LEVEL[target] >= LEVEL.get(own, -1):
            yield line, f"{own}/ must not include {target}/"


def include_foreign(source):
    if not source.product:
        return
    own = source.path.split("/")[1]
    for line, mark, path in source.includes():
        if mark != "<" or not FOREIGN.match(path):
            continue
        if CJSON.match(path):
            allowed = source.folder == "gateway" and own in ("adapt", "config", "fleet", "cli")
        else:
            allowed = source.folder != "gateway" or own in ("adapt", "console")
        if not allowed:
            yield line, f"<{path}> is for its adapter, its driver or its bridge"


def include_rank(source_path, mark, path):
    stem = re.sub(r"\.c$", ".h", source_path.split("/")[-1])
    if path == "fg/" + stem or mark == '"' and path.split("/")[-1] == stem:
        return 0
    if mark == '"':
        return 2
    return 1 if path.startswith("fg/") else 4 if FOREIGN.match(path) else 3


def include_order(source):
    """Own header, <fg/...>, local, libc, foreign; a header may begin with libc."""
    if not source.product or not source.path.endswith(".c"):
        return
    last = 0
    for line, mark, path in source.includes():
        rank = include_rank(source.path, mark, path)
        if rank < last:
            yield line, "order: own header, <fg/...>, local, libc, foreign (make format)"
        last = max(last, rank)


def includes_in_order(source):
    """The text with its includes as include_order wants them; as it is if it stands among other
    directives or comments."""
    if not list(include_order(source)):
        return source.text
    found = list(source.includes())
    first, last = found[0][0] - 1, found[-1][0]
    if len([line for line in source.lines[first:last] if line.strip()]) != len(found):
        return source.text
    groups = {}
    for line, mark, path in found:
        groups.setdefault(include_rank(source.path, mark, path), []).append(source.lines[line - 1])
    block = "\n\n".join("\n".join(groups[rank]) for rank in sorted(groups))
    return "\n".join(source.lines[:first] + [block] + source.lines[last:]) + "\n"


def banned_function(source):
    names = list(BANNED)
    quiet = source.product and not re.match(r"gateway/(cli/|main\.c)", source.path)
    if quiet:
        names += TO_STDOUT
    if source.product and "fg_loop_work(" not in source.code:
        names.append("getaddrinfo")  # it blocks: for a worker
    call = re.compile(CALL.format("|".join(names)))
    base0 = re.compile(r"\bstrto(l|ul|ll|ull|imax|umax)\s*\([^;]*,\s*0\s*\)")
    for number, line in enumerate(source.code_lines, 1):
        for match in call.finditer(line):
            yield number, f"{match.group(1)} is banned"
        if base0.search(line):
            yield number, "base 0 reads differently by C library version; say 10 or 16"


def is_const(text):
    """Is the variable itself constant (for a pointer: the pointer, not what it points at)?"""
    pointer = re.search(r"\(\s*\*\s*(\w*)", text)
    if pointer:
        return pointer.group(1) == "const"
    behind = text.rsplit("*", 1)[-1] if "*" in text else text
    return re.search(r"\bconst\b", behind) is not None


def mutable_variable(source):
    """No variable lives longer than what owns it: no file-level or static variable that changes."""
    if not source.product:
        return
    for line, text in source.declarations():
        plain = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", text)
        if re.match(r"(typedef|extern|_Static_assert|static_assert)\b", plain) or plain.endswith("{"):
            continue
        if re.match(r"(static |const )*(struct|union|enum)\b[\w ]*(\{\})?\s*$", plain) and \
                not re.match(r"(static |const )*(struct|union|enum) \w+ \w+$", plain):
            continue
        if "(" in plain and not re.search(r"\(\s*\*", plain.split("(", 1)[0] + "("):
            # a function's declaration, unless the first parenthesis opens a pointer's declarator
            if not re.match(r"[^(]*\(\s*\*", plain):
                continue
        if not is_const(plain):
            yield line, f"'{plain[:60]}' is a variable for the whole program"
    for function in source.functions:
        for offset, text in enumerate(function.body, 1):
            match = re.match(r"\s+static\s+([^=;]*)", text)
            if match and not is_const(match.group(1)):
                yield function.line + offset, "a static variable that changes"
    for number, line in enumerate(source.code_lines, 1):
        if re.search(r"\b(_Thread_local|thread_local|__thread)\b", line):
            yield number, "thread-local variables are variables for the whole program too"


def public_prefix(source):
    """fg_; what only the files of a folder share may instead begin with the folder's or the file's
    word (routes_clear in intake/route.c)."""
    if not source.product or not source.path.endswith(".c"):
        return
    parts = source.path[:-2].split("/")
    words = [parts[1].split("_")[0], parts[-1].split("_")[0]]
    for function in source.functions:
        first = function.name.split("_")[0]
        if function.static or first in ("fg", "main") or any(
                first.startswith(word) or word.startswith(first) for word in words):
            continue
        yield function.line, f"{function.name}: make it static or call it fg_{function.name}"


def typedef_struct(source):
    for number, line in enumerate(source.code_lines, 1):
        if source.product and re.search(r"\btypedef\s+(struct|union)\b", line):
            yield number, "say struct; no typedef"


def goto_up(source):
    for function in source.functions:
        labels = {}
        for offset, line in enumerate(function.body, 1):
            match = re.match(r"\s*(\w+):(?!:)", line)
            if match and match.group(1) != "default":
                labels[match.group(1)] = offset
            for target in re.findall(r"\bgoto\s+(\w+)", line):
                if target in labels:
                    yield function.line + offset, f"goto {target} goes up"


FOR_C = [file_length, function_length, line_width, trailing_space, unfinished, pragma_once,
         include_layers, include_foreign, include_order, banned_function, mutable_variable,
         public_prefix, typedef_struct, goto_up]
FOR_TEXT = [trailing_space, unfinished]
