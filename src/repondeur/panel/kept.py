"""What somebody typed into a form while the session ran out: kept until they are back."""

from __future__ import annotations

from django.http import HttpRequest, QueryDict

KEY = "kept"
FORMS = frozenset({"responder_add", "responder_edit"})  # url names: the forms worth keeping
# Characters of a posted form. A long text fits; a stranger cannot fill the table of sessions.
LENGTH_MAX = 300_000


def keep(request: HttpRequest) -> None:
    """Keep the posted form, when it is one of FORMS."""
    match = request.resolver_match
    if match is None or match.url_name not in FORMS:
        return
    posted = request.POST.copy()
    posted.pop("csrfmiddlewaretoken", None)
    body = posted.urlencode()
    if len(body) <= LENGTH_MAX:
        request.session[KEY] = {"path": request.path_info, "body": body}


def take(request: HttpRequest) -> QueryDict | None:
    """What was kept for this page, once."""
    found = request.session.get(KEY)
    if found is None or found["path"] != request.path_info:
        return None
    del request.session[KEY]
    return QueryDict(found["body"])
