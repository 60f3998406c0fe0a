"""Access rules in the reader's words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from repondeur.hosting.access import METHODS, Rule
from repondeur.hosting.addresses import readable

_VERBS: dict[str, Promise] = {
    "GET": _("read"),
    "POST": _("add"),
    "PUT": _("change"),
    "DELETE": _("remove"),
}
_DOMAIN = re.compile(r"/email/domain/([^/*]+)(/\*|\*)?")


@dataclass(frozen=True, slots=True)
class Line:
    """What may be done with what. path: as in the rule, where no words fit it."""

    verbs: str
    what: str
    path: str = ""


def lines(rules: Sequence[Rule]) -> list[Line]:
    """One line for each path, in the rules' order; the same words once."""
    methods: dict[str, list[str]] = {}
    for rule in rules:
        methods.setdefault(rule["path"], []).append(rule["method"])
    found = [
        Line(
            ", ".join(str(_VERBS[method]) for method in METHODS if method in have),
            *_what(path),
        )
        for path, have in methods.items()
    ]
    return list(dict.fromkeys(found))


def _what(path: str) -> tuple[str, str]:
    if path in ("/*", "*"):
        return gettext("everything: your account, your domains, mailboxes and responders"), ""
    if path in ("/email/domain*", "/email/domain/*", "/email/*"):
        return gettext("all your domains with their mailboxes and responders"), ""
    if path in ("/me", "/me*"):
        return gettext("your customer ID, name and e-mail address"), ""
    if path == "/email/domain":
        return gettext("the names of your domains"), ""
    if match := _DOMAIN.fullmatch(path):
        return (
            gettext("the domain %(name)s with its mailboxes and responders")
            % {"name": readable(match[1])},
            "",
        )
    return "", path
