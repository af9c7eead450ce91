"""All texts for people that stand in the sources: what the catalogues must have.

A text is a literal that reads as words: a constant, an f-string, or a sum of them. What is filled
in is a hole with a name, as {path}. What only looks like a text is told apart by where it stands,
or is named in `not_texts.txt`. Words that stand in the sources in both languages side by side
(`Words("名称", "Name")`) are their own translation.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from gateway.language import others

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("csid", "resolver", "registry", "gateway")
NOT_TEXTS: Final = Path(__file__).with_name("not_texts.txt")

CHINESE: Final = re.compile("[\u3001-\u303f\u4e00-\u9fff\uff00-\uffef]")
_LETTERS: Final = re.compile("[A-Za-z]{2}|[\u4e00-\u9fff]")
LATIN: Final = re.compile("[A-Za-z]{2}")
_HOLE: Final = re.compile(r"\{(\w*)(?:![rs])?(?::[^{}]*)?\}")
_NAME: Final = re.compile("[a-z0-9]+_[a-z0-9_]+")  # of a column, or a member of JSON
_PROSE: Final = re.compile(r"[A-Za-z]{2,}\W{0,3} \W{0,2}[a-z]")  # two words
_BESIDE_HOLE: Final = re.compile(r"[a-z]{3}")
# Calls whose texts are for programs, or for those who read the sources.
_SILENT: Final = frozenset(
    {"AssertionError", "NotImplementedError", "TypeError", "compile", "Struct", "getLogger"}
)
# Calls of whose texts each is for people, also one of a single word.
_SPOKEN: Final = frozenset(
    {"print_list", "print_table", "add_argument_group", "IdentifierError", "label"}
)
_SPOKEN_KEYWORDS: Final = frozenset({"help", "description", "epilog", "title", "usage"})


class Texts(NamedTuple):
    """What the sources say.

    Attributes:
        found: each text, and the files where it stands.
        pairs: what stands in them in both languages: English -> Chinese.
        words: of those in a table, by the word of programs: (English, Chinese).
    """

    found: dict[str, set[str]]
    pairs: dict[str, str]
    words: set[tuple[str, str]]


def texts() -> Texts:
    """All texts of the packages, without what `not_texts.txt` names."""
    found: dict[str, set[str]] = {}
    pairs: dict[str, str] = {}
    words: set[tuple[str, str]] = set()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.parent == Path(__file__).parent:
                continue
            reader = _Reader()
            reader.visit(ast.parse(path.read_text(encoding="utf-8")))
            for text in reader.found:
                found.setdefault(text, set()).add(str(path.relative_to(ROOT)))
            pairs |= reader.pairs
            words |= reader.words
    uses = Counter(pairs.values())
    for en, zh in list(pairs.items()):
        if uses[zh] > 1:  # what is one in Chinese and several things in English needs more words
            del pairs[en]
            found |= {one: {"in both"} for one in (en, f"{zh} {en}", f"{en} {zh}")}
    for text in others.texts():
        found.setdefault(text, set()).add("Python")
    for text in (*NOT_TEXTS.read_text(encoding="utf-8").splitlines(), *pairs, *pairs.values()):
        found.pop(ast.literal_eval(text) if text.startswith(("'", '"')) else text, None)
    return Texts(found, pairs, words)


class _Reader(ast.NodeVisitor):
    """Collects the texts of one module."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.pairs: dict[str, str] = {}
        self.words: set[tuple[str, str]] = set()

    def _body(self, node: ast.Module | ast.ClassDef | ast.FunctionDef) -> None:
        said = ast.get_docstring(node, clean=False)
        is_documented = said is not None
        if said is not None and said.startswith("`["):  # a section of the configuration
            self.found.append(said.partition(": ")[2].split("\n")[0])
        for one in node.body[is_documented:]:
            self.visit(one)
        if isinstance(node, ast.FunctionDef):
            for default in (*node.args.defaults, *node.args.kw_defaults):
                if default is not None:
                    self.visit(default)

    def visit_Module(self, node: ast.Module) -> None:
        self._body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._body(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._body(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._body(node)  # type: ignore[arg-type]  # it has the same fields

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # the docstring of an attribute
            self.visit(node.value)

    def visit_Assert(self, node: ast.Assert) -> None:
        self.visit(node.test)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        name = _name(node.func)
        if name in _SILENT:
            return
        self._pair(node.args)
        for argument in node.args:
            self._visit(argument, name in _SPOKEN)
        for keyword in node.keywords:
            self._visit(keyword.value, keyword.arg in _SPOKEN_KEYWORDS or name in _SPOKEN)
        self.visit(node.func)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        self._pair(node.elts)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                self._word(key, value)
                self.visit(key)
            self.visit(value)

    def visit_Constant(self, node: ast.Constant) -> None:
        self._visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if _is_text(node):
            self._visit(node)
        else:
            self.generic_visit(node)

    def _visit(self, node: ast.expr, is_spoken: bool = False) -> None:
        if is_spoken and isinstance(node, ast.Tuple | ast.List):
            for one in node.elts:
                self._visit(one, True)
        elif _is_text(node):
            text = template_of(node)
            if (is_spoken and _LETTERS.search(text)) or _reads_as_words(text):
                self.found.append(text)
            for hole in _holes(node):
                self._visit(hole, isinstance(hole, ast.IfExp))
        elif is_spoken and isinstance(node, ast.IfExp):
            self.visit(node.test)
            self._visit(node.body, True)
            self._visit(node.orelse, True)
        elif not isinstance(node, ast.Constant):
            self.visit(node)

    def _pair(self, nodes: list[ast.expr]) -> None:
        """Texts beside each other of which one is in Chinese and one in English."""
        said = [template_of(node) if _is_text(node) else "" for node in nodes]
        while len(said) > 1:
            one, other, *rest = said
            zh, en = (one, other) if is_chinese(one) else (other, one)
            if is_chinese(zh) and is_english(en) and _holes_of(zh) == _holes_of(en):
                self.pairs[en] = zh
                said = rest
            else:
                said = said[1:]

    def _word(self, key: ast.expr, value: ast.expr) -> None:
        """A word of programs, and what it is called."""
        if isinstance(value, ast.Call) and _name(value.func) == "Words":
            value = value.args[0]
        if _is_text(key) and _is_text(value):
            en, zh = template_of(key), template_of(value)
            if is_chinese(zh) and is_english(en) and not zh.endswith(en):
                self.words.add((en, zh))


def _holes_of(text: str) -> set[str]:
    return set(_HOLE.findall(text))


def is_chinese(text: str) -> bool:
    """Whether a text is one in Chinese alone, names aside."""
    bare = _HOLE.sub("", text)
    return bool(CHINESE.search(bare)) and not re.search("[a-z]{2,} [a-z]", bare)


def is_english(text: str) -> bool:
    """Whether a text is one without Chinese."""
    bare = _HOLE.sub("", text)
    return not CHINESE.search(text) and bool(LATIN.search(bare)) and not _NAME.fullmatch(bare)


def _reads_as_words(text: str) -> bool:
    bare = _HOLE.sub("\0", text)
    if CHINESE.search(bare):
        return bool(LATIN.search(bare))
    return bool(_PROSE.search(bare) or ("\0" in bare and " " in bare and _BESIDE_HOLE.search(bare)))


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and (_is_text(node.left) or _is_text(node.right))
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _parts(node: ast.expr) -> Iterator[str | ast.expr]:
    """Literals and what is filled in between them."""
    if isinstance(node, ast.BinOp) and _is_text(node):
        yield from _parts(node.left)
        yield from _parts(node.right)
    elif isinstance(node, ast.JoinedStr):
        for one in node.values:
            yield from _parts(one.value if isinstance(one, ast.FormattedValue) else one)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        yield node


def _holes(node: ast.expr) -> Iterator[ast.expr]:
    return (one for one in _parts(node) if not isinstance(one, str))


def template_of(node: ast.expr) -> str:
    """A text with its holes by name; where a name comes twice, the second has a number."""
    used: Counter[str] = Counter()

    def hole(name: str) -> str:
        used[name] += 1
        return f"{{{name}{used[name] if used[name] > 1 else ''}}}"

    def named(match: re.Match[str]) -> str:
        return hole(match[1] or "value")

    return "".join(
        _HOLE.sub(named, one) if isinstance(one, str) else hole(_name(one)) for one in _parts(node)
    )


def _name(node: ast.expr) -> str:
    """What an expression is called after: the last name in it."""
    if isinstance(node, ast.Name):
        return node.id.strip("_") or "value"
    if isinstance(node, ast.Attribute):
        return node.attr.strip("_")
    if isinstance(node, ast.Call):
        return _name(node.args[0] if node.args else node.func)
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    if isinstance(node, ast.BinOp):
        return _name(node.left)
    return "value"
