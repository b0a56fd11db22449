"""`sixfold settings`."""

import os

from rich.text import Text

from stream.commands.output import AsJson, Rows, stderr, stdout, table_of, write_json
from stream.settings import PREFIX, Settings, unknown_variables


def settings(*, as_json: AsJson = False) -> int:
    """Show every setting, its value and where it comes from. Passwords are masked.

    Examples: `sixfold settings`, `sixfold settings --json`

    Parameters
    ----------
    as_json
        Print JSON: {setting: {"value", "origin"}}.

    """
    found = Settings()
    values, origins = found.shown(), found.origins()
    warn_of_unknown_variables()
    if as_json:
        write_json({name: {"value": value, "origin": origins[name]} for name, value in values.items()})
        return 0
    rows = [
        [f"{PREFIX}{name.upper()}", _text(value), origins[name], Settings.model_fields[name].description]
        for name, value in values.items()
    ]
    stdout().print(table_of(Rows(["setting", "value", "origin", "meaning"], ["String"] * 4, rows)))
    return 0


def warn_of_unknown_variables() -> None:
    """Say on stderr which variables look like settings and are none: a typo would go unseen."""
    for name, near in unknown_variables(os.environ).items():
        if near:
            stderr().print(Text(f"sixfold: {name} is no setting; did you mean {near}?"))


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items())
    return "" if value is None else str(value)
