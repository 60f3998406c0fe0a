"""HTML of messages as plain text, and the other way."""

from __future__ import annotations

import pytest

from repondeur.hosting.markup import from_text, plain_text, sanitised


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("<p>Bonjour,</p><p>à <strong>lundi</strong>.</p>", "Bonjour,\n\nà lundi."),
        ("<p>one<br>two</p>", "one\ntwo"),
        ("<p>one</p>\n  <p>two\n  three</p>\n", "one\n\ntwo three"),
        ("<p>for:</p><ul><li>a</li><li><p>b</p></li></ul><p>end</p>", "for:\n\n- a\n- b\n\nend"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b"),
        ("<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>", "- a\n  1. b\n- c"),
        ('<p><a href="https://x.org/a">our page</a>.</p>', "our page <https://x.org/a>."),
        ('<p><a href="https://x.org/">https://x.org/</a></p>', "https://x.org/"),
        ('<p><a href="mailto:a@x.org">a@x.org</a></p>', "a@x.org"),
        ("<p>1 &lt; 2 &amp;&nbsp;3 {{end}}</p>", "1 < 2 &\xa03 {{end}}"),
        ("<p>a</p><p><br></p><p><br></p><p>b</p>", "a\n\nb"),
        ("<h1>Away</h1>until Monday<script>x</script>", "Away\n\nuntil Monday"),
        (
            "<div>one</div><div>two <b>three</b></div><hr><h4>four</h4>five",
            "one\ntwo three\n\nfour\n\nfive",
        ),
        ("<div>a<p>b</p></div>c", "a\n\nb\n\nc"),
        ("<table><tr><th>Mon</th><td>away</td></tr><tr><td>Tue</td></tr></table>", "Mon away\nTue"),
        ("</li></ul></a>b", "b"),
        ("<ul>" * 30 + "<li>deep</li>", " " * 14 + "- deep"),
    ],
)
def test_the_words_of_a_message(html: str, text: str) -> None:
    assert plain_text(html) == text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        (" \n", ""),
        ("a\r\nb\n\n\nc", "<p>a<br>b</p><p>c</p>"),
        ("1 < 2 & {{end}}", "<p>1 &lt; 2 &amp; {{end}}</p>"),
    ],
)
def test_text_as_html_keeps_its_words(text: str, html: str) -> None:
    assert from_text(text) == html == sanitised(html)
    assert plain_text(html).split() == text.split()


def test_bold_lines_and_tables_of_other_editors_stay() -> None:
    """Only the tags of the panel's own editor stayed: <b> was lost, and lines in <div> ran
    together."""
    html = "<div>one</div><div><b>two</b> <i>three</i></div><table><tr><td>a</td></tr></table>"
    kept = sanitised(html)
    assert kept.replace("<tbody>", "").replace("</tbody>", "") == html
    assert sanitised(f'<div style="x" onclick="y">{html}</div><img src="https://x.org/t.gif">') == (
        f"<div>{kept}</div>"
    )
