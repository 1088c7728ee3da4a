"""What every adapter, vault and queue must do. The checks of adapters explain their failures."""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("declared", "reading", "writing", "faulty"))
)
