"""The forms of the admin server's paths, each written once. Pure.

Tested by the tests of who reads paths, such as `tests/admin/api/test_middleware.py`,
`tests/admin/console/test_api_page.py` and `test_open_forms.py`.
"""

from __future__ import annotations

import re
from typing import Final

VERSION: Final = "v1|v2-beta"
"""The versions of the API, as part of a pattern."""
OF_API: Final = rf"/(?:{VERSION})(?:/.*)?"
"""A path of the API, as part of a pattern."""
OF_COLLECTION: Final = rf"/(?:{VERSION})(?:/[A-Za-z0-9_-]+)+"
"""A path of a collection or a resource of the API, without a final slash, as part of a pattern."""
ID: Final = "[0-9][0-9a-z]*"
"""What every id of a resource looks like, as part of a pattern."""

is_of_api: Final = re.compile(OF_API, re.DOTALL).fullmatch
"""Whether a path is one of the API."""
