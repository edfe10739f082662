// orval's options for react-query's hooks, run by react-query without React, and its zod schemas for every answer.

import { MutationObserver, QueryClient, type MutationObserverOptions } from "@tanstack/react-query";
import axios, { type AxiosResponse } from "axios";
import type { ZodType } from "zod";

import * as query from "./generated/orval/react-query.js";
import * as schemas from "./generated/orval/zod.js";
import type { Answer, Client, Refusal } from "./session.js";

async function answer<T>(sent: Promise<AxiosResponse<T>>, schema?: ZodType<T>): Promise<Answer<T>> {
  try {
    const { status, data } = await sent;
    return { status, data: schema ? schema.parse(data) : data };
  } catch (error) {
    if (axios.isAxiosError<Refusal>(error) && error.response) {
      return { status: error.response.status, error: error.response.data };
    }
    throw error;
  }
}

export function connect(api: string): Client {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false, gcTime: 0 } } });
  let token = "";
  const options = (headers: Record<string, string> = {}) => ({
    axios: {
      baseURL: api,
      headers: token === "" ? headers : { ...headers, Authorization: `Bearer ${token}` },
    },
  });
  const mutate = <D, E, V>(mutation: MutationObserverOptions<D, E, V, unknown>, variables: V) =>
    new MutationObserver(queries, mutation).mutate(variables);
  return {
    use(accessToken) {
      token = accessToken;
    },
    signUp: (data) => answer(mutate(query.getSignUpMutationOptions(options()), { data }), schemas.SignUpResponse),
    signIn: (data) => answer(mutate(query.getSignInMutationOptions(options()), { data }), schemas.SignInResponse),
    signInWithoutJson: () =>
      answer(
        query.signIn(
          { email: "ada@example.com", password: "correct horse" },
          { ...options().axios, transformRequest: () => "ada@example.com" },
        ),
      ),
    refresh: (data) => answer(mutate(query.getRefreshMutationOptions(options()), { data }), schemas.RefreshResponse),
    signOut: (data) => answer(mutate(query.getSignOutMutationOptions(options()), { data }), schemas.SignOutResponse),
    list: () => answer(queries.fetchQuery(query.getListTasksQueryOptions(options())), schemas.ListTasksResponse),
    create: (data) => answer(mutate(query.getCreateTaskMutationOptions(options()), { data }), schemas.CreateTaskResponse),
    get: (id) => answer(queries.fetchQuery(query.getGetTaskQueryOptions(id, options())), schemas.GetTaskResponse),
    edit: (taskId, data, ifMatch) =>
      answer(
        mutate(query.getEditTaskMutationOptions(options()), {
          taskId,
          data,
          headers: { "If-Match": ifMatch },
        }),
        schemas.EditTaskResponse,
      ),
    toggle: (taskId) => answer(mutate(query.getToggleTaskMutationOptions(options()), { taskId }), schemas.ToggleTaskResponse),
    remove: (taskId) => answer<unknown>(mutate(query.getDeleteTaskMutationOptions(options()), { taskId })),
    info: () => answer(queries.fetchQuery(query.getInfoQueryOptions(options())), schemas.InfoResponse),
    health: () => answer(queries.fetchQuery(query.getHealthQueryOptions(options())), schemas.HealthResponse),
  };
}
