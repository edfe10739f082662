"""Totals of each user's tasks: their number, and their size in a list

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TRIGGERS = {
    "inserted": "after insert on tasks referencing new table as added",
    "updated": "after update on tasks referencing new table as added old table as removed",
    "deleted": "after delete on tasks referencing old table as removed",
    "truncated": "after truncate on tasks",
}


def upgrade() -> None:
    """Count what every user has stored, and keep the count exact from now on.

    The version before does not know the table, and works: the triggers count its writes too. It still calls
    `has_room_for_task`, so that stays.

    Writes of tasks, sign-ups and deletions of accounts wait until this migration has committed: about three seconds
    for a million tasks.
    """
    # Nothing may be written between the counting and the first trigger. Users come first, because the deletion of an
    # account locks them first as well: in another order the two could wait for each other.
    op.execute("lock table users, tasks in share row exclusive mode")
    op.create_table(
        "task_totals",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("tasks", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_task_totals"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_task_totals_user_id_users", ondelete="CASCADE"),
        postgresql_with={"fillfactor": 70},  # every create changes a row: with room beside it, no index changes
    )
    op.execute("alter table task_totals enable row level security")  # no policy: a grant by mistake shows no row

    # 223 bytes are the names of the members, the two ids, the two times, `false` and the comma behind the task. `true`
    # is shorter than `false`: if it counted less, a toggle could exceed the limit.
    op.execute("""
        create function task_bytes(title text, description text) returns bigint language sql stable as $$
            select 223 + octet_length(to_json(title)::text) + coalesce(octet_length(to_json(description)::text), 4)
        $$
    """)

    # It runs with the rights of the owner, because the application's roles may not write to `task_totals`. It locks a
    # user's totals after the tasks themselves, and users in the order of their ids, so that two statements cannot wait
    # for each other. Only growth is refused: a database may hold more than a limit that was set later.
    op.execute("""
        create function count_tasks() returns trigger
        language plpgsql security definer set search_path = public, pg_temp as $$
        declare
            changes task_totals[];
            change task_totals;
            total task_totals;
        begin
            if tg_op = 'INSERT' then
                changes := array(
                    select row(user_id, count(*), sum(task_bytes(title, description)))::task_totals
                    from added group by user_id order by user_id
                );
            elsif tg_op = 'UPDATE' then
                changes := array(
                    select row(user_id, sum(tasks), sum(bytes))::task_totals
                    from (
                        select user_id, 1 as tasks, task_bytes(title, description) as bytes from added
                        union all
                        select user_id, -1, -task_bytes(title, description) from removed
                    ) changed
                    group by user_id having sum(tasks) <> 0 or sum(bytes) <> 0 order by user_id
                );
            elsif tg_op = 'DELETE' then
                changes := array(
                    select row(user_id, -count(*), -sum(task_bytes(title, description)))::task_totals
                    from removed group by user_id order by user_id
                );
            else
                delete from task_totals;
                return null;
            end if;

            foreach change in array changes loop
                if tg_op = 'DELETE' then  -- there are no totals any more if the account is being deleted
                    update task_totals t set tasks = t.tasks + change.tasks, bytes = t.bytes + change.bytes
                    where t.user_id = change.user_id;
                    continue;
                end if;
                insert into task_totals as t values (change.user_id, change.tasks, change.bytes)
                on conflict (user_id) do update set tasks = t.tasks + excluded.tasks, bytes = t.bytes + excluded.bytes
                returning t.* into total;
                if change.tasks > 0
                    and total.tasks > nullif(current_setting('app.tasks_per_user', true), '')::bigint
                then
                    raise check_violation using constraint = 'tasks_per_user', table = 'tasks',
                        message = 'this user has as many tasks as app.tasks_per_user allows';
                end if;
                if change.bytes > 0
                    and total.bytes > nullif(current_setting('app.task_bytes_per_user', true), '')::bigint
                then
                    raise check_violation using constraint = 'task_bytes_per_user', table = 'tasks',
                        message = 'this user has as many bytes of tasks as app.task_bytes_per_user allows';
                end if;
            end loop;
            return null;
        end $$
    """)
    # Otherwise any login could attach it to a table of its own, and so write to `task_totals`.
    op.execute("revoke execute on function count_tasks() from public")
    for name, event in TRIGGERS.items():
        op.execute(f"create trigger tasks_count_{name} {event} for each statement execute function count_tasks()")

    op.execute("""
        insert into task_totals
        select user_id, count(*), sum(task_bytes(title, description)) from tasks group by user_id
    """)


def downgrade() -> None:
    """Drop the totals. An upgrade counts again."""
    # Dropping a foreign key locks out readers of both tables. Tasks come first, because a create locks them first.
    op.execute("lock table tasks, users in access exclusive mode")
    for name in TRIGGERS:
        op.execute(f"drop trigger tasks_count_{name} on tasks")
    op.execute("drop function count_tasks()")
    op.execute("drop function task_bytes(text, text)")
    op.drop_table("task_totals")
