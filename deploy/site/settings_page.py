"""The reference of the settings, `docs/settings.md`, from the fields of `stream/settings.py`."""

import json
from collections.abc import Iterator

from pydantic.fields import FieldInfo

from stream.settings import PREFIX, UNITS, Settings

FILE = "settings.md"
_INTRODUCTION = """\
# Settings

Written by `make docs-pages` from the fields of `stream/settings.py`.

Every setting is an environment variable; in `sixfold.toml` its key is the name in small letters without `SIXFOLD_`. The
first of these that has it wins, whole: the environment, `.env` of the current directory, `sixfold.toml` of the current
directory, `sixfold.toml` of the data directory, the default. `sixfold settings` shows what is set, and where. Lists
have commas between their entries; maps are JSON objects, or tables in a TOML file. Values of those marked secret are
never printed.

A secret may stand in a file: its setting ends in `_FILE`, and the file has the secret alone. One source that gives both
is refused, of two the first wins; a file that is empty or cannot be read is an error.

| variable | default | meaning |
| --- | --- | --- |"""


def render() -> str:
    """The whole page."""
    return "\n".join((_INTRODUCTION, *_rows())) + "\n"


def _rows() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        secret = " (secret)" if name in Settings.SECRET else ""
        meaning = (field.description or "").replace("|", "\\|").replace("<", "&lt;")
        yield f"| `{PREFIX}{name.upper()}` | {_default(name, field)} | {meaning}{secret} |"


def _default(name: str, field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "the host's and the process's own"
    value = field.get_default(call_default_factory=True, validated_data={})
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if name == "stage_probability":
        value = {stage: units / UNITS for stage, units in value.items()}
    if value is None or value in ("", (), {}):
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    if isinstance(value, dict):
        return f"`{json.dumps(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
