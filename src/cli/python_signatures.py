"""Reads what handlers say of their events and results, for `lambent types`.

Standard input is JSON, `[{"path": ..., "handlers": [...]}]`, with the names in the order of their rank; standard output is a list of as many TypeScript types, each
`[event, result]` or null. The files are parsed, never run: what they import is not there to be known, and is
`unknown`. So is a type that refers to itself.
"""

import ast
import json
import sys

BUILTINS = {
    "str": "string", "int": "number", "float": "number", "bool": "boolean", "None": "null",
    "dict": "Record<string, unknown>", "list": "unknown[]", "tuple": "unknown[]",
}
LISTS = {"list", "Sequence"}
DICTS = {"dict", "Mapping"}
UNKNOWN = "unknown"


def name_of(node):
    """The last part of a dotted name, as it is called in lower-case Python: `typing.List` is `list`."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.lower() if name in ("List", "Dict", "Tuple") else name


def union(types):
    return UNKNOWN if UNKNOWN in types else " | ".join(dict.fromkeys(types))


class Module:
    def __init__(self, tree):
        self.classes = {each.name: each for each in tree.body if isinstance(each, ast.ClassDef)}
        self.functions = {
            each.name: each for each in tree.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
        }

    def signature(self, handlers):
        function = next((self.functions[name] for name in handlers if name in self.functions), None)
        # A decorator may give the function another event than the caller gave.
        if function is None or function.decorator_list:
            return None
        arguments = function.args.posonlyargs + function.args.args
        event = self.type_of(arguments[0].annotation, ()) if arguments else UNKNOWN
        return [event, self.type_of(function.returns, ())]

    def type_of(self, node, inside):
        if isinstance(node, ast.Constant):
            if node.value is None:
                return "null"
            # An annotation in quotes.
            return self.type_of(parsed(node.value), inside) if isinstance(node.value, str) else UNKNOWN
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return union([self.type_of(node.left, inside), self.type_of(node.right, inside)])
        if isinstance(node, ast.Subscript):
            return self.generic(name_of(node.value), node.slice, inside)
        name = name_of(node)
        if name in self.classes and name not in inside:
            return self.fields(self.classes[name], inside + (name,))
        return BUILTINS.get(name, UNKNOWN)

    def generic(self, name, inner, inside):
        inner = getattr(inner, "value", inner) if type(inner).__name__ == "Index" else inner
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if name == "Literal":
            values = [part.value for part in parts if isinstance(part, ast.Constant)]
            plain = all(value is None or isinstance(value, (str, int, bool)) for value in values)
            return union([json.dumps(value) for value in values]) if plain and len(values) == len(parts) else UNKNOWN
        types = [self.type_of(part, inside) for part in parts]
        if name in LISTS and len(types) == 1:
            return "Array<%s>" % types[0]
        if name in DICTS and len(types) == 2:
            return "Record<string, %s>" % types[1]
        if name == "Optional" and len(types) == 1:
            return union(types + ["null"])
        if name == "Union":
            return union(types)
        return types[0] if name in ("Required", "NotRequired", "Annotated") else UNKNOWN

    def fields(self, node, inside):
        is_data = any(
            name_of(each.func if isinstance(each, ast.Call) else each) == "dataclass" for each in node.decorator_list
        )
        bases = [name_of(base) for base in node.bases]
        # What it inherits from another class may hold more.
        if not (is_data and bases == [] or bases == ["TypedDict"]):
            return UNKNOWN
        partial = any(
            each.arg == "total" and isinstance(each.value, ast.Constant) and each.value.value is False
            for each in node.keywords
        )
        members = []
        for each in node.body:
            if not (isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)):
                continue
            wrapper = name_of(each.annotation.value) if isinstance(each.annotation, ast.Subscript) else ""
            optional = wrapper == "NotRequired" or (partial and wrapper != "Required")
            mark = "?" if optional else ""
            members.append("%s%s: %s" % (each.target.id, mark, self.type_of(each.annotation, inside)))
        return "{ %s }" % "; ".join(members) if members else "{}"


def parsed(text):
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return None


def signature_of(asked):
    try:
        with open(asked["path"], "rb") as file:
            return Module(ast.parse(file.read())).signature(asked["handlers"])
    except (OSError, SyntaxError, ValueError, RecursionError):
        # The build says what is wrong with it.
        return None


if __name__ == "__main__":
    print(json.dumps([signature_of(asked) for asked in json.load(sys.stdin)]))
