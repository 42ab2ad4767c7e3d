// Builds the binary with the pages that `npm run build` left, and runs one `segue dev` for all browser tests.
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Where Segue and its database are; undefined when the browser tests cannot run. */
    segue: { url: string; database: string } | undefined;
    chromium: string;
  }
}

const places = [process.env["CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];
const root = new URL("../..", import.meta.url).pathname;

export default async function setup(project: TestProject) {
  const chromium = places.find((place) => place && existsSync(place));
  project.provide("chromium", chromium ?? "");
  if (!chromium || !existsSync(join(root, "internal/web/dist/dashboard.html"))) {
    const what = chromium ? "the pages are not built (make web)" : "there is no Chromium (apt-get install chromium, or CHROMIUM=/path)";
    if (process.env["CI"] === "true") throw new Error(`browser tests cannot run: ${what}`);
    console.warn(`\n  BROWSER TESTS ARE SKIPPED: ${what}\n`);
    project.provide("segue", undefined);
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), "segue-web-"));
  chmodSync(dir, 0o755); // PostgreSQL may have to run as another user
  const tidy = () => rmSync(dir, { recursive: true, force: true });
  try {
    const { said, stop } = await start(dir);
    project.provide("segue", { url: /http:\/\/\S+(?=\/graphql)/.exec(said)![0], database: /postgres:\/\/\S+/.exec(said)![0] });
    return () => stop().then(tidy);
  } catch (error) {
    tidy();
    throw error;
  }
}

/** Runs `segue dev` with its data in dir, until it has said how to use it. */
async function start(dir: string) {
  const binary = join(dir, "gateway");
  execFileSync("go", ["build", "-o", binary, "."], { cwd: root, stdio: "inherit" });
  const child = spawn(binary, ["dev"], { env: { ...process.env, XDG_CACHE_HOME: dir, ADDR: "127.0.0.1:0", CLERK_PUBLISHABLE_KEY: "" }, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let said = "";
  await new Promise<void>((resolve, reject) => {
    const hear = (text: Buffer) => {
      said += text;
      if (said.includes("Paste this")) resolve();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    void ended.then(() => reject(new Error(`segue dev ended:\n${said}`)));
  });
  const stop = () => {
    child.kill("SIGINT");
    return ended;
  };
  return { said, stop };
}
