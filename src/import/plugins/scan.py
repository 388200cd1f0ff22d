# Finds the functions that the Python slack-alert would have scheduled, from the syntax tree, without running any of
# them; and reads its configuration file. Arguments: the folder of plugins, and the file or "". Answers in JSON.
import ast, builtins, configparser, datetime, json, os, re, signal, sys, tokenize, warnings

signal.alarm(60)  # nothing here takes long: whoever waits for this program need not
warnings.simplefilter("ignore")
UNITS = ("hours", "seconds", "minutes", "days")
LARGEST_FILE = 4 << 20
MOST_FILES = 10000
TEN_YEARS = datetime.timedelta(days=10 * 366)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def number(node):
    value = node.value if hasattr(node, "value") else getattr(node, "n", None)
    return value if type(value) in (int, float, complex) else None


def units(decorator):
    """What the tool reads from a decorator: its plain numbers of these names."""
    keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
    return {k.arg: number(k.value) for k in keywords if k.arg in UNITS and number(k.value) is not None}


def meant(decorator):
    """The names of time in a decorator, whether the tool reads them or not."""
    keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
    return [k.arg for k in keywords if k.arg in UNITS + ("weeks",)]


def root(decorator):
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def bound_names(tree):
    names = set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, FUNCTIONS + (ast.ClassDef,)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if alias.name == "*":
                    return None
                names.add(alias.asname or alias.name.split(".")[0])
    return names


def tests_for_main(test):
    sides = [test.left] + test.comparators if isinstance(test, ast.Compare) else []
    equals = sides and all(isinstance(op, ast.Eq) for op in test.ops)
    names = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return bool(equals and names and any(getattr(side, "value", getattr(side, "s", None)) == "__main__" for side in sides))


def needs_arguments(function):
    args = function.args
    plain = len(getattr(args, "posonlyargs", [])) + len(args.args) - len(args.defaults)
    return plain > 0 or any(default is None for default in args.kw_defaults)


class File:
    def __init__(self, path):
        self.jobs, self.notes, self.kept, self.bodies = [], [], [], {}
        with tokenize.open(path) as file:
            text = file.read()
        self.lines = text.splitlines()
        tree = ast.parse(text, path)
        compile(tree, path, "exec")
        self.look(tree, None)
        self.check_names(tree)
        self.check_twins()

    def note(self, line, text):
        self.notes.append({"line": line, "text": text})

    def look(self, node, inside):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef):
                self.function(child, inside)
                for inner in ast.walk(child):
                    if inner is not child and isinstance(inner, FUNCTIONS):
                        self.hint(inner, "it is inside another function")
            elif isinstance(child, ast.AsyncFunctionDef):
                self.hint(child, "it is an async function")
                self.look(child, "it is inside an async function")
            elif isinstance(child, ast.ClassDef):
                self.look(child, "it is a method")
            elif isinstance(child, ast.If) and tests_for_main(child.test):
                # In a plugin that is not so: what stands there is not defined, and what is below `else` is.
                for part in child.body:
                    self.look(ast.Module([part], []), inside or "it is below `if __name__ == \"__main__\"`, where no plugin comes")
                for part in child.orelse:
                    self.look(ast.Module([part], []), inside)
            else:
                self.look(child, inside)

    def hint(self, function, why):
        if any(meant(decorator) for decorator in function.decorator_list):
            self.note(function.lineno, "`%s` is not a job: %s" % (function.name, why))

    def function(self, function, inside):
        decorators = function.decorator_list
        if inside:
            return self.hint(function, inside)
        self.bodies.setdefault(function.name, []).append(function.lineno)
        if not decorators:
            return
        first = decorators[0]
        interval = units(first)
        self.kept.extend(decorators[1 if interval else 0:])
        if not interval:
            if meant(first):
                names = ", ".join("`%s`" % name for name in meant(first))
                why = "the Python tool read only hours, minutes, seconds and days, as plain positive numbers, not this %s"
                self.hint(function, why % names)
            elif not isinstance(first, ast.Call):
                why = "its first decorator has no parentheses (the Python tool stopped there)"
                self.note(function.lineno, "`%s` is not a job: %s" % (function.name, why))
            else:
                self.hint(function, "the decorator with the times is not the outermost")
            return
        left_out = [name for name in meant(first) if name not in interval]
        if left_out:
            text = "`%s`: `%s` is no plain number of hours, minutes, seconds or days, and was left out by the Python tool too"
            self.note(first.lineno, text % (function.name, "`, `".join(left_out)))
        if needs_arguments(function) and len(decorators) == 1:
            text = "`%s` is not a job: it needs arguments, and the Python tool refused to schedule it"
            return self.note(function.lineno, text % function.name)
        try:
            length = datetime.timedelta(**interval)
        except (OverflowError, TypeError, ValueError):
            length = None
        if length is None or length > TEN_YEARS:
            return self.note(first.lineno, "`%s` is not a job: its interval is out of range" % function.name)
        if not length:
            length = datetime.timedelta(seconds=1)
            self.note(first.lineno, "`%s`: an interval of zero was a second in the Python tool, and is here" % function.name)
        doc = ast.get_docstring(function) or ""
        self.jobs.append({
            "name": function.name,
            "line": first.lineno,
            "body": function.lineno,
            "micros": length // datetime.timedelta(microseconds=1),
            "source": self.lines[first.lineno - 1:max(function.lineno, first.lineno)][:8],
            "description": " ".join(doc.split("\n\n")[0].split())[:500],
        })

    def check_names(self, tree):
        bound = bound_names(tree)
        missing = {}
        for decorator in self.kept:
            name = root(decorator)
            if name and bound is not None and name not in bound:
                missing.setdefault(name, decorator.lineno)
        for name, line in missing.items():
            text = "`%s` is not defined in this file (the Python tool stopped there): its jobs run as if it did nothing"
            self.note(line, text % name)

    def check_twins(self):
        last = {job["name"]: job for job in self.jobs}
        for job in self.jobs:
            if last[job["name"]] is not job:
                text = "`%s` is scheduled again on line %d: only that counts (the Python tool ran the last one twice)"
                self.note(job["line"], text % (job["name"], last[job["name"]]["line"]))
            elif self.bodies[job["name"]][-1] > job["body"]:
                text = "`%s` is defined again on line %d, and that is what runs, as in the Python tool"
                self.note(job["line"], text % (job["name"], self.bodies[job["name"]][-1]))
        self.jobs = [job for job in self.jobs if last[job["name"]] is job]


