"""HTML of messages: what is let through, and the same as plain text."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

import nh3

# What every mail program shows; no script, style or remote picture. The first line is what the
# panel's editor makes; the others are what other editors and people write by hand.
TAGS = {
    "p", "br", "strong", "em", "u", "a", "ul", "ol", "li", "h1", "h2", "h3", "blockquote",
    "b", "i", "s", "small", "sub", "sup", "code", "div", "hr", "h4", "h5", "h6",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {"a": {"href"}}
SCHEMES = {"http", "https", "mailto"}

_LINES = {"div", "tr"}  # blocks with no empty line around them
_BLOCKS = _LINES | {
    "p", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "hr", "table",
}  # fmt: skip
_CELLS = {"th", "td"}
_SPACE = re.compile(r"[ \t\r\n\f]+")  # HTML's white space; a no-break space is none
_EMPTY_LINES = re.compile(r"\n{3,}")
_MARK = re.compile(r"\n *(?:-|[0-9]+\.) \Z")  # of an item that is empty yet
_TAIL = 40  # characters: the longest mark
DEPTH_MAX = 8  # lists within lists that are still indented


def sanitised(html: str) -> str:
    """`html` with what a reply may have, and nothing else."""
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel=None,
        clean_content_tags={"script", "style"},
    )


def plain_text(html: str) -> str:
    """The words of `html`, with its paragraphs, lists and the addresses of its links."""
    reader = _Reader()
    reader.feed(sanitised(html))
    reader.close()
    return reader.text()


def from_text(text: str) -> str:
    """`text` as HTML: empty lines part paragraphs, other line ends stay."""
    paragraphs = re.split(r"\n{2,}", text.replace("\r\n", "\n").strip("\n"))
    made = (escape(one, quote=False).replace("\n", "<br>") for one in paragraphs)
    return "".join(f"<p>{one}</p>" for one in made) if text.strip() else ""


class _Reader(HTMLParser):
    """Writes down what sanitised HTML says."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._tail = "\n\n"  # the last characters written; at the start nothing needs parting
        self._lists: list[int | None] = []  # of each open list the next number; None: bullets
        self._link = ("", 0)  # its address, and the part that its words begin with

    def text(self) -> str:
        lines = (line.rstrip(" ") for line in "".join(self._parts).split("\n"))
        return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")

    def _write(self, text: str) -> None:
        self._parts.append(text)
        self._tail = (self._tail + text)[-_TAIL:]

    def handle_data(self, data: str) -> None:
        words = _SPACE.sub(" ", data)
        self._write(words.lstrip(" ") if self._tail[-1] in " \n" else words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._write("\n")
        elif tag == "a":
            self._link = (dict(attrs).get("href") or "", len(self._parts))
        elif tag in _CELLS:
            self.handle_data(" ")
        elif tag in _BLOCKS:
            self._part(tag)
            if tag in ("ul", "ol"):
                self._lists.append(1 if tag == "ol" else None)
            elif tag == "li":
                self._item()

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            address, start = self._link
            address = address.removeprefix("mailto:")
            if address and "".join(self._parts[start:]).strip() != address:
                self._write(f" <{address}>")
        elif tag in _BLOCKS:
            if tag in ("ul", "ol") and self._lists:
                self._lists.pop()
            self._part(tag)

    def _part(self, tag: str) -> None:
        """Begin a line for `tag`, mostly after an empty one outside of lists."""
        if _MARK.search(self._tail):
            return  # a paragraph as the first thing of an item
        wanted = "\n" if self._lists or tag in _LINES else "\n\n"
        while not self._tail.endswith(wanted):
            self._write("\n")

    def _item(self) -> None:
        depth = min(len(self._lists), DEPTH_MAX) - 1
        number = self._lists[-1] if self._lists else None
        self._write("  " * depth + ("- " if number is None else f"{number}. "))
        if number is not None:
            self._lists[-1] = number + 1
