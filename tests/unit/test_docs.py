"""Every command, option and setting is documented."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from repondeur.cli import program
from repondeur.config import SETTINGS, Setting

DOCS = Path(__file__).parents[2] / "docs"


def commands(group: click.Group, path: str = "repondeur") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def section(text: str, heading: str) -> str:
    """The part of a document under `heading`, up to the next heading of any level."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.lstrip("#").strip().strip("`") == heading:
            break
    else:
        return ""
    body = []
    for line in lines:
        if line.startswith("#"):
            break
        body.append(line)
    return "\n".join(body)


@pytest.mark.parametrize(("path", "command"), list(commands(program)))
def test_command_is_documented(path: str, command: click.Command) -> None:
    body = section((DOCS / "commands.md").read_text("utf-8"), path)
    assert body, f"docs/commands.md has no heading `{path}`"
    for parameter in command.params:
        named = isinstance(parameter, click.Option)
        names = parameter.opts if named else [parameter.human_readable_name]
        for name in names + parameter.secondary_opts:
            assert f"`{name}" in body or f"{name} " in body or f"{name}`" in body, name


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_setting_is_documented(setting: Setting) -> None:
    text = (DOCS / "settings.md").read_text("utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{setting.variable}`"))
    assert setting.default in row
    assert setting.help in row
