// hey-api: a client that checks every body with zod, before it is sent and when it arrives.
export default {
  input: "openapi.json",
  output: "generated/hey-api",
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", { name: "@hey-api/sdk", validator: true }, "zod"],
};
