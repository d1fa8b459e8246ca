"""What the rules see of a C file: its text, its code without comments, its functions."""
import re

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(match):
    """Keeps newlines and the quotes of a literal, so that lines and columns stay what they are."""
    text = match.group()
    if text[0] in "\"'":
        return text[0] + " " * (len(text) - 2) + text[-1]
    return re.sub(r"[^\n]", " ", text)


class Function:
    def __init__(self, name, static, line, body):
        self.name, self.static, self.line, self.body = name, static, line, body


class Source:
    def __init__(self, path, text):
        self.path, self.text = path, text
        self.lines = text.split("\n")
        if self.lines[-1] == "":
            self.lines.pop()
        self.code = TOKEN.sub(blank, text)
        self.code_lines = self.code.split("\n")
        self.folder = path.split("/")[0]
        self.functions = list(self.find_functions()) if path.endswith((".c", ".h")) else []

    @property
    def product(self):
        return self.folder in ("gateway", "drivers", "bridges")

    def includes(self):
        """(line, '<' or '"', path) of every #include."""
        for number, line in enumerate(self.lines, 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if match:
                yield number, match.group(1), match.group(2)

    def find_functions(self):
        """In this style a body is what stands between '{' and '}' in the first column."""
        start = None
        for number, line in enumerate(self.code_lines):
            if line.rstrip() == "{":
                start = number
            elif line.startswith("}") and start is not None:
                head = self.head_before(start)
                name = re.search(r"(\w+)\s*\(", head)
                if name:
                    yield Function(name.group(1), re.search(r"\bstatic\b", head) is not None,
                                   start + 1, self.code_lines[start + 1:number])
                start = None

    def head_before(self, brace):
        head = []
        for line in reversed(self.code_lines[:brace]):
            if not line.strip() or line[0] == "#" or line.rstrip()[-1] in ";}":
                break
            head.insert(0, line)
        return " ".join(head)

    def declarations(self):
        """(line, text) of every declaration at file level: up to '=', ';' or the body's '{'."""
        code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group()),
                      self.code, flags=re.M)
        depth, text, first, line, initialiser = 0, "", 0, 1, False
        for char in code:
            if char == "\n":
                line += 1
            if char == "{":
                if depth == 0 and not initialiser and not re.match(
                        r"\s*(?:typedef\s+|static\s+|const\s+)*(struct|union|enum)\b[^()=]*$", text):
                    if text.strip():
                        yield first, " ".join(text.split()) + " {"
                    text = ""
                depth += 1
            elif char == "}":
                depth -= 1
                if depth == 0 and not initialiser:
                    text += " {} " if text.strip() else ""
            elif depth:
                continue
            elif char == ";":
                if text.strip():
                    yield first, " ".join(text.split())
                text, initialiser = "", False
            elif char == "=":
                initialiser = True
            elif not initialiser:
                if not text.strip() and not char.isspace():
                    first = line
                text += char
