"""Mailboxes and aliases from two read-only views of another panel's database.

mailboxes(address, name, customer) and aliases(alias, address); name and customer may be NULL.
"""

from __future__ import annotations

from collections.abc import Iterator

from repondeur.hosting.directory.source import Box, Link
from repondeur.hosting.foreign import sql

_MEND = (
    "see that it runs, lets this role in, and that the views REPONDEUR_DIRECTORY_MAILBOXES "
    "(address, name, customer) and REPONDEUR_DIRECTORY_ALIASES (alias, address) may be read"
)


def rows(url: str, mailboxes: str, aliases: str) -> Iterator[Box | Link]:
    """All rows of both views, as they are at one instant. Raises SourceError.

    url: as sql.Database has it. mailboxes, aliases: the views' names, [SCHEMA.]NAME.
    """
    statements = (
        f"SELECT address, name, customer FROM {mailboxes}",  # noqa: S608 (a name, see config/values.py)
        f"SELECT alias, address FROM {aliases}",  # noqa: S608 (the same)
    )
    for row in sql.rows(sql.Database(url, "REPONDEUR_DIRECTORY_URL", _MEND), statements):
        # A row of the first view has three fields, one of the second two.
        texts = ["" if value is None else str(value).strip() for value in row]
        yield Box(*texts) if len(texts) == 3 else Link(*texts)
