import pytest

pytest.register_assert_rewrite("tests.load.mixed_session")  # a failing assertion there shows what it compared
