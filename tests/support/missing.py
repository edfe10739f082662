"""What a test does without a program that it needs."""

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the test; in CI, where nothing may be left out, fail it.

    :param reason: what is missing, how to install it, and what is not tested without it
    """
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
