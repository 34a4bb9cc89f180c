"""The command line, `toolkit COMMAND`: a table of contents. A command's module is imported when the command is called."""

from __future__ import annotations

import errno
import gc
from importlib import import_module
from typing import Any

import click

from runtime.errors import ToolkitError

# Group in `--help` -> command -> (its module, which has it by the same name; the first sentence of its help).
CONTENTS = {
    "Train": {
        "train": (
            "toolkit.commands.train",
            "Train a network on pictures, a table or texts: from options, from RUN.toml, or from both.",
        ),
        "data": ("toolkit.commands.data", "Look at data before training on it."),
        "demo": (
            "toolkit.commands.demo",
            "The whole road on real data in a minute: train, export, verify, predict, embed, search, report.",
        ),
    },
    "Export": {
        "export": (
            "exporters.commands.export",
            "Turn a checkpoint, or any torch network, into one verified ONNX file.",
        ),
        "check": ("exporters.commands.check", "Compare any two: ONNX file, checkpoint, weights, program."),
    },
    "Run": {
        "predict": (
            "runtime.commands.predict",
            "Predict pictures, the rows of a table, texts (one a line), or sequences.",
        ),
        "bench": ("runtime.commands.bench", "Measure latency, throughput and memory on random inputs."),
    },
    "Search": {
        "embed": ("runtime.commands.embed", "Embed pictures into an index for `toolkit search`."),
        "search": ("runtime.commands.search", "Find the pictures of an index that are most like a picture."),
        "similarity": ("runtime.commands.similarity", "How alike two pictures are, by every measure."),
    },
    "Look": {
        "info": (
            "runtime.commands.info",
            "What an ONNX file or a checkpoint says of itself, what it holds and costs, and what is odd about it.",
        ),
        "doctor": ("runtime.commands.doctor", "What can run here, what is missing, and how to get it."),
    },
}

# What commands of the lowest floor use of the floors above it: module:function.
ABOVE = {
    "describe_checkpoint": "toolkit.training.checkpoints.describe:describe_checkpoint",
    "add_inspection": "exporters.inspecting.inspection:add_inspection",
}

SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True, "obj": ABOVE}


class Contents(click.Group):
    """Lazy click group: `commands` holds one `--help` line per command, without its module."""

    def __init__(self, **settings: Any) -> None:
        lines = {name: line for entries in CONTENTS.values() for name, (_, line) in entries.items()}
        super().__init__(**settings, commands={name: click.Command(name, help=line) for name, line in lines.items()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command from its module; None for a name that is not in the table."""
        for entries in CONTENTS.values():
            if cmd_name in entries:
                command: click.Command = getattr(import_module(entries[cmd_name][0]), cmd_name)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in their groups, one line each; a group without commands is left out."""
        widest = max(map(len, self.commands))
        room = formatter.width - 6 - widest
        for heading, entries in CONTENTS.items():
            if entries:
                with formatter.section(heading):
                    lines = [(name.ljust(widest), self.commands[name].get_short_help_str(room)) for name in entries]
                    formatter.write_dl(lines)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. A ToolkitError is printed as one paragraph, without a traceback; the exit code is the error's."""
        from runtime.commands.printable import print_error, print_in_any_encoding
        from runtime.console import one_line

        # A command imports much when it runs: many objects, no garbage. Looking for it after every 700 takes up to a tenth more.
        gc.set_threshold(50_000, 20, 20)
        print_in_any_encoding()
        try:
            return super().invoke(ctx)
        except ToolkitError as error:
            table = getattr(error, "table", "")
            print_error(f"Error: {str(error).removesuffix(table)}".rstrip(), table)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            print_error("Stopped.")
            ctx.exit(130)
        except OSError as error:  # of a file that the system refuses, such as one of a name that is too long
            if error.errno == errno.EPIPE or error.filename is None:
                raise
            print_error(f"Error: {error.filename} cannot be used: {error.strerror}. Name another file or folder.")
            ctx.exit(ToolkitError.exit_code)
        except click.ClickException as error:  # names what was given
            vars(error)["message"] = one_line(error.message.replace("\n", " "))
            raise


@click.group(cls=Contents, context_settings=SETTINGS)
@click.version_option(package_name="onnx-edge-toolkit", prog_name="toolkit")
def main() -> None:
    """Train a small model, turn it into one verified ONNX file, and run it anywhere without torch."""


if __name__ == "__main__":
    main()
