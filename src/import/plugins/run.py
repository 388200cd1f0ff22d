# Runs one function of a Python slack-alert plugin and prints its result, unless it is falsy:
# run_plugin.py FILE FUNCTION, where FILE is below PLUGINS. The functions start in FOLDER.
import ast, builtins, os, sys, tokenize

PLUGINS = FOLDER = None

file, name = sys.argv[1:]
path = os.path.join(PLUGINS, file)
os.chdir(FOLDER)
sys.path[0] = ""
answer = os.dup(1)
os.dup2(2, 1)  # what the function itself prints is no message: it goes to stderr

def schedule(decorator):
    for keyword in getattr(decorator, "keywords", []):
        node = keyword.value
        value = node.value if hasattr(node, "value") else getattr(node, "n", None)
        if keyword.arg in ("hours", "seconds", "minutes", "days") and type(value) in (int, float, complex):
            return True

def plain(function):  # stands in for a decorator that the file does not define
    return function

space = {"__file__": path}

class Plugin(ast.NodeTransformer):
    def visit_FunctionDef(self, node):
        if node.decorator_list and schedule(node.decorator_list[0]):
            del node.decorator_list[0]
        for decorator in node.decorator_list:
            called = getattr(decorator, "func", decorator)
            if isinstance(called, ast.Name) and not hasattr(builtins, called.id):
                stand_in = plain if called is decorator else lambda *args, **keywords: plain
                space.setdefault(called.id, stand_in)
        return node

with tokenize.open(path) as file:
    tree = Plugin().visit(ast.parse(file.read(), path))
exec(compile(tree, path, "exec"), space)
result = space[name]()
sys.stdout.flush()
if result:
    with open(answer, "w", encoding="utf-8", errors="backslashreplace") as out:
        print(result, file=out)
