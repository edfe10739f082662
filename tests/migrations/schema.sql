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

CREATE TRIGGER tasks_set_updated_at BEFORE UPDATE ON public.tasks FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

CREATE TRIGGER users_set_updated_at BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT fk_refresh_tokens_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT fk_tasks_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

CREATE POLICY own_tasks ON public.tasks TO todo_user USING ((user_id = (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid)) WITH CHECK ((user_id = (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid));

ALTER TABLE public.tasks ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA public TO todo_auth;
GRANT USAGE ON SCHEMA public TO todo_user;

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
