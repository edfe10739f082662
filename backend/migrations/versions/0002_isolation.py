"""Roles, row level security, triggers

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLES = ("todo_auth", "todo_user")


def upgrade() -> None:
    """Make PostgreSQL itself restrict each user to their own tasks.

    Every transaction starts with the role `todo_auth`, which reaches accounts and sign-ins. The check of the sign-in
    switches to the role `todo_user`, which reaches the tasks of the user in `app.user_id`. Neither role can log in.
    """
    for role in ROLES:
        # Roles belong to the whole cluster: another database may have made them already.
        op.execute(f"""
            do $$ begin
                create role {role} nologin noinherit;
            exception when duplicate_object or unique_violation then null;
            end $$
        """)
        op.execute(f"grant usage on schema public to {role}")
    op.execute("grant todo_auth, todo_user to current_user with inherit false, set true")

    op.execute("grant select, insert on users to todo_auth")
    op.execute("grant update (password_hash) on users to todo_auth")
    op.execute("grant select, insert, update, delete on refresh_tokens, rate_limits to todo_auth")

    op.execute("grant select, delete on tasks to todo_user")
    op.execute("grant insert (title, description, user_id) on tasks to todo_user")
    op.execute("grant update (title, description, completed, version) on tasks to todo_user")
    op.execute("alter table tasks enable row level security")
    op.execute("""
        create policy own_tasks on tasks to todo_user
        using (user_id = nullif(current_setting('app.user_id', true), '')::uuid)
        with check (user_id = nullif(current_setting('app.user_id', true), '')::uuid)
    """)

    op.execute("""
        create function set_updated_at() returns trigger language plpgsql as $$
        begin
            new.updated_at := clock_timestamp();
            return new;
        end $$
    """)
    for table in ("users", "tasks"):
        op.execute(f"""
            create trigger {table}_set_updated_at before update on {table}
            for each row execute function set_updated_at()
        """)

    # A statement inside this function sees what was committed before it began; the statement around the function does
    # not. So the count is exact even when other transactions insert at the same time. Far from the limit no transaction
    # waits for the lock: a thousand is more than Lambda runs at once.
    op.execute("""
        create function has_room_for_task(tasks_per_user integer) returns boolean language plpgsql volatile as $$
        declare
            owner constant uuid := nullif(current_setting('app.user_id', true), '')::uuid;
        begin
            if (select count(*) from tasks where user_id = owner) < tasks_per_user - 1000 then
                return true;
            end if;
            perform pg_advisory_xact_lock(hashtextextended(owner::text, 0));
            return (select count(*) from tasks where user_id = owner) < tasks_per_user;
        end $$
    """)


def downgrade() -> None:
    """Undo everything except the roles, which other databases of the cluster may use."""
    op.execute("drop function has_room_for_task(integer)")
    for table in ("users", "tasks"):
        op.execute(f"drop trigger {table}_set_updated_at on {table}")
    op.execute("drop function set_updated_at()")
    op.execute("drop policy own_tasks on tasks")
    op.execute("alter table tasks disable row level security")
    op.execute("revoke all on users, tasks, refresh_tokens, rate_limits from todo_auth, todo_user")
    op.execute("revoke all (title, description, user_id, completed, version) on tasks from todo_user")
    op.execute("revoke all (password_hash) on users from todo_auth")
    op.execute("revoke usage on schema public from todo_auth, todo_user")
