"""Every RFC that the code cites is in docs/rfc.md, every reason in docs/rules.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from repondeur.rules.model import Reason

ROOT = Path(__file__).parents[2]
CITATION = re.compile(r"RFC (\d{3,5})")


def cited() -> dict[str, str]:
    """RFC number -> a file of src that cites it."""
    return {
        number: path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "src").rglob("*.py"))
        for number in CITATION.findall(path.read_text(encoding="utf-8"))
    }


def listed() -> set[str]:
    rows = re.findall(r"^\| RFC (\d+) \|", (ROOT / "docs/rfc.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) == len(set(rows)), "an RFC has two rows in docs/rfc.md"
    return set(rows)


def test_the_code_cites_rfcs() -> None:
    assert "3834" in cited()


@pytest.mark.parametrize("number", sorted(cited(), key=int))
def test_a_cited_rfc_is_listed(number: str) -> None:
    assert number in listed(), f"add RFC {number} ({cited()[number]}) to docs/rfc.md"


def test_the_sections_of_the_rules_are_the_reasons_in_order() -> None:
    sections = re.findall(
        r"^## ([a-z-]+)$", (ROOT / "docs/rules.md").read_text("utf-8"), re.MULTILINE
    )
    assert sections == [str(reason) for reason in Reason]
