"""The rules that look at the tree as a whole. `files` maps paths to texts; yields (path, message)."""
import re
import statistics

TOP = set("gateway drivers bridges board tests cmake docs .ci".split())
TOP_FILES = set("CMakeLists.txt Kconfig Makefile LICENSE .gitignore .clang-format "
                ".gitattributes .editorconfig .dockerignore".split())


def top_level(files, sources):
    for path in sorted({path.split("/")[0] for path in files}):
        inside = any(name.startswith(path + "/") for name in files)
        if inside and path not in TOP:
            yield path, "not one of the top-level folders: " + " ".join(sorted(TOP))
        elif not inside and path not in TOP_FILES and not re.fullmatch(r"[A-Z]+\.md", path):
            yield path, "not a file for the top level"


def function_median(files, sources):
    lengths = [len(f.body) for s in sources if s.product for f in s.functions]
    if lengths and statistics.median(lengths) > 15:
        yield "gateway", f"the median function has {statistics.median(lengths)} lines; 15 is the limit"


def defined(sources, prefix, kind):
    """(name, path, .name) of every component defined in C below a folder."""
    pattern = re.compile(rf"^const struct fg_{kind} fg_{kind}_(\w+) = \{{(.*?)^\}};", re.M | re.S)
    for source in sources:
        if source.path.startswith(prefix) and source.path.endswith(".c"):
            for match in pattern.finditer(source.text):
                said = re.search(r'\.name\s*=\s*"([^"]*)"', match.group(2))
                yield match.group(1), source.path, said and said.group(1)


def naming_law(files, sources):
    """CONFIG_DRIVER_X <=> drivers/x <=> fg_driver_x <=> "x"; a decoder is decode/x.c or decode/x/."""
    for kind in ("driver", "bridge"):
        yield from folder_law(files, sources, kind)
    kconfig = files.get("gateway/decode/Kconfig", "")
    known = {name.lower() for name in re.findall(r"^config DECODER_(\w+)", kconfig, re.M)}
    found = set()
    for name, path, said in defined(sources, "gateway/decode/", "decoder"):
        found.add(name)
        if name not in known:
            yield path, f"fg_decoder_{name} has no DECODER_{name.upper()} in gateway/decode/Kconfig"
        if said != name:
            yield path, f'fg_decoder_{name} calls itself "{said}"'
        if not re.match(rf"gateway/decode/{name}(\.c|/)", path):
            yield path, f"fg_decoder_{name} belongs into gateway/decode/{name}.c"
    for name in sorted(known - found):
        if any(path.startswith("gateway/decode/") and path.endswith(".c") for path in files):
            yield "gateway/decode/Kconfig", f"DECODER_{name.upper()} has no fg_decoder_{name}"


def folder_law(files, sources, kind):
    folders = {path.split("/")[1] for path in files if re.match(rf"{kind}s/[^/]+/", path)}
    for name in sorted(folders):
        top = f"{kind}s/{name}"
        kconfig = files.get(f"{top}/Kconfig", "")
        if not re.search(rf"^config {kind.upper()}_{name.upper()}$", kconfig, re.M):
            yield f"{top}/Kconfig", f"config {kind.upper()}_{name.upper()} is missing"
        if f"fg_component({kind} {name} " not in files.get(f"{top}/CMakeLists.txt", ""):
            yield f"{top}/CMakeLists.txt", f"fg_component({kind} {name} ...) is missing"
        if not any(path.startswith(top + "/") and path.endswith(".c") for path in files):
            continue
        symbols = list(defined(sources, top + "/", kind))
        if [symbol[0] for symbol in symbols] != [name]:
            yield top, f"must define const struct fg_{kind} fg_{kind}_{name}, and no other"
        for symbol, path, said in symbols:
            if said != symbol:
                yield path, f'fg_{kind}_{symbol} calls itself "{said}"'


RULES = [top_level, function_median, naming_law]
