// Mistakes that the types must refuse. A line that they accept is an error too: TS2578, unused directive.

import type { Auth, Task, TodoClient } from "./client.js";
import type { paths } from "./openapi.js";

export async function mistakes(client: TodoClient, auth: Auth, task: Task): Promise<void> {
  // @ts-expect-error a title is required
  await client.create({ description: "no title" });
  // @ts-expect-error a title is text
  await client.create({ title: 7 });
  // @ts-expect-error null clears a description, but no title
  await client.edit(task.id, { title: null });
  // @ts-expect-error completed is no text
  await client.edit(task.id, { completed: "yes" });
  // @ts-expect-error a name is left out, or is text
  await client.signUp({ email: "ada@example.com", password: "correct horse", name: null });
  // @ts-expect-error a password is required
  await client.signIn({ email: "ada@example.com" });
  // @ts-expect-error ids are strings
  await client.task(1);
  // @ts-expect-error a description may be null
  task.description.length;
  // @ts-expect-error a list may be empty
  (await client.tasks())[0].title;
  // @ts-expect-error there is no such member
  task.owner;
  // @ts-expect-error the answer to a refresh is an auth response, so nothing of it may be missing
  client.setAuth({ access_token: auth.access_token, refresh_token: auth.refresh_token });
  // @ts-expect-error there is no such address
  type Nowhere = paths["/api/users"];
  // @ts-expect-error tasks are not edited with PATCH
  const patch: paths["/api/tasks/{task_id}"]["patch"] = {};
}
