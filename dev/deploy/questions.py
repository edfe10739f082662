"""What a deployment asks its operator, and what it refuses where there is no terminal, so that it never waits."""

import os
import sys
from dataclasses import dataclass
from getpass import getpass

from botocore.session import Session

from dev.deploy.target import Target
from dev.user_error import UserError


@dataclass(frozen=True)
class Questions:
    """Whether questions are answered."""

    are_answered: bool
    """There is a terminal, and no pipeline (CI=true)."""
    is_confirmed: bool
    """The operator has agreed to the change before it started (`CONFIRMED=yes`)."""

    @classmethod
    def here(cls, *, is_confirmed: bool) -> "Questions":
        """What holds for this process."""
        in_pipeline = os.environ.get("CI", "").lower() not in ("", "0", "false")
        return cls(sys.stdin.isatty() and not in_pipeline, is_confirmed)

    def refuse_unanswered(self, target: Target) -> None:
        """Refuse a deployment that would ask something, where an answer cannot come.

        :raises UserError: it says what would be asked, and how to answer it beforehand
        """
        if self.are_answered:
            return
        where = f"[{target.section}] in samconfig.toml asks"
        why = "there is no terminal to answer on, or CI is set"
        if target.guided:
            raise UserError(f"{where} for everything (guided), and {why}; remove that line")
        if target.confirms and not self.is_confirmed:
            raise UserError(
                f"{where} before it changes anything (confirm_changeset), and {why}; "
                "when the change is agreed to, say so: make deploy CONFIRMED=yes"
            )
        if Session(profile=target.profile).get_scoped_config().get("mfa_serial"):
            raise UserError(
                f"The AWS profile asks for a one-time code (mfa_serial), and {why}; use one that does not, "
                "for example a role that the pipeline assumes"
            )
        self.owner_url()

    def owner_url(self) -> str:
        """The owner's connection string, from the environment or typed in.

        `.env` is not read: it describes the database of this machine.
        """
        url = os.environ.get("DATABASE_DIRECT_URL", "")
        if not url and self.are_answered:
            url = getpass("  The owner's connection string, without -pooler (it is not shown): ")
        if not url:
            raise UserError("Set DATABASE_DIRECT_URL to the owner's connection string, without -pooler")
        return url
