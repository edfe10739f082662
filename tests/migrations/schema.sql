CREATE FUNCTION public.count_tasks() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
        end $$;

CREATE FUNCTION public.has_room_for_task(tasks_per_user integer) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
        declare
            owner constant uuid := nullif(current_setting('app.user_id', true), '')::uuid;
        begin
            if (select count(*) from tasks where user_id = owner) < tasks_per_user - 1000 then
                return true;
            end if;
            perform pg_advisory_xact_lock(hashtextextended(owner::text, 0));
            return (select count(*) from tasks where user_id = owner) < tasks_per_user;
        end $$;

CREATE FUNCTION public.set_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
        begin
            new.updated_at := clock_timestamp();
            return new;
        end $$;

CREATE FUNCTION public.task_bytes(title text, description text) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
            select 223 + octet_length(to_json(title)::text) + coalesce(octet_length(to_json(description)::text), 4)
        $$;

CREATE FUNCTION public.uuid_v7() RETURNS uuid
    LANGUAGE sql PARALLEL SAFE
    AS $$
            select encode(
                set_bit(
                    set_bit(
                        overlay(
                            uuid_send(gen_random_uuid())
                            placing substring(
                                int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3
                            ) from 1 for 6
                        ),
                        52, 1
                    ),
                    53, 1
                ),
                'hex'
            )::uuid
        $$;

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.rate_limits (
    key text NOT NULL,
    hits timestamp with time zone[] NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.refresh_tokens (
    id uuid DEFAULT public.uuid_v7() NOT NULL,
    user_id uuid NOT NULL,
    current_jti uuid NOT NULL,
    previous_jti uuid,
    rotated_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    rotations timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL
);

CREATE TABLE public.task_totals (
    user_id uuid NOT NULL,
    tasks integer NOT NULL,
    bytes bigint NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE public.tasks (
    id uuid DEFAULT public.uuid_v7() NOT NULL,
    title text NOT NULL,
    description text,
    completed boolean DEFAULT false NOT NULL,
    user_id uuid NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_tasks_description CHECK ((char_length(description) <= 2000)),
    CONSTRAINT ck_tasks_title CHECK ((((char_length(title) >= 1) AND (char_length(title) <= 200)) AND (btrim(title) <> ''::text)))
);

CREATE TABLE public.users (
    id uuid DEFAULT public.uuid_v7() NOT NULL,
    email text NOT NULL,
    password_hash text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_users_email CHECK ((((char_length(email) >= 3) AND (char_length(email) <= 254)) AND (email = lower(email)))),
    CONSTRAINT ck_users_name CHECK ((((char_length(name) >= 1) AND (char_length(name) <= 100)) AND (btrim(name) <> ''::text)))
);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.rate_limits
    ADD CONSTRAINT pk_rate_limits PRIMARY KEY (key);

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT pk_refresh_tokens PRIMARY KEY (id);

ALTER TABLE ONLY public.task_totals
    ADD CONSTRAINT pk_task_totals PRIMARY KEY (user_id);

ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT pk_tasks PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_email UNIQUE (email);

CREATE INDEX ix_rate_limits_expires_at ON public.rate_limits USING btree (expires_at);

CREATE INDEX ix_refresh_tokens_expires_at ON public.refresh_tokens USING btree (expires_at);

CREATE INDEX ix_refresh_tokens_user_id ON public.refresh_tokens USING btree (user_id);

CREATE INDEX ix_tasks_user_id_created_at_id ON public.tasks USING btree (user_id, created_at, id);

CREATE TRIGGER tasks_count_deleted AFTER DELETE ON public.tasks REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.count_tasks();

CREATE TRIGGER tasks_count_inserted AFTER INSERT ON public.tasks REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.count_tasks();

CREATE TRIGGER tasks_count_truncated AFTER TRUNCATE ON public.tasks FOR EACH STATEMENT EXECUTE FUNCTION public.count_tasks();

CREATE TRIGGER tasks_count_updated AFTER UPDATE ON public.tasks REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.count_tasks();

CREATE TRIGGER tasks_set_updated_at BEFORE UPDATE ON public.tasks FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

CREATE TRIGGER users_set_updated_at BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT fk_refresh_tokens_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.task_totals
    ADD CONSTRAINT fk_task_totals_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT fk_tasks_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

CREATE POLICY own_tasks ON public.tasks TO todo_user USING ((user_id = (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid)) WITH CHECK ((user_id = (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid));

ALTER TABLE public.task_totals ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tasks ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA public TO todo_auth;
GRANT USAGE ON SCHEMA public TO todo_user;

REVOKE ALL ON FUNCTION public.count_tasks() FROM PUBLIC;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rate_limits TO todo_auth;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.refresh_tokens TO todo_auth;

GRANT SELECT,DELETE ON TABLE public.tasks TO todo_user;

GRANT INSERT(title),UPDATE(title) ON TABLE public.tasks TO todo_user;

GRANT INSERT(description),UPDATE(description) ON TABLE public.tasks TO todo_user;

GRANT UPDATE(completed) ON TABLE public.tasks TO todo_user;

GRANT INSERT(user_id) ON TABLE public.tasks TO todo_user;

GRANT UPDATE(version) ON TABLE public.tasks TO todo_user;

GRANT SELECT,INSERT ON TABLE public.users TO todo_auth;

GRANT UPDATE(password_hash) ON TABLE public.users TO todo_auth;
