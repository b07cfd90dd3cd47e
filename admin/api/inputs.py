"""What the bodies of actions hold: schemas of their own, which those of resources name as `input`.

Pure data. Tested in `tests/admin/api/test_schema_json.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from admin.api.schemas import IMPORT, KEY, Field, Kind, Schema

_NO_ID: Final = re.compile("(?!)")


def _input(name: str, fields: Mapping[str, Field]) -> Schema:
    return Schema(name, f"{name.lower()}s", name, _NO_ID, fields, change_methods=frozenset())


ROTATE: Final = _input(
    "rotateInput",
    {name: Field(create=True, nullable=False) for name in ("overlap", "finishWhenQuiet")},
)
EXPLAIN: Final = _input(
    "explainInput",
    {
        "path": Field(create=True, required=True, nullable=False),
        "method": Field(create=True, nullable=False, default="GET"),
        "origin": Field(create=True, nullable=False),
        "address": Field(create=True, nullable=False, max_length=45),
    },
)
FORGET: Final = _input(
    "forgetInput", {"dead": Field(Kind.BOOLEAN, create=True, nullable=False, default="false")}
)
_IMPORT: Final = _input(
    "importInput", IMPORT | {name: field for name, field in KEY.fields.items() if field.create}
)

INPUTS: Final[Mapping[str, Schema]] = {
    "rotate": ROTATE,
    "explain": EXPLAIN,
    "forget": FORGET,
    "import": _IMPORT,
}
"""Action → what its body holds. The bodies of other actions are empty."""
