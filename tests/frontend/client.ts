// The API client of the existing frontend: it stores the whole auth response as one object, refreshes after every 401
// (each request for itself: four at once are four refreshes with one token), and signs out when the refresh fails.

import axios, { type AxiosInstance, type AxiosResponse, type InternalAxiosRequestConfig } from "axios";

import type { components } from "./openapi.js";

type Schemas = components["schemas"];
export type Auth = Schemas["AuthResponse"];
export type Task = Schemas["TaskPublic"];

export interface TokenStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const KEY = "auth";

export class TodoClient {
  readonly counted = { refreshes: 0, atOnce: 0, mostAtOnce: 0, retries: 0, signOuts: 0 };
  readonly http: AxiosInstance;

  constructor(
    readonly api: string,
    private readonly store: TokenStore,
  ) {
    this.http = axios.create({ baseURL: api });
    this.http.interceptors.request.use((request) => {
      const token = this.auth?.access_token;
      if (token !== undefined) request.headers.set("Authorization", `Bearer ${token}`);
      return request;
    });
    this.http.interceptors.response.use(undefined, (error: unknown) => this.refreshAndRetry(error));
  }

  get auth(): Auth | null {
    const stored = this.store.getItem(KEY);
    return stored === null ? null : (JSON.parse(stored) as Auth);
  }

  setAuth(auth: Auth): void {
    this.store.setItem(KEY, JSON.stringify(auth));
  }

  clearAuth(): void {
    this.store.removeItem(KEY);
    this.counted.signOuts += 1;
  }

  async signUp(body: Schemas["SignUp"]): Promise<Auth> {
    const { data } = await axios.post<Auth>(`${this.api}/api/auth/signup`, body);
    this.setAuth(data);
    return data;
  }

  async signIn(body: Schemas["SignIn"]): Promise<Auth> {
    const { data } = await axios.post<Auth>(`${this.api}/api/auth/signin`, body);
    this.setAuth(data);
    return data;
  }

  async signOut(): Promise<void> {
    await this.http.post<Schemas["SignedOut"]>("/api/auth/signout");
    this.clearAuth();
  }

  tasks(): Promise<Task[]> {
    return dataOf(this.http.get<Task[]>("/api/tasks"));
  }

  task(id: Task["id"]): Promise<AxiosResponse<Task>> {
    return this.http.get<Task>(`/api/tasks/${id}`);
  }

  create(body: Schemas["TaskCreate"]): Promise<Task> {
    return dataOf(this.http.post<Task>("/api/tasks", body));
  }

  edit(id: Task["id"], body: Schemas["TaskUpdate"], ifMatch?: string): Promise<Task> {
    const options = ifMatch === undefined ? {} : { headers: { "If-Match": ifMatch } };
    return dataOf(this.http.put<Task>(`/api/tasks/${id}`, body, options));
  }

  toggle(id: Task["id"]): Promise<Task> {
    return dataOf(this.http.patch<Task>(`/api/tasks/${id}/toggle`));
  }

  remove(id: Task["id"]): Promise<AxiosResponse<"">> {
    return this.http.delete<"">(`/api/tasks/${id}`);
  }

  private async refreshAndRetry(error: unknown): Promise<AxiosResponse> {
    if (!axios.isAxiosError(error) || error.response?.status !== 401) throw error;
    const request = error.config as (InternalAxiosRequestConfig & { isRetry?: true }) | undefined;
    const refresh_token = this.auth?.refresh_token;
    if (request === undefined || request.isRetry || refresh_token === undefined) throw error;
    try {
      this.setAuth(await this.refreshed({ refresh_token }));
    } catch {
      this.clearAuth();
      throw error;
    }
    this.counted.retries += 1;
    return this.http.request({ ...request, isRetry: true } as InternalAxiosRequestConfig);
  }

  private async refreshed(body: Schemas["Refresh"]): Promise<Auth> {
    this.counted.refreshes += 1;
    this.counted.atOnce += 1;
    this.counted.mostAtOnce = Math.max(this.counted.mostAtOnce, this.counted.atOnce);
    try {
      return (await axios.post<Auth>(`${this.api}/api/auth/refresh`, body)).data;
    } finally {
      this.counted.atOnce -= 1;
    }
  }
}

async function dataOf<T>(answer: Promise<AxiosResponse<T>>): Promise<T> {
  return (await answer).data;
}
