"""SQL statements on accounts and sign-ins. Each takes one round trip for a decision and the change that follows."""

from sqlalchemy import text

from backend.auth import rate_limits

OPEN_SIGN_IN_OF_ACCOUNT = """
    insert into refresh_tokens (user_id, current_jti, rotated_at, expires_at)
    select id, gen_random_uuid(), clock_timestamp(), clock_timestamp() + cast(:lifetime as interval) from account
    returning id as sign_in_id, user_id, current_jti, rotated_at, expires_at
"""
EXPIRED_SIGN_INS_REMOVED_AT_ONCE = 5
"""More than a sign-in adds, so that the table shrinks as people sign in."""

CHECK_LIMITS_AND_FIND_ACCOUNT = text(f"""
    with applied as ({rate_limits.APPLIED_LIMITS}), waiting as ({rate_limits.FULL_WINDOWS})
    select waiting.wait, users.id as user_id, users.password_hash
    from waiting left join users on users.email = :email
""")

CHARGE_LIMITS = text(f"""
    with applied as ({rate_limits.APPLIED_LIMITS}), waiting as ({rate_limits.FULL_WINDOWS}),
    charged as ({rate_limits.CHARGE.format(condition="true")})
    select {rate_limits.IS_CHARGED} as is_charged, waiting.wait from waiting
""")

CREATE_ACCOUNT = text(f"""
    with account as (
        insert into users (email, password_hash, name) values (:email, :password_hash, :name)
        on conflict (email) do nothing
        returning id, email, name, created_at
    ), sign_in as ({OPEN_SIGN_IN_OF_ACCOUNT}),
    remembered as ({rate_limits.REMEMBER_NETWORK})
    select sign_in.*, email, name, created_at from sign_in join account on account.id = user_id
""")

SURPLUS_SIGN_INS_OF_ACCOUNT = """
    select t.id, t.rotated_at from refresh_tokens t join account on t.user_id = account.id
    order by t.revoked_at is null and t.expires_at > clock_timestamp() desc, t.rotated_at desc, t.id
    offset cast(:sign_ins as int) - 1
"""
"""What the account has besides the newest sign-ins: ended ones first, then those refreshed longest ago.

The one that is being opened is not among them, because the statement does not see its own changes."""

IS_COUNTED = "not cast(:is_right as boolean) or (select wait from waiting) is not null"
DECIDE_SIGN_IN = text(f"""
    with applied as ({rate_limits.APPLIED_LIMITS}), waiting as ({rate_limits.FULL_WINDOWS}),
    charged as ({rate_limits.CHARGE.format(condition=IS_COUNTED)}),
    account as (
        select id, email, name, created_at from users, waiting
        where cast(:is_right as boolean) and id = cast(:user_id as uuid) and password_hash = :password_hash
            and waiting.wait is null
        for key share of users  -- an account that is being deleted counts as deleted
    ), sign_in as ({OPEN_SIGN_IN_OF_ACCOUNT}),
    remembered as ({rate_limits.REMEMBER_NETWORK}),
    surplus as ({SURPLUS_SIGN_INS_OF_ACCOUNT}),
    surplus_removed as (
        delete from refresh_tokens where id in (
            select t.id from refresh_tokens t join surplus on surplus.id = t.id and surplus.rotated_at = t.rotated_at
            for update of t skip locked  -- one that is being refreshed is kept until the next sign-in
        )
    ), expired_removed as (
        delete from refresh_tokens where id in (
            select id from refresh_tokens where expires_at < statement_timestamp()
            order by expires_at limit {EXPIRED_SIGN_INS_REMOVED_AT_ONCE} for update skip locked
        )
    ), expired_limits_removed as ({rate_limits.REMOVE_EXPIRED})
    select sign_in.*, email, name, created_at, waiting.wait, {rate_limits.IS_CHARGED} as is_charged
    from waiting left join sign_in on true left join account on true
""")
"""What a sign-in comes to, once the password is verified. Always one row.

A wrong password is charged to each limit that has room. A right one opens a sign-in if all of them have room, and if
the account still exists and has the password that was verified. If one is full, it is charged like a wrong one:
otherwise the room that is left would tell that it was right. Both take the same work."""

REPLACE_HASH = text("""
    update users set password_hash = :new_hash where id = :user_id and password_hash = :password_hash
""")
"""Stores a hash with newer parameters. Nothing happens if the password was changed in the meantime."""

ROTATE = text("""
    update refresh_tokens r set (current_jti, previous_jti, rotated_at, expires_at, rotations, revoked_at) = (
        select
            case when rotates then cast(:successor as uuid) else r.current_jti end,
            case when rotates then r.current_jti else r.previous_jti end,
            case when rotates then clock else r.rotated_at end,
            case when rotates then clock + cast(:lifetime as interval) else r.expires_at end,
            case when rotates then recent || clock else r.rotations end,
            case
                when r.current_jti = :jti then null
                when r.previous_jti = :jti and r.rotated_at > clock - cast(:leeway as interval) then null
                else clock
            end
        from (
            select clock, recent, r.current_jti = :jti and :limit > cardinality(recent) as rotates
            from (
                select clock, array(
                    select h from unnest(r.rotations) h where h > clock - make_interval(secs => :window) order by h
                ) as recent
                from (select clock_timestamp() as clock offset 0) t
                offset 0
            ) counted
            offset 0
        ) decided
    )
    from users u
    where r.id = :sign_in_id and r.user_id = :user_id and u.id = r.user_id
        and r.revoked_at is null and r.expires_at > clock_timestamp()
    returning r.id as sign_in_id, r.user_id, r.current_jti, r.rotated_at, r.expires_at, u.email, u.name, u.created_at,
        r.revoked_at is not null as is_reuse,
        r.revoked_at is null and r.current_jti = :jti as is_refused,
        r.rotations[cardinality(r.rotations) - :limit + 1] + make_interval(secs => :window) - clock_timestamp() as wait
""")
"""Decides a refresh, by the token that was presented.

- The current token is replaced (rotation). If the limit is full, it is kept instead (`is_refused`).
- The previous token, within the leeway, gives the current one again (repetition).
- Any other token revokes the sign-in (reuse).

If there is no row, the sign-in has ended. Every right-hand side sees the row as it was before the statement. Concurrent
refreshes wait for the row's lock, and each then sees what the one before it did. The clock is read once, after that
wait (`offset 0` keeps PostgreSQL from reading it once per column), so that all columns follow one decision.

Only a rotation counts against the limit. Reuse is noticed even if the limit is full: otherwise a thief could keep it
full, and the owner's use of the old token would not be noticed. Repetitions do not count, because a page whose calls
all refresh at once must not lose its sign-in."""

SIGN_OUT = text("""
    update refresh_tokens set revoked_at = clock_timestamp()
    where id = :sign_in_id and user_id = :user_id and revoked_at is null and expires_at > clock_timestamp()
    returning id
""")
