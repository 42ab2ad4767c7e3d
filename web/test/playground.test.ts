import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { open, segue, serious, sql, useBrowser } from "./browser";

const desktop = { width: 1440, height: 900 };
const phone = { width: 390, height: 844 };

const run = (page: Page) => page.getByRole("button", { name: /Execute query/ });
const ready = async (page: Page) => {
  await page.locator(".graphiql-query-editor .view-line", { hasText: "query Welcome" }).waitFor();
  await page.getByRole("button", { name: /Show Documentation Explorer|Hide Documentation Explorer/ }).waitFor();
};
/** Monaco draws only the lines in sight; its model has all of them, and GraphiQL names it. */
const answer = (page: Page) => page.locator(".graphiql-response .view-lines").innerText().then((text) => text.replaceAll("\u00a0", " "));

describe.skipIf(!segue)("playground", () => {
  useBrowser();

  for (const colorScheme of ["light", "dark"] as const) {
    for (const [name, viewport] of [["desktop", desktop], ["phone", phone]] as const) {
      test(`${colorScheme}, ${name}: a query runs, nothing serious for axe`, () =>
        open("/", { colorScheme, viewport }, async (page) => {
          await ready(page);
          await run(page).click();
          await expect.poll(() => answer(page), { timeout: 20_000 }).toContain("messageCount");
          expect(await answer(page)).toContain("Amara Okafor");
          expect(await serious(page)).toEqual([]);
          if (process.env["SCREENSHOTS"]) await page.screenshot({ path: `../docs/images/playground-${colorScheme}-${name}.png`, animations: "disabled" });
        }));
    }
  }

  test("what it takes to type a query", () => {
    const sizes: Promise<number>[] = [];
    return open("/healthz", { viewport: desktop }, async (page) => {
      page.context().on("response", (response) => {
        if (new URL(response.url()).pathname.startsWith("/assets/")) sizes.push(response.request().sizes().then((size) => size.responseBodySize, () => 0));
      });
      await page.goto(segue!.url);
      await ready(page);
      const total = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
      console.log(`  playground, first load: ${(total / 1024).toFixed(0)} KiB of assets`);
      expect(total).toBeLessThan(2048 * 1024);
    });
  });

  test("every stop of the tour answers", () =>
    open("/", { viewport: desktop }, async (page) => {
      await ready(page);
      for (const [tab, field] of [["Conversation", "chatMessages"], ["OverTime", "activity"], ["Leaderboard", "userStats"], ["TopTracks", "topTracks"], ["Say", "sendChatMessage"]] as const) {
        await page.getByRole("button", { name: tab, exact: true }).click();
        await run(page).click();
        await expect.poll(() => answer(page), { timeout: 20_000, message: tab }).toContain(`"${field}"`);
        expect(await answer(page)).not.toContain('"errors"');
      }
    }));

  test("a subscription shows what another program writes", () =>
    open("/", { viewport: desktop }, async (page) => {
      await ready(page);
      await page.getByRole("button", { name: "Live", exact: true }).click();
      const subscribed = page.waitForEvent("websocket").then((socket) => socket.waitForEvent("framesent", (frame) => String(frame.payload).includes('"subscribe"')));
      await run(page).click();
      await subscribed;
      // The server listens a moment after it was asked to, and says nothing of it: so write until it is heard.
      await expect
        .poll(
          async () => {
            await sql("insert into chat_messages (id, clerk_id, role, content, created_at) select gen_random_uuid(), id, 'user', 'heard it live', now() from neon_auth.users_sync where name = 'Amara Okafor'");
            return answer(page);
          },
          { timeout: 30_000, interval: 1_000 },
        )
        .toContain("heard it live");
    }));

  test("somebody else is picked, and is who asks", () =>
    open("/", { viewport: desktop }, async (page) => {
      await ready(page);
      await page.getByTestId("identity").click();
      await page.getByRole("button", { name: /analyst$/ }).click();
      await page.getByTestId("identity").getByText("Lena Fischer").waitFor();
      await run(page).click();
      await expect.poll(() => answer(page), { timeout: 20_000 }).toContain("lena.fischer@example.com");
    }));

  test("the explorer and the documentation open", () =>
    open("/", { viewport: desktop }, async (page) => {
      await ready(page);
      await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
      await page.locator(".graphiql-doc-explorer").getByText("Query", { exact: true }).first().waitFor();
      await page.getByRole("button", { name: "Show GraphiQL Explorer" }).click();
      await page.locator(".graphiql-explorer-root, .docExplorerWrap").first().waitFor();
    }));
});
