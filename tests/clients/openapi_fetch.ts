// openapi-typescript's types with openapi-fetch.

import createClient from "openapi-fetch";

import type { paths } from "./generated/openapi.js";
import type { Answer, Client, Refusal } from "./session.js";

async function answer<T>(sent: Promise<{ data?: T; error?: Refusal; response: Response }>): Promise<Answer<T>> {
  const { response, data, error } = await sent;
  return error === undefined ? { status: response.status, data: data as T } : { status: response.status, error };
}

export function connect(api: string): Client {
  const client = createClient<paths>({ baseUrl: api });
  const at = (task_id: string) => ({ params: { path: { task_id } } });
  let token = "";
  client.use({
    onRequest({ request }) {
      if (token !== "") request.headers.set("Authorization", `Bearer ${token}`);
    },
  });
  return {
    use(accessToken) {
      token = accessToken;
    },
    signUp: (body) => answer(client.POST("/api/auth/signup", { body })),
    signIn: (body) => answer(client.POST("/api/auth/signin", { body })),
    signInWithoutJson: () =>
      answer(
        client.POST("/api/auth/signin", {
          body: { email: "ada@example.com", password: "correct horse" },
          bodySerializer: ({ email }) => email,
        }),
      ),
    refresh: (body) => answer(client.POST("/api/auth/refresh", { body })),
    signOut: (body) => answer(client.POST("/api/auth/signout", { body })),
    list: () => answer(client.GET("/api/tasks")),
    create: (body) => answer(client.POST("/api/tasks", { body })),
    get: (id) => answer(client.GET("/api/tasks/{task_id}", at(id))),
    edit: (task_id, body, ifMatch) =>
      answer(client.PUT("/api/tasks/{task_id}", { params: { path: { task_id }, header: { "If-Match": ifMatch } }, body })),
    toggle: (id) => answer(client.PATCH("/api/tasks/{task_id}/toggle", at(id))),
    remove: (id) => answer<unknown>(client.DELETE("/api/tasks/{task_id}", at(id))),
    info: () => answer(client.GET("/")),
    health: () => answer(client.GET("/api/health")),
  };
}
