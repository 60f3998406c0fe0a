"""Import of customers, domains, mailboxes and responders from JSON (design §7).

Rows are judged one by one with the words of the forms, written a thousand to a transaction, and
counted: what is there already with the same values is left alone, so that a file can be imported
twice. A row that cannot be taken does not hold up the others.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.db.models import Count, Model

from repondeur.hosting import addresses, customers, domains, mailboxes, responders
from repondeur.hosting.errors import Conflict, Exists, HostingError, Invalid, NotFound, OverQuota
from repondeur.hosting.wanted import Wanted, clean, interval, when
from repondeur.store.ids import new_id
from repondeur.store.models import Alias, Customer, Domain, Mailbox, Offer, Responder

CHUNK = 1000  # rows of one transaction (design §7)
SECTIONS = ("customers", "domains", "mailboxes", "responders")
