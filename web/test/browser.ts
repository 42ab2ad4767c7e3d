// A browser page that tells of everything that went wrong in it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import pg from "pg";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject } from "vitest";

export const segue = inject("segue");

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser: Browser;
let database: pg.Client;

/** Starts a browser and a database connection for the tests of a file. */
export function useBrowser() {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: inject("chromium"), args: flags });
    database = new pg.Client(segue!.database);
    await database.connect();
  });
  afterAll(async () => {
    await browser?.close();
    await database?.end();
  });
}

export async function sql<Row extends object>(text: string, ...values: unknown[]): Promise<Row[]> {
  return (await database.query<Row>(text, values)).rows;
}

/** Opens a page, gives it to `look`, and fails if it said an error, threw one, or asked another host for anything. */
export async function open(path: string, options: BrowserContextOptions, look: (page: Page) => Promise<void>, expected: RegExp[] = []) {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "Europe/Berlin", ...options });
  const wrong: string[] = [];
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && wrong.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`thrown: ${error.stack ?? error.message}`));
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (!["data:", "blob:"].includes(url.protocol) && url.origin !== segue!.url) wrong.push(`left the host: ${request.url()}`);
  });
  page.on("websocket", (socket) => new URL(socket.url()).host !== new URL(segue!.url).host && wrong.push(`left the host: ${socket.url()}`));
  try {
    await page.goto(segue!.url + path);
    await look(page);
    expect(wrong.filter((line) => !expected.some((pattern) => pattern.test(line)))).toEqual([]);
  } finally {
    await context.close();
  }
}

/** What axe finds that is serious or worse, one line each. */
export async function serious(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof import("axe-core") }).axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")}: ${node.failureSummary?.split("\n")[1]?.trim()}`));
}
