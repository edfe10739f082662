// What users do in the frontend, for Node and for a page in a browser. A scenario returns the results to check.

import axios from "axios";

import { TodoClient, type Auth, type TokenStore, type Task } from "./client.js";

export interface Environment {
  /** The API. */
  api: string;
  /** The frontend's server. A POST to it advances the API's clock by 15 minutes: then an access token has expired. */
  frontend: string;
  store: TokenStore;
}

const password = "correct horse battery staple";
const CYCLES = 20;

export async function expiredTokens({ api, frontend, store }: Environment) {
  const client = new TodoClient(api, store);
  const first = await client.signUp({ email: newEmail(), password, name: "Ada" });
  const task = await client.create({ title: "Water the plants" });
  const answers: unknown[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    await axios.post(frontend);
    answers.push(
      ...(await Promise.all([
        client.tasks().then((tasks) => tasks.length),
        client.task(task.id).then((answer) => answer.data.title),
        client.create({ title: `cycle ${cycle}` }).then((created) => created.title),
        client.toggle(task.id).then((toggled) => toggled.id),
      ])),
    );
  }
  const last = authOf(client);
  const { completed } = (await client.task(task.id)).data;
  const counted = { ...client.counted };
  await client.signOut();
  return {
    answers: answers.length,
    completed,
    counted,
    members: Object.keys(last).sort(),
    isSamePerson: JSON.stringify(last.user) === JSON.stringify(first.user),
    afterwards: [
      await outcome(axios.get(`${api}/api/tasks`, { headers: { Authorization: `Bearer ${last.access_token}` } })),
      await outcome(axios.post(`${api}/api/auth/refresh`, { refresh_token: last.refresh_token })),
      await outcome(client.tasks()),
    ],
  };
}

export async function everyError({ api, store }: Environment, noDatabase: string) {
  const client = new TodoClient(api, store);
  const email = newEmail();
  await client.signUp({ email, password });
  const task = await client.create({ title: "Water the plants", description: null });
  const seen = await client.task(task.id);
  const version = String(seen.headers["etag"]);
  await client.edit(task.id, { completed: true });
  const wrong = { email, password: "not the password" };
  const broken = axios.create({ baseURL: noDatabase });
  return {
    etag: version,
    requestId: String(seen.headers["x-request-id"]),
    slash: await outcome(client.http.get("/api/tasks/")),
    refused: {
      400: await outcome(axios.post(`${api}/api/auth/signin`, "title=No JSON")),
      401: await outcome(axios.get(`${api}/api/tasks`)),
      404: await outcome(client.task("00000000-0000-7000-8000-000000000000")),
      405: await outcome(client.http.delete("/api/tasks")),
      409: await outcome(client.signUp({ email, password })),
      412: await outcome(client.edit(task.id, { title: "Water the lawn" }, version)),
      413: await outcome(client.create({ title: "x".repeat(70_000) })),
      422: await outcome(client.edit(task.id, { title: "" })),
      429: [await outcome(client.signIn(wrong)), await outcome(client.signIn(wrong))].at(-1),
      500: await outcome(axios.get(`${api}/api/broken`)),
      503: await outcome(broken.get("/api/health")),
    },
    withCredentials: await outcome(axios.get(`${api}/`, { withCredentials: true })),
    removed: await outcome(client.remove(task.id)),
  };
}

/** From sign-up to sign-out, with some errors that a page has to be able to read. */
export async function session({ api, store }: Environment) {
  const client = new TodoClient(api, store);
  await client.signUp({ email: newEmail(), password });
  const task = await client.create({ title: "Water the plants" });
  const version = String((await client.task(task.id)).headers["etag"]);
  await client.toggle(task.id);
  return {
    etag: version,
    tasks: (await client.tasks()).map(({ title, completed }) => [title, completed]),
    refused: {
      404: await outcome(client.task("00000000-0000-7000-8000-000000000000")),
      405: await outcome(client.http.delete("/api/tasks")),
      412: await outcome(client.edit(task.id, { title: "Water the lawn" }, version)),
      422: await outcome(client.edit(task.id, { title: "" })),
    },
    removed: await outcome(client.remove(task.id)),
    signedOut: await outcome(client.signOut()),
    afterwards: await outcome(axios.get(`${api}/api/tasks`)),
  };
}

/** A page of another origin that has got a token. */
export async function foreignPage({ api }: Environment, { access_token }: Auth) {
  const headers = { Authorization: `Bearer ${access_token}` };
  return {
    simple: await outcome(axios.get(`${api}/`)),
    list: await outcome(axios.get<Task[]>(`${api}/api/tasks`, { headers })),
    create: await outcome(axios.post(`${api}/api/tasks`, { title: "not Ada's" }, { headers })),
    withCredentials: await outcome(axios.get(`${api}/`, { withCredentials: true })),
    signIn: await outcome(axios.post(`${api}/api/auth/signin`, { email: newEmail(), password })),
  };
}

/** What a script can read of an answer. */
async function outcome(answer: Promise<unknown>) {
  try {
    const given = await answer;
    return { status: statusOf(given) };
  } catch (error) {
    if (!axios.isAxiosError<{ detail: string }>(error)) throw error;
    if (error.response === undefined) return { unreadable: error.message };
    const { status, data, headers } = error.response;
    return {
      status,
      detail: data.detail,
      retryAfter: headers["retry-after"] as string | undefined,
      requestId: headers["x-request-id"] as string | undefined,
    };
  }
}

function statusOf(answer: unknown): number | undefined {
  return typeof answer === "object" && answer !== null && "status" in answer ? Number(answer.status) : undefined;
}

function authOf(client: TodoClient): Auth {
  if (client.auth === null) throw new Error("signed out by accident");
  return client.auth;
}

function newEmail(): string {
  return `${Date.now()}.${Math.random().toString(36).slice(2)}@example.com`;
}
