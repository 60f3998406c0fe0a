"""A whole message from octets to decision and reply: what must make no difference makes none."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from repondeur.mail.read import read
from repondeur.mail.reply import compose
from repondeur.rules.decide import decide
from repondeur.rules.model import Decision, Envelope, Policy, Responder

T = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)
ALICE = Responder(3, 7, "alice@a.example", owned=("alice@a.example",), text="{{subject}}")
ENVELOPE = Envelope("bob@b.example", "alice@a.example")
POLICY = Policy(authserv_id="mx.a.example")
# One of each name, for fields of one name do have an order.
FIELDS = (
    "From: Bob <bob@b.example>",
    "To: Carol <carol@c.example>, alice+x@a.example",
    "Subject: =?utf-8?q?=C3=89t=C3=A9?= and more of it",
    "Message-ID: <1@b.example>",
    "References: <2@b.example> <3@b.example>",
    "Reply-To: \"Bob, at home\" <bob@home.example>",
    "Auto-Submitted: auto-replied (vacation)",
    "X-Auto-Response-Suppress: DR, OOF",
    "List-Id: <staff.a.example>",
    "Precedence: bulk",
    "X-Loop: alice@a.example",
    "Content-Type: multipart/report; report-type=delivery-status; boundary=x",
    "X-Spam-Flag: YES",
    "Authentication-Results: mx.a.example; dmarc=fail",
    "X-Mailer: PHPMailer 6.9",
    "Errors-To: <bob@b.example>",
    "X-Mandrill-User: md_7",
    "User-Agent: Mozilla Thunderbird",
)  # fmt: skip
chosen = st.lists(st.sampled_from(FIELDS[4:]), unique=True).map(lambda some: [*FIELDS[:4], *some])


def _judged(lines: list[str], line_end: str) -> tuple[Decision, bytes]:
    text = "\r\n".join([*lines, "", "Please do not reply.", ""])
    head = read(text.replace("\r\n", line_end).encode())
    made = compose(ENVELOPE, head, ALICE, ALICE.address, T, "<1@b.example>")
    return decide(ENVELOPE, head, ALICE, POLICY, T), made.data


@settings(max_examples=200, deadline=None)
@given(chosen, st.data())
def test_order_case_folding_and_line_ends_make_no_difference(
    lines: list[str], data: st.DataObject
) -> None:
    changed = []
    for line in data.draw(st.permutations(lines)):
        name, _, value = line.partition(": ")
        name = data.draw(st.sampled_from([name, name.upper(), name.lower(), f"{name} "]))
        # RFC 5322 §2.2.3: a line may be folded at white space.
        fold = data.draw(st.sampled_from([" ", "\r\n "]))
        changed.append(f"{name}: {value.replace(' ', fold)}")
    line_end = data.draw(st.sampled_from(["\r\n", "\n"]))
    assert _judged(changed, line_end) == _judged(lines, "\r\n")
