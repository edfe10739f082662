"""SQL statements on accounts and sign-ins. Each takes one round trip for a decision and the change that follows."""

from sqlalchemy import text

from backend.auth import rate_limits

OPEN_SIGN_IN_OF_ACCOUNT = """
    insert into refresh_tokens (user_id, current_jti, rotated_at, expires_at)
    select id, gen_random_uuid(), clock_timestamp(), clock_timestamp() + cast(:lifetime as interval) from account
    returning id as sign_in_id, user_id, current_jti, rotated_at, expires_at
"""
ENDED_SIGN_INS_REMOVED_AT_ONCE = 5
"""More than a sign-in adds, so that the table shrinks as people sign in."""

CHECK_LIMITS_AND_FIND_ACCOUNT = text(f"""
    with removed as ({rate_limits.REMOVE_EXPIRED}), waiting as ({rate_limits.FULL_WINDOWS})
    select waiting.wait, users.id as user_id, users.password_hash
    from waiting left join users on users.email = :email
""")
TIME_UNTIL_ROOM = text(rate_limits.FULL_WINDOWS)

CREATE_ACCOUNT = text(f"""
    with account as (
        insert into users (email, password_hash, name) values (:email, :password_hash, :name)
        on conflict (email) do nothing
        returning id, email, name, created_at
    ), sign_in as ({OPEN_SIGN_IN_OF_ACCOUNT})
    select sign_in.*, email, name, created_at from sign_in join account on account.id = user_id
""")

OPEN_SIGN_IN = text(f"""
    with ended as (
        delete from refresh_tokens where id in (
            select id from refresh_tokens where expires_at < clock_timestamp()
            order by expires_at limit {ENDED_SIGN_INS_REMOVED_AT_ONCE} for update skip locked
        )
    ), waiting as ({rate_limits.FULL_WINDOWS}), account as (
        select id, email, name, created_at from users, waiting where id = :user_id and waiting.wait is null
    ), sign_in as ({OPEN_SIGN_IN_OF_ACCOUNT})
    select sign_in.*, email, name, created_at from sign_in join account on account.id = user_id
""")
"""One row; no row if a limit on wrong passwords is full."""

STORE_REHASH = text("update users set password_hash = :new_hash where id = :user_id and password_hash = :old_hash")

ROTATE = text("""
    update refresh_tokens r set
        current_jti = case when current_jti = :jti then :successor else current_jti end,
        previous_jti = case when current_jti = :jti then current_jti else previous_jti end,
        rotated_at = case when current_jti = :jti then clock_timestamp() else rotated_at end,
        expires_at = case
            when current_jti = :jti then clock_timestamp() + cast(:lifetime as interval)
            else r.expires_at
        end,
        revoked_at = case
            when current_jti = :jti then null
            when previous_jti = :jti and rotated_at > clock_timestamp() - cast(:leeway as interval) then null
            else clock_timestamp()
        end
    from users u
    where r.id = :sign_in_id and r.user_id = :user_id and u.id = r.user_id
        and r.revoked_at is null and r.expires_at > clock_timestamp()
    returning r.id as sign_in_id, r.user_id, current_jti, rotated_at, r.expires_at, revoked_at is not null as is_reuse,
        current_jti = :successor as is_rotation, u.email, u.name, u.created_at
""")
"""For the current token: rotate. For the previous one, within the leeway: give its successor again. For any other token
of the sign-in: revoke the sign-in. No row: the sign-in has ended.

Every right-hand side reads the row as it was before the update. Concurrent requests wait for the row's lock, and the
later ones read what the first one wrote."""

SIGN_OUT = text("""
    update refresh_tokens set revoked_at = clock_timestamp()
    where id = :sign_in_id and user_id = :user_id and revoked_at is null and expires_at > clock_timestamp()
    returning id
""")
