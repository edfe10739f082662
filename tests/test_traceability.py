"""Every line of the specification has a test."""

from tests.support.traceability import SPECIFICATION, TABLE, proofs, requirements, table

OWED = requirements(SPECIFICATION.read_text(encoding="utf-8"))


def test_the_whole_specification_is_read() -> None:
    kinds = [identifier.rpartition("-")[0].rstrip("0123456789") for identifier in OWED if "EDGE" not in identifier]
    assert {kind: kinds.count(kind) for kind in kinds} == {"US": 23, "FR": 42, "SC": 20, "NFR": 27}
    assert sum(identifier.startswith("EDGE-") for identifier in OWED) == 10


def test_every_requirement_has_a_test_and_the_table_is_up_to_date() -> None:
    proven = proofs()

    assert [identifier for identifier in OWED if identifier not in proven] == []
    assert {identifier: tests for identifier, tests in proven.items() if identifier not in OWED} == {}
    assert TABLE.read_text(encoding="utf-8") == table(OWED, proven), "run `make traceability`"
