"""What a test does when a program that it needs is missing."""

import os
from typing import NoReturn

import pytest


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test; in CI, fail it.

    :param reason: what is missing, how to install it, and what is not tested without it
    """
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
