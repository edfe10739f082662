import pytest

pytest.register_assert_rewrite("tests.load.mixed_session")  # so that a failing assertion there tells what it compared
