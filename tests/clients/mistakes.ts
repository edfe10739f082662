// Mistakes that the generated types must refuse. A line that they accept is an error too: TS2578, unused directive.

import createClient from "openapi-fetch";

import * as sdk from "./generated/hey-api";
import type { paths } from "./generated/openapi.js";
import * as query from "./generated/orval/react-query.js";

const client = createClient<paths>();
const task_id = "019a3d52-8f6e-7c31-9b4d-2f1e6a7c8d90";
const path = { task_id };

export async function mistakes(): Promise<void> {
  // @ts-expect-error a title is no null
  await client.PUT("/api/tasks/{task_id}", { params: { path }, body: { title: null } });
  // @ts-expect-error a title is no null
  await sdk.editTask({ path, body: { title: null } });
  // @ts-expect-error a title is no null
  await query.editTask(task_id, { title: null });

  // @ts-expect-error completed is no text
  await client.PUT("/api/tasks/{task_id}", { params: { path }, body: { completed: "yes" } });
  // @ts-expect-error completed is no text
  await sdk.editTask({ path, body: { completed: "yes" } });
  // @ts-expect-error completed is no text
  await query.editTask(task_id, { completed: "yes" });

  // @ts-expect-error a title is required
  await client.POST("/api/tasks", { body: { description: null } });
  // @ts-expect-error a title is required
  await sdk.createTask({ body: { description: null } });
  // @ts-expect-error a title is required
  await query.createTask({ description: null });

  // @ts-expect-error a description may be null
  (await client.GET("/api/tasks/{task_id}", { params: { path } })).data?.description.length;
  // @ts-expect-error a description may be null
  (await sdk.getTask({ path })).data?.description.length;
  // @ts-expect-error a description may be null
  (await query.getTask(task_id)).data.description.length;

  // @ts-expect-error an error has no such member
  (await client.POST("/api/auth/signin", { body: { email: "", password: "" } })).error?.message;
  // @ts-expect-error an error has no such member
  (await sdk.signIn({ body: { email: "", password: "" } })).error?.message;
  // @ts-expect-error an error has no such member
  query.getSignInMutationOptions().onError?.({ message: "" });
}
