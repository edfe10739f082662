// node in_browser.mjs '["<scenario>", {"api", "frontend"}, …]' runs the scenario in a page of the frontend's.

import { inPage } from "./chromium.mjs";

const [scenario, environment, ...more] = JSON.parse(process.argv[2]);
const seen = await inPage(async (page) => {
  await page.goto(environment.frontend);
  await page.waitForFunction("window.scenarios");
  return page.evaluate(
    ([scenario, environment, ...more]) => window.scenarios[scenario]({ ...environment, store: localStorage }, ...more),
    [scenario, environment, ...more],
  );
});
console.log(JSON.stringify(seen));
