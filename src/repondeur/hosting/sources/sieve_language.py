"""The grammar of Sieve scripts (RFC 5228 §2, §8): text to commands; what they mean is elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# Blocks and tests within each other; RFC 5228 §2.10.5 asks for 15 at least.
DEPTH_MAX = 50
SCRIPT_MAX = 1 << 20  # characters; servers take a tenth of that

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*|/\*.*?\*/)
    |(?P<text>text:[ \t]*(?:\#[^\n]*)?\r?\n(?P<lines>.*?)^\.\r?$)
    |(?P<string>"(?:[^"\\]|\\.)*+")
    |(?P<number>[0-9]{1,18}[KMGkmg]?(?![A-Za-z0-9_]))
    |(?P<tag>:[A-Za-z_][A-Za-z0-9_]*)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>[\[\](){};,])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
# Tags of tests that a value follows: RFC 5228 §2.7.3, RFC 5231 §4, RFC 5260 §4.
_VALUED = frozenset({"comparator", "value", "count", "zone", "index"})
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class SieveError(ValueError):
    """The script is not Sieve; the message has the line."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A tagged argument's name, in lower case and without its colon."""

    name: str


Argument = Tag | str | int | list[str]


@dataclass(frozen=True, slots=True)
class Command:
    """A command or a test. Names are in lower case (RFC 5228 §2.10.1)."""

    name: str
    line: int
    arguments: list[Argument] = field(default_factory=list)
    tests: list[Command] = field(default_factory=list)
    block: list[Command] = field(default_factory=list)

    def tagged(self, name: str) -> Argument | None:
        """What follows the tag `name`, None when it is not there."""
        for number, one in enumerate(self.arguments[:-1]):
            if one == Tag(name):
                return self.arguments[number + 1]
        return None

    def positional(self) -> list[str | list[str]]:
        """The strings and lists that belong to no tag of _VALUED."""
        found: list[str | list[str]] = []
        before: Argument | None = None
        for one in self.arguments:
            tagged = isinstance(before, Tag) and before.name in _VALUED
            if isinstance(one, (str, list)) and not tagged:
                found.append(one)
            before = one
        return found

    def has(self, name: str) -> bool:
        return Tag(name) in self.arguments

    def __str__(self) -> str:
        """As it was written, white space aside."""
        words = [self.name, *map(_written, self.arguments)]
        if self.tests:
            tests = ", ".join(map(str, self.tests))
            words.append(f"({tests})" if self.name in ("allof", "anyof") else tests)
        return " ".join(words)


def _written(argument: Argument) -> str:
    if isinstance(argument, Tag):
        return f":{argument.name}"
    if isinstance(argument, list):
        return f"[{', '.join(map(_written, argument))}]"
    return f'"{argument}"' if isinstance(argument, str) else str(argument)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def parse(script: str) -> list[Command]:
    """The commands of a script. Raises SieveError."""
    if len(script) > SCRIPT_MAX:
        raise SieveError(f"has {len(script)} characters; at most {SCRIPT_MAX} are read")
    tokens = [*_tokens(script.removeprefix("\ufeff"))]
    return _Parser(tokens).commands(0, whole=True)


def _tokens(script: str) -> Iterator[_Token]:
    place, line = 0, 1
    while place < len(script):
        match = _TOKEN.match(script, place)
        if match is None:
            raise SieveError(f"line {line}: cannot be read at {script[place : place + 20]!r}")
        text, kind = match[0], match.lastgroup or ""
        if match["lines"] is not None:
            # RFC 5228 §2.4.2: a dot at the start of a line was doubled.
            yield _Token("string", re.sub(r"(?m)^\.\.", ".", match["lines"]), line)
        elif kind == "string":
            yield _Token("string", _ESCAPE.sub(r"\1", text[1:-1]), line)
        elif kind != "space":
            yield _Token(kind, text.lower(), line)
        line += text.count("\n")
        place = match.end()


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0

    def commands(self, depth: int, *, whole: bool = False) -> list[Command]:
        found = []
        while (token := self._peek()) is not None and token.text != "}":
            found.append(self._command(depth))
        if whole and token is not None:
            raise SieveError(f"line {token.line}: a block ends that did not begin")
        return found

    def _command(self, depth: int) -> Command:
        command = self._head(depth)
        token = self._next("; or a block")
        if token.kind == "sign" and token.text == "{":
            command.block.extend(self.commands(depth + 1))
            self._expect("}")
        elif token.kind != "sign" or token.text != ";":
            raise SieveError(f"line {token.line}: found {token.text!r}; accepted: ; or a block")
        return command

    def _head(self, depth: int) -> Command:
        """Name, arguments and tests (RFC 5228 §8.2)."""
        if depth > DEPTH_MAX:
            raise SieveError(f"blocks and tests are nested more than {DEPTH_MAX} deep")
        name = self._next("a command")
        if name.kind != "name":
            raise SieveError(f"line {name.line}: found {name.text!r}; accepted: a command")
        command = Command(name.text, name.line)
        while (token := self._peek()) is not None:
            if token.kind == "name":
                command.tests.append(self._head(depth + 1))
                break
            if token.kind == "sign" and token.text == "(":
                self._place += 1
                command.tests.extend(self._tests(depth + 1))
                break
            argument = self._argument(token)
            if argument is None:
                break
            command.arguments.append(argument)
        return command

    def _tests(self, depth: int) -> list[Command]:
        found = [self._head(depth)]
        while self._expect(",", ")").text == ",":
            found.append(self._head(depth))
        return found

    def _argument(self, token: _Token) -> Argument | None:
        if token.kind == "sign":
            return self._strings() if token.text == "[" else None
        self._place += 1
        if token.kind == "tag":
            return Tag(token.text[1:])
        if token.kind == "number":
            digits = token.text.rstrip("kmg")
            return int(digits) * _UNITS[token.text[len(digits) :]]
        return token.text

    def _strings(self) -> list[str]:
        self._expect("[")
        found: list[str] = []
        while True:
            token = self._next("a string")
            if token.kind != "string":
                raise SieveError(f"line {token.line}: found {token.text!r}; accepted: a string")
            found.append(token.text)
            if self._expect(",", "]").text == "]":
                return found

    def _peek(self) -> _Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _next(self, wanted: str) -> _Token:
        token = self._peek()
        if token is None:
            raise SieveError(f"ends where {wanted} is due")
        self._place += 1
        return token

    def _expect(self, *signs: str) -> _Token:
        token = self._next(" or ".join(signs))
        if token.kind != "sign" or token.text not in signs:
            wanted = " or ".join(signs)
            raise SieveError(f"line {token.line}: found {token.text!r}; accepted: {wanted}")
        return token
