"""Random sign-ups, sign-ins and task operations of several users, compared with a simple model."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.conftest import NO_LIMITS, MakeClient
from tests.support.people import PASSWORD, Person

titles = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20).map("{}.".format)  # "." can be seen
descriptions = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
changes = st.fixed_dictionaries(
    {}, optional={"title": titles, "description": descriptions, "completed": st.booleans()}
).filter(bool)


@dataclass
class Account:
    """The model of a user: their sign-ins, and their tasks in order."""

    sign_ins: list[Person]
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)


class TodoMachine(RuleBasedStateMachine):
    """Each step does the same to the API and to the model. After it, all lists must be those of the model."""

    http: httpx2.Client
    accounts = Bundle("accounts")
    task_ids = Bundle("task_ids")

    def __init__(self) -> None:
        super().__init__()
        self.all_accounts: list[Account] = []
        self.versions: dict[str, int] = {}

    @initialize(target=accounts)
    def two_people(self) -> Any:
        return multiple(self._new_account(), self._new_account())

    @initialize(target=task_ids)
    def an_unknown_id(self) -> str:
        return str(uuid4())

    @rule(target=accounts)
    def sign_up(self) -> Account:
        return self._new_account()

    @rule(account=accounts)
    def sign_up_again(self, account: Account) -> None:
        body = {"email": account.sign_ins[0].email, "password": "another password"}

        assert self.http.post("/api/auth/signup", json=body).status_code == 409

    @rule(account=accounts)
    def sign_in(self, account: Account) -> None:
        account.sign_ins.append(account.sign_ins[0].sign_in_again())

    @rule(account=accounts)
    def sign_in_with_a_wrong_password(self, account: Account) -> None:
        body = {"email": account.sign_ins[0].email, "password": PASSWORD + "!"}

        assert self.http.post("/api/auth/signin", json=body).status_code == 401

    @rule(target=task_ids, account=accounts, title=titles, description=descriptions, data=st.data())
    def create(self, account: Account, title: str, description: str | None, data: st.DataObject) -> str:
        task = self._any_device(account, data).create_task(title, description=description)

        assert task["title"] == title.strip()
        assert task["description"] == (description or None)
        assert task["completed"] is False
        assert task["user_id"] == account.sign_ins[0].id
        account.tasks[task["id"]] = task
        self.versions[task["id"]] = 1
        return str(task["id"])

    @rule(account=accounts, task_id=task_ids, data=st.data())
    def get(self, account: Account, task_id: str, data: st.DataObject) -> None:
        response = self._any_device(account, data).get(f"/api/tasks/{task_id}")

        if self._has_task(account, task_id, response):
            assert response.json() == account.tasks[task_id]
            assert response.headers["ETag"] == f'"{self.versions[task_id]}"'

    @rule(account=accounts, task_id=task_ids, change=changes, data=st.data())
    def edit(self, account: Account, task_id: str, change: dict[str, Any], data: st.DataObject) -> None:
        response = self._any_device(account, data).put(f"/api/tasks/{task_id}", json=change)

        if self._has_task(account, task_id, response):
            expected = account.tasks[task_id] | change
            expected |= {"title": expected["title"].strip(), "description": expected["description"] or None}
            self._changed(account, task_id, expected, response)

    @rule(account=accounts, task_id=task_ids, data=st.data())
    def toggle(self, account: Account, task_id: str, data: st.DataObject) -> None:
        response = self._any_device(account, data).patch(f"/api/tasks/{task_id}/toggle")

        if self._has_task(account, task_id, response):
            task = account.tasks[task_id]
            self._changed(account, task_id, task | {"completed": not task["completed"]}, response)

    @rule(account=accounts, task_id=task_ids, data=st.data())
    def change_an_older_version(self, account: Account, task_id: str, data: st.DataObject) -> None:
        older = {"If-Match": f'"{self.versions.get(task_id, 1) - 1}"'}
        response = self._any_device(account, data).put(f"/api/tasks/{task_id}", json={"title": "x"}, headers=older)

        assert response.status_code == (412 if task_id in account.tasks else 404)

    @rule(account=accounts, task_id=task_ids, data=st.data())
    def delete(self, account: Account, task_id: str, data: st.DataObject) -> None:
        response = self._any_device(account, data).delete(f"/api/tasks/{task_id}")

        if self._has_task(account, task_id, response, success=204):
            del account.tasks[task_id]

    @invariant()
    def every_account_has_the_tasks_of_the_model_in_order(self) -> None:
        for account in self.all_accounts:
            assert account.sign_ins[-1].tasks() == list(account.tasks.values())

    def _new_account(self) -> Account:
        account = Account([Person.sign_up(self.http)])
        self.all_accounts.append(account)
        return account

    def _any_device(self, account: Account, data: st.DataObject) -> Person:
        """One of the devices on which the user has signed in."""
        return data.draw(st.sampled_from(account.sign_ins))

    def _has_task(self, account: Account, task_id: str, response: httpx2.Response, success: int = 200) -> bool:
        """Whether the task is this user's. The answer must agree."""
        is_there = task_id in account.tasks
        assert response.status_code == (success if is_there else 404)
        return is_there

    def _changed(self, account: Account, task_id: str, expected: dict[str, Any], response: httpx2.Response) -> None:
        changed = response.json()
        assert changed["updated_at"] > expected["updated_at"]
        assert changed == expected | {"updated_at": changed["updated_at"]}
        account.tasks[task_id] = changed
        self.versions[task_id] += 1


@pytest.mark.spec("FR-014", "FR-019", "FR-023", "SC-003", "US2-4", "US2-8")
def test_users_see_exactly_their_own_tasks_whatever_they_do(make_client: MakeClient) -> None:
    client = make_client(**NO_LIMITS)

    class Machine(TodoMachine):
        http = client

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
