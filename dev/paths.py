"""The folders of this checkout that several programs use."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
LOCAL_DATA = CHECKOUT / ".data"
"""The databases and secrets of `make start` and `sam local start-api`; `make clean-data` removes it."""
