// node in_browser.mjs '["<story>", {"api", "frontend"}, …]' does the same in a page of the frontend's.

import { inPage } from "./chromium.mjs";

const [story, place, ...more] = JSON.parse(process.argv[2]);
const seen = await inPage(async (page) => {
  await page.goto(place.frontend);
  await page.waitForFunction("window.stories");
  return page.evaluate(
    ([story, place, ...more]) => window.stories[story]({ ...place, keeper: localStorage }, ...more),
    [story, place, ...more],
  );
});
console.log(JSON.stringify(seen));
