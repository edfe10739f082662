// The zod schemas of hey-api and of orval, on the bodies that Python sends here: which of them does each accept?
// Run with '{"<schema>": [<body>, ...], ...}', where a schema has its name in openapi.json.

import * as heyApi from "./generated/hey-api/zod.gen";
import * as orval from "./generated/orval/zod.js";

declare const process: { argv: string[] };

const SCHEMAS = {
  AuthResponse: [heyApi.zAuthResponse, orval.SignInResponse],
  Refresh: [heyApi.zRefresh, orval.RefreshBody],
  SignIn: [heyApi.zSignIn, orval.SignInBody],
  SignUp: [heyApi.zSignUp, orval.SignUpBody],
  TaskCreate: [heyApi.zTaskCreate, orval.CreateTaskBody],
  TaskPublic: [heyApi.zTaskPublic, orval.GetTaskResponse],
  TaskUpdate: [heyApi.zTaskUpdate, orval.EditTaskBody],
} as const;

const bodies = JSON.parse(String(process.argv[2])) as Record<keyof typeof SCHEMAS, unknown[]>;
const accepted = Object.entries(SCHEMAS).map(([name, schemas]) => [
  name,
  schemas.map((schema) => bodies[name as keyof typeof SCHEMAS].map((body) => schema.safeParse(body).success)),
]);
console.log(JSON.stringify(Object.fromEntries(accepted)));
