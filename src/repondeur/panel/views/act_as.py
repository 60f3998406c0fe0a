"""The hoster's staff see a customer's pages as the customer does: logged, shown, with a way back.

request.user is the customer then, and request.staff who really looks (middleware.acting).
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from repondeur.hosting import customers
from repondeur.hosting.audit import Action
from repondeur.hosting.errors import HostingError
from repondeur.panel import signals
from repondeur.panel.middleware import ACTING
from repondeur.panel.views.common import absent, customer


@require_POST
def start(request: HttpRequest, nic: str) -> HttpResponse:
    """Only for staff, and never as another member of staff: nobody gains rights by it."""
    if not customer(request).is_staff:
        raise absent(request)
    try:
        other = customers.get(nic)
    except HostingError as error:
        raise Http404 from error
    if other.is_staff or not other.is_active:
        raise Http404
    signals.write(request, other, Action.STAFF_CAME, other.nic)
    request.session[ACTING] = other.pk
    return redirect("domains")


@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    """Back to the staff's own pages."""
    staff: Any = getattr(request, "staff", None)
    if staff is None:
        raise Http404
    other = customer(request)
    signals.write(request, other, Action.STAFF_LEFT, other.nic)
    del request.session[ACTING]
    return redirect("staff:store_customer_change", other.pk)
