// orval: hooks for React that send with axios, and zod's schemas.
const input = "openapi.json";

export default {
  reactQuery: {
    input,
    output: { target: "generated/orval/react-query.ts", client: "react-query", httpClient: "axios", headers: true },
  },
  zod: { input, output: { target: "generated/orval/zod.ts", client: "zod" } },
};
