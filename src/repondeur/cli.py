"""The `repondeur` program: finds the command, and turns errors into lines and exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from repondeur import __version__
from repondeur.commands.common import Failure, Session, explained

# name -> module of repondeur.commands that has it; imported only when it is asked for.
COMMANDS = {
    "demo": "service",
    "serve": "service",
    "customer": "customer",
    "domain": "domain",
    "mailbox": "mailbox",
    "responder": "responder",
    "export": "importing",
    "import": "importing",
    "directory": "directory",
    "application": "access",
    "credential": "access",
    "explain": "explain",
    "journal": "journal",
    "config": "service",
    "migrate": "service",
    "postfix": "postfix",
    "doctor": "doctor",
    "backup": "backup",
    "restore": "backup",
    "db": "db",
    "completion": "service",
}


class Program(click.Group):
    """A group whose commands are imported when they are asked for: `--help` stays quick."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"repondeur.commands.{COMMANDS[cmd_name]}")
        found: click.Command = module.COMMANDS[cmd_name]
        return found


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="repondeur")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="Settings file; ./repondeur.toml or /etc/repondeur/repondeur.toml by default.",
)
@click.pass_context
def program(ctx: click.Context, config_file: Path | None) -> None:
    """The autoresponder service for mail hosters."""
    ctx.obj = Session(config_file)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 failed, 2 misused."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run a command; its exit code. Errors are one line each on standard error."""
    given = sys.argv[1:] if arguments is None else arguments
    for before, argument in zip(["", *given], given, strict=False):
        wrong = _not_utf8(before, argument)
        if wrong is not None:
            return _tell(wrong)
    try:
        result: Any = program.main(arguments, prog_name="repondeur", standalone_mode=False)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.Abort:
        print("stopped", file=sys.stderr)  # noqa: T201 (what a command has to say)
        return 1
    except click.ClickException as error:
        error.show()
        return 2
    except BrokenPipeError:  # the reader of a listing has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        failure = explained(error)
        if failure is None:
            raise
        return _tell(failure)
    return result if isinstance(result, int) else 0


def _not_utf8(before: str, argument: str) -> Failure | None:
    """What is wrong with an argument that no database and no mail can hold.

    A file's name may have any octets (os.fsdecode gives them as lone surrogates).
    """
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        if os.path.lexists(argument):
            return None
        name, equals, _ = argument.partition("=")
        option = name if equals and name.startswith("--") else before
        field = option if option.startswith("--") else "argument"
        octet = ord(argument[error.start]) & 0xFF
        place = len(os.fsencode(argument[: error.start]))
        words = f"{field}: found byte 0x{octet:02x} at offset {place}; accepted: UTF-8"
        return Failure([words], 2)
    return None


def _tell(failure: Failure) -> int:
    for line in failure.lines:
        click.echo(f"repondeur: {line}", err=True)
    return failure.status
