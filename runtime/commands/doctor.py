"""`toolkit doctor`: environment check; exits with 1 where a finding is not well."""

from __future__ import annotations

import click

from runtime.commands.options import json_option
from runtime.commands.printable import print_json, print_lines, print_text

__all__ = ["doctor"]


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """What can run here, what is missing, and how to get it."""
    from runtime.console import table
    from runtime.session.doctor import examine

    found = examine()
    if as_json:
        print_json([finding.to_dict() for finding in found])
    else:
        rows = [("ok" if finding.well else "!!", finding.subject, finding.state) for finding in found]
        print_text(table(("", "what", "state"), rows))
        for finding in found:
            if finding.remedy:
                print_lines(f"{finding.subject}: {finding.remedy}")
    if not all(finding.well for finding in found):
        raise click.exceptions.Exit(1)
