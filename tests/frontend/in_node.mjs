// node in_node.mjs '["<story>", {"api", "frontend"}, …]' prints what the story gives back.

import * as stories from "./stories.js";

const kept = new Map();
const keeper = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => kept.set(key, value),
  removeItem: (key) => kept.delete(key),
};
const [story, place, ...more] = JSON.parse(process.argv[2]);
console.log(JSON.stringify(await stories[story]({ ...place, keeper }, ...more)));