def scan(folder):
    files, seen = [], 0
    errors = []
    for base, folders, names in os.walk(folder, onerror=errors.append):
        folders.sort()
        for name in sorted(name for name in names if name.endswith(".py")):
            path = os.path.join(base, name)
            shown = os.path.relpath(path, folder)
            entry = {"path": os.fsencode(shown).decode("utf-8", "replace"), "jobs": [], "notes": []}
            files.append(entry)
            seen += 1
            why, line = None, None
            if os.fsencode(path) != os.fsencode(path).decode("utf-8", "replace").encode("utf-8"):
                why = "its name is not UTF-8"
            elif seen > MOST_FILES:
                why = "there are more than %d files" % MOST_FILES
            elif not os.path.isfile(path):
                why = "it is no file"
            elif os.path.getsize(path) > LARGEST_FILE:
                why = "it is larger than %d bytes" % LARGEST_FILE
            else:
                try:
                    found = File(path)
                    entry["jobs"], entry["notes"] = found.jobs, found.notes
                except SyntaxError as error:
                    why, line = "python3 does not understand it: %s" % error.msg, error.lineno
                except (OSError, ValueError, RecursionError, MemoryError) as error:
                    why = "python3 cannot read it: %s" % error
            if why:
                entry["notes"].append({"line": line, "text": "not looked at: %s" % why})
            if seen > MOST_FILES:
                return files, errors
    return files, errors


def read_conf(path):
    conf = {"error": None, "ignored": None, "items": []}
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(LARGEST_FILE)
        raw = configparser.RawConfigParser(strict=False)
        raw.read_string(text, path)
        items = raw.items("slack")
    except (OSError, ValueError, configparser.Error) as error:
        conf["error"] = re.sub(r"\s+", " ", str(error))
        return conf
    try:
        strict = configparser.ConfigParser()
        strict.read_string(text, path)
        strict.items("slack")
    except configparser.Error as error:
        conf["ignored"] = type(error).__name__
    for key, value in items:
        places = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"(?i)" + re.escape(key) + r"\s*[=:]", line)]
        conf["items"].append([key.lstrip("-").replace("-", "_"), value or "", places[-1] if places else None])
    return conf


found, broken = scan(sys.argv[1])
notes = ["%s: cannot be looked into: %s" % (error.filename, error.strerror) for error in broken]
answer = {"files": found, "notes": notes, "conf": read_conf(sys.argv[2]) if sys.argv[2] else None}
# A lone surrogate (from an escape in a docstring, say) is no text for anyone else.
sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))
