"""The panel's words: complete in each language, none guessed, French as French is written."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from repondeur.hosting.errors import TEMPLATES

ROOT = Path(__file__).parents[2]
CATALOGUES = sorted((ROOT / "src/repondeur/panel/locale").glob("*/LC_MESSAGES/django.po"))
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
# A mark that French parts from its word, after a plain space or none. Not in addresses, times,
# header names and code.
BARE_MARK = re.compile(r"(?<=[\w»)%]) [;:?!»](?!\w)|« (?=\w)|\w[;?!](?= |$)")


def tool() -> ModuleType:
    """tools/messages, which has no .py in its name."""
    loader = SourceFileLoader("messages_tool", str(ROOT / "tools/messages"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def messages() -> ModuleType:
    return tool()


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_nothing_is_missing_fuzzy_or_left_over(messages: ModuleType, path: Path) -> None:
    catalog = messages.read(path)
    assert messages.missing(catalog) == []
    wanted = {(one.context, one.id) for one in messages.template() if one.id}
    assert {(one.context, one.id) for one in catalog if one.id} == wanted, "run tools/messages"


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_what_is_compiled_is_what_is_written(messages: ModuleType, path: Path) -> None:
    assert path.with_suffix(".mo").read_bytes() == messages.compiled(messages.read(path))


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_placeholders_are_kept(messages: ModuleType, path: Path) -> None:
    for one in messages.read(path):
        if not one.id:
            continue
        ids = one.id if isinstance(one.id, tuple) else (one.id,)
        strings = one.string if isinstance(one.string, tuple) else (one.string,)
        known = {name for text in ids for name in PLACEHOLDER.findall(text)}
        for text in strings:
            assert set(PLACEHOLDER.findall(text)) <= known, text
        assert {name for text in strings for name in PLACEHOLDER.findall(text)} == known, ids


def test_a_missing_and_a_fuzzy_message_are_found(messages: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "fr" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    path.write_text(
        'msgid "one"\nmsgstr "un"\n\nmsgid "two"\nmsgstr ""\n\n#, fuzzy\nmsgid "three"\n'
        'msgstr "trois"\n',
        "utf-8",
    )
    assert messages.missing(messages.read(path)) == ["two", "three"]


def test_french_marks_stand_after_a_space_that_does_not_break(messages: ModuleType) -> None:
    path = next(path for path in CATALOGUES if path.parts[-3] == "fr")
    for one in messages.read(path):
        if not one.id:
            continue
        for text in one.string if isinstance(one.string, tuple) else (one.string,):
            assert not BARE_MARK.search(text), text
            assert "'" not in text, text  # the apostrophe is ’
            assert "..." not in text, text


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Quand ?", True),
        ("Quand\u202f?", False),
        ("Quand?", True),
        ("« oui\u00a0»", True),
        ("«\u00a0oui\u00a0»", False),
        ("ainsi : 18:30", True),
        ("ainsi\u00a0: 18:30", False),
    ],
)
def test_the_check_of_french_marks(text: str, bare: bool) -> None:
    assert bool(BARE_MARK.search(text)) is bare


def test_each_error_of_the_service_layer_has_its_sentence() -> None:
    from tests.database import configure

    configure()
    from repondeur.panel.sentences import SENTENCES

    assert set(SENTENCES) == set(TEMPLATES)
