// A session with the API, the same for every generated client. The types here are written by hand: a client compiles
// only if what was generated fits them.

export interface User {
  id: string;
  email: string;
  name: string;
  created_at: string;
}

export interface Auth {
  user: User;
  access_token: string;
  refresh_token: string;
  token_type: "bearer";
  expires_in: number;
}

export interface Task {
  id: string;
  title: string;
  description: string | null;
  completed: boolean;
  created_at: string;
  updated_at: string;
  user_id: string;
}

export interface Refusal {
  detail: string;
  errors?: { field: string; message: string }[];
}

export type Answer<T> = { status: number; data: T } | { status: number; error: Refusal };

export interface Credentials {
  email: string;
  password: string;
}

export interface TaskChanges {
  title?: string;
  description?: string | null;
  completed?: boolean;
}

/** What each client does with what was generated for it. */
export interface Client {
  /** Sends this access token from now on. */
  use(accessToken: string): void;
  signUp(body: Credentials & { name?: string }): Promise<Answer<Auth>>;
  signIn(body: Credentials): Promise<Answer<Auth>>;
  /** Signs in with a body that is not JSON. */
  signInWithoutJson(): Promise<Answer<Auth>>;
  refresh(body: { refresh_token: string }): Promise<Answer<Auth>>;
  signOut(body: { refresh_token: string }): Promise<Answer<{ detail: "Signed out" }>>;
  list(): Promise<Answer<Task[]>>;
  create(body: { title: string; description?: string | null }): Promise<Answer<Task>>;
  get(id: string): Promise<Answer<Task>>;
  edit(id: string, body: TaskChanges, ifMatch?: string): Promise<Answer<Task>>;
  toggle(id: string): Promise<Answer<Task>>;
  remove(id: string): Promise<Answer<unknown>>;
  info(): Promise<Answer<{ name: string; version: string; status: string }>>;
  health(): Promise<Answer<{ status: string }>>;
}

/** The URLs of an API, of one without a database, and of one whose `GET /` has a bug. */
export interface Apis {
  api: string;
  unavailable: string;
  broken: string;
}

export async function session(connect: (api: string) => Client, { api, unavailable, broken }: Apis) {
  const client = connect(api);
  const credentials = { email: `${crypto.randomUUID()}@example.com`, password: "correct horse" };
  const signedUp = dataOf(await client.signUp({ ...credentials, name: "Ada" }), 201);
  const signedIn = dataOf(await client.signIn(credentials), 200);
  client.use(signedIn.access_token);

  const before = dataOf(await client.list(), 200);
  const created = dataOf(await client.create({ title: "Water the plants", description: "the tall one too" }), 201);
  const renamed = dataOf(await client.edit(created.id, { title: "Water the flowers", description: null }), 200);
  const toggled = dataOf(await client.toggle(created.id), 200);
  const kept = dataOf(await client.edit(created.id, { description: "all of them" }, '"3"'), 200);
  const listed = dataOf(await client.list(), 200);

  const refusals = {
    400: await client.signInWithoutJson(),
    404: await client.get("00000000-0000-7000-8000-000000000000"),
    409: await client.signUp(credentials),
    412: await client.edit(created.id, { completed: false }, '"1"'),
    413: await client.create({ title: "x", description: "x".repeat(70_000) }),
    422: await client.edit(created.id, { title: "", description: "y".repeat(2001) }),
    429: await wrongPasswordTwice(client, credentials),
    500: await connect(broken).info(),
    503: await connect(unavailable).health(),
  };

  await client.remove(created.id).then((answer) => dataOf(answer, 204));
  const refreshed = dataOf(await client.refresh({ refresh_token: signedIn.refresh_token }), 200);
  client.use(refreshed.access_token);
  const after = dataOf(await client.list(), 200);
  const signedOut = dataOf(await client.signOut({ refresh_token: refreshed.refresh_token }), 200);
  const afterSignOut = { 401: await client.list() };

  return {
    name: signedUp.user.name,
    samePerson: [signedUp, signedIn, refreshed].every(({ user }) => user.email === credentials.email),
    tokens: [signedIn.token_type, signedIn.expires_in, refreshed.refresh_token !== signedIn.refresh_token],
    numbersOfTasks: [before.length, listed.length, after.length],
    tasks: [created, renamed, toggled, kept].map(({ title, description, completed }) => [title, description, completed]),
    isListed: JSON.stringify(listed[0]) === JSON.stringify(kept),
    timesAreValid: [created.created_at, kept.updated_at].every((time) => !Number.isNaN(Date.parse(time))),
    signedOut: signedOut.detail,
    refusals: sentencesOf({ ...refusals, ...afterSignOut }),
    wrongMembers: errorOf(refusals[422], 422).errors,
  };
}

async function wrongPasswordTwice(client: Client, { email }: Credentials): Promise<Answer<Auth>> {
  errorOf(await client.signIn({ email, password: "not the password" }), 401);
  return client.signIn({ email, password: "not the password" });
}

function sentencesOf(refusals: Record<number, Answer<unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(refusals).map(([status, answer]) => [status, errorOf(answer, Number(status)).detail]),
  );
}

function dataOf<T>(answer: Answer<T>, status: number): T {
  if (!("data" in answer) || answer.status !== status) throw new Error(`not ${status}: ${JSON.stringify(answer)}`);
  return answer.data;
}

function errorOf(answer: Answer<unknown>, status: number): Refusal {
  if (!("error" in answer) || answer.status !== status) throw new Error(`not ${status}: ${JSON.stringify(answer)}`);
  return answer.error;
}
