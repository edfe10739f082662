// node in_docs.mjs '["<api>", "<access token>"]': lists tasks in /docs, then opens /redoc.

import { inPage } from "./chromium.mjs";

const [api, token] = JSON.parse(process.argv[2]);

const docs = await inPage(async (page, noticed) => {
  await page.goto(`${api}/docs`);
  await page.getByRole("button", { name: "Authorize" }).click();
  const dialog = page.locator(".modal-ux");
  await dialog.locator("input").fill(token);
  await dialog.getByRole("button", { name: "Apply credentials" }).click();
  await dialog.getByRole("button", { name: "Close", exact: true }).click();
  const operation = page.locator("#operations-tasks-list_tasks");
  await operation.locator(".opblock-summary-control").click();
  await operation.getByRole("button", { name: "Try it out" }).click();
  await operation.getByRole("button", { name: "Execute" }).click();
  const live = operation.locator(".live-responses-table .response").first();
  await live.waitFor();
  const seen = {
    operations: await page.locator(".opblock-summary").count(),
    status: await live.locator(".response-col_status").innerText(),
    body: await live.locator(".microlight, .highlight-code code").first().innerText(),
    address: await operation.locator(".request-url").innerText(),
    stored: await page.evaluate("JSON.stringify([localStorage, sessionStorage]) + document.cookie"),
  };
  await page.goto(`${api}/docs/`);
  await page.locator(".opblock").first().waitFor();
  return { ...seen, isForgotten: (await page.locator("button.authorize.unlocked").count()) > 0, ...noticed };
});

const redoc = await inPage(async (page, noticed) => {
  await page.goto(`${api}/redoc/`);
  await page.getByRole("heading", { name: "List your tasks" }).waitFor();
  await page.locator("img").first().waitFor();
  const image = "Array.from(document.images).every((image) => image.complete && image.naturalWidth > 0)";
  await page.waitForFunction(image);
  await page.getByPlaceholder("Search...").fill("toggle");
  await page.getByRole("search").getByText("Complete a task").first().waitFor();
  return noticed;
});

console.log(JSON.stringify({ docs, redoc }));
