// hey-api's functions. They check every body with zod, before it is sent and when it arrives.

import { createClient } from "./generated/hey-api/client";
import * as sdk from "./generated/hey-api";
import type { Answer, Client, Refusal } from "./session.js";

/** `error` is also what zod says of a body, or what kept the request from being sent; then there is no response. */
async function answer<T>(sent: Promise<{ data?: T; error?: Refusal; response?: Response }>): Promise<Answer<T>> {
  const { response, data, error } = await sent;
  if (response === undefined) throw error;
  return error === undefined ? { status: response.status, data: data as T } : { status: response.status, error };
}

/** Lets a body pass that zod would refuse, so that the API refuses it. */
const unchecked = { requestValidator: async () => undefined };

export function connect(api: string): Client {
  let token = "";
  const client = createClient({ baseUrl: api, auth: () => token });
  const at = (task_id: string) => ({ client, path: { task_id } });
  return {
    use(accessToken) {
      token = accessToken;
    },
    signUp: (body) => answer(sdk.signUp({ client, body })),
    signIn: (body) => answer(sdk.signIn({ client, body })),
    signInWithoutJson: () =>
      answer(
        sdk.signIn({
          client,
          body: { email: "ada@example.com", password: "correct horse" },
          bodySerializer: () => "ada@example.com",
        }),
      ),
    refresh: (body) => answer(sdk.refresh({ client, body })),
    signOut: (body) => answer(sdk.signOut({ client, body })),
    list: () => answer(sdk.listTasks({ client })),
    create: (body) => answer(sdk.createTask({ client, body, ...unchecked })),
    get: (id) => answer(sdk.getTask(at(id))),
    edit: (id, body, ifMatch) =>
      answer(
        sdk.editTask({
          ...at(id),
          body,
          headers: { "If-Match": ifMatch },
          ...(body.title === "" ? unchecked : {}),
        }),
      ),
    toggle: (id) => answer(sdk.toggleTask(at(id))),
    remove: (id) => answer<unknown>(sdk.deleteTask(at(id))),
    info: () => answer(sdk.info({ client })),
    health: () => answer(sdk.health({ client })),
  };
}
