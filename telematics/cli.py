"""`telematics`: one command that puts everything together. Each subcommand lives in `telematics/commands/`."""

import typer

from telematics.commands import billing, dead_letters, user
from telematics.commands.decode import decode
from telematics.commands.demo import demo
from telematics.commands.detect import detect
from telematics.commands.doctor import doctor
from telematics.commands.replay import replay
from telematics.commands.serve import serve
from telematics.commands.simulate import simulate

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
    help="Fleet telematics and GPS monitoring server.",
)
app.command()(serve)
app.command()(demo)
app.command()(decode)
app.command()(detect)
app.command()(simulate)
app.command()(replay)
app.command()(doctor)
app.add_typer(user.app, name="user")
app.add_typer(billing.app, name="billing")
app.add_typer(dead_letters.app, name="dead-letters")


@app.callback()
def main_options() -> None:
    """Fleet telematics and GPS monitoring server."""


def main() -> None:
    app()
