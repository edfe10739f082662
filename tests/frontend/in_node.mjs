// node in_node.mjs '["<scenario>", {"api", "frontend"}, …]' runs the scenario, and prints its result.

import * as scenarios from "./scenarios.js";

const stored = new Map();
const store = {
  getItem: (key) => stored.get(key) ?? null,
  setItem: (key, value) => stored.set(key, value),
  removeItem: (key) => stored.delete(key),
};
const [scenario, environment, ...more] = JSON.parse(process.argv[2]);
console.log(JSON.stringify(await scenarios[scenario]({ ...environment, store }, ...more)));
