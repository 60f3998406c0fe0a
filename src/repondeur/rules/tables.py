"""Tables of phrases, and their search in a text.

A table is plain words without accents and punctuation, one phrase a line. The word in capitals is
the phrase's rarest: a text that has none of these words is not looked at further, which keeps the
search off the hot path.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

# Words are looked up as the text has them, so a full stop may hang on.
_PUNCTUATION = ("", ".", ",", "!", "?", ":", ";", ")", "]", ">", "*", "|", ".)", "...")
_WORD = re.compile(r"[^\W_]+")

# Forwarded messages without a separator line, which mail/read.py leaves in the text: a person
# who forwards a newsletter is still a person. Outlook's "From: ... Sent: ..." and Apple Mail's
# words, in the panel's languages.
FORWARDED = re.compile(
    r"""
      ^\W*(?:begin\ forwarded\ message|d[ée]but\ du\ message|anfang\ der\ weitergeleiteten
        |inicio\ del\ mensaje|inizio\ messaggio|begin\ doorgestuurd
        |in[íi]cio\ da\ mensagem|pocz[ąa]tek\ przekazywanej)
    | ^\W*-{2,}[^\n]{0,20}(?:transf[ée]r|r[ée]exp[ée]di|reenviado|inoltrato|doorgestuurd|encaminhada
        |przekazana)
    | ^\W*(?:from|de|von|da|van|od)\s?:\ [^\n]+\n\W*(?:sent|date|envoy[ée]|gesendet|datum|enviado
        |fecha|inviato|data|verzonden|wys[łl]ano)\b
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)


def plain(text: str) -> str:
    """The words of `text` in lower case, without accents, with one space around each."""
    # ł does not decompose.
    bare = unicodedata.normalize("NFKD", text.lower().replace("ł", "l"))
    bare = "".join(char for char in bare if not unicodedata.combining(char))
    return f" {' '.join(_WORD.findall(bare))} "


def _by_trigger(*tables: tuple[str, str]) -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Trigger word, as a text may have it -> the (name, plain phrase) pairs it is rarest in."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, table in tables:
        for phrase in filter(None, map(str.strip, table.splitlines())):
            trigger = next(word for word in phrase.split() if word.isupper()).lower()
            for spelling in {trigger, plain(trigger).strip(), "[" + trigger, "(" + trigger}:
                for mark in _PUNCTUATION:
                    found.setdefault(spelling + mark, []).append((name, plain(phrase)))
    return MappingProxyType({word: tuple(phrases) for word, phrases in found.items()})


class Table:
    """Named phrases, and their search in a text."""

    def __init__(self, *tables: tuple[str, str]) -> None:
        self.by_trigger = _by_trigger(*tables)
        self.triggers = frozenset(self.by_trigger)

    def within(self, text: str) -> dict[str, str]:
        """The names of the phrases that `text` has -> the phrase."""
        words = self.triggers.intersection(text.lower().replace("-", " ").split())
        if not words:
            return {}
        forwarded = FORWARDED.search(text)
        own = plain(text[: forwarded.start()] if forwarded else text)
        return {
            name: phrase.strip()
            for word in sorted(words)
            for name, phrase in self.by_trigger[word]
            if phrase in own
        }
