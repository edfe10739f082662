// Runs the system's Chromium with an empty profile, and without requests of its own.

import { chromium } from "playwright-core";

const QUIET = [
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/** Returns the result of `use(page, noticed)`. `noticed` collects the page's requests, errors and warnings. */
export async function inPage(use) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    chromiumSandbox: process.getuid() !== 0, // it refuses to run as root with one
    args: QUIET,
  });
  try {
    const page = await browser.newPage();
    const noticed = { requests: [], complaints: [] };
    page.on("request", (request) => noticed.requests.push(request.url()));
    page.on("requestfailed", (request) => noticed.complaints.push(`failed: ${request.url()}`));
    page.on("pageerror", (error) => noticed.complaints.push(String(error)));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) noticed.complaints.push(message.text());
    });
    return await use(page, noticed);
  } finally {
    await browser.close();
  }
}
