import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { open, segue, serious, sql, useBrowser } from "./browser";

const desktop = { width: 1440, height: 1000 };
const phone = { width: 390, height: 844 };
const live = "neon_auth.users_sync u where u.id = x.clerk_id and u.deleted_at is null";

/** Three weeks in the past: nothing happens there while tests run. */
const ended = new Date(Date.now() - 5 * 86_400_000);
const began = new Date(Date.now() - 25 * 86_400_000);
const [from, to] = [began, ended].map((day) => day.toISOString().slice(0, 10));
const past = `range=custom&from=${from}&to=${to}&tz=America%2FNew_York`;
const inPast = `created_at >= '${from}'::timestamp at time zone 'America/New_York' and created_at < ('${to}'::date + 1)::timestamp at time zone 'America/New_York'`;

const card = (page: Page, title: string) => page.getByRole("region", { name: title, exact: true });
const figure = (page: Page, title: string) => card(page, title).locator(".figure-value");
const loaded = async (page: Page) => {
  await card(page, "Messages").locator("canvas").waitFor();
  await card(page, "Leaderboard").getByRole("button", { name: "Save Leaderboard as CSV" }).waitFor();
  await card(page, "Top tracks").getByRole("listitem").first().waitFor();
};
const whole = (text: string | null) => Number((text ?? "").replace(/\D/g, ""));

describe.skipIf(!segue)("dashboard", () => {
  useBrowser();

  for (const colorScheme of ["light", "dark"] as const) {
    for (const [name, viewport] of [["desktop", desktop], ["phone", phone]] as const) {
      test(`${colorScheme}, ${name}: complete, nothing serious for axe`, () =>
        open("/dashboard", { colorScheme, viewport }, async (page) => {
          await loaded(page);
          expect(await serious(page)).toEqual([]);
          expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
          if (process.env["SCREENSHOTS"]) await page.screenshot({ path: `../docs/images/dashboard-${colorScheme}-${name}.png`, fullPage: name === "desktop", animations: "disabled" });
          await page.getByTestId("identity").click();
          await page.getByText("Be one of the sample people").waitFor();
          expect(await serious(page)).toEqual([]);
        }));
    }
  }

  test("the first load is under 300 KB compressed", () => {
    const sizes: Promise<number>[] = [];
    return open("/healthz", { viewport: desktop }, async (page) => {
      page.on("response", (response) => {
        if (new URL(response.url()).pathname.startsWith("/assets/")) sizes.push(response.request().sizes().then((size) => size.responseBodySize));
      });
      await page.goto(`${segue!.url}/dashboard`);
      await loaded(page);
      const total = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
      console.log(`  dashboard, first load: ${(total / 1024).toFixed(0)} KiB of assets`);
      expect(total).toBeGreaterThan(10_000);
      expect(total).toBeLessThan(300 * 1024);
    });
  });

  test("an analyst's numbers are those of the database", () =>
    open(`/dashboard?${past}`, { viewport: desktop }, async (page) => {
      await loaded(page);
      const count = async (table: string, and = "") => (await sql<{ n: number }>(`select count(*)::int n from ${table} x where ${inPast} ${and} and exists (select from ${live})`))[0]!.n;
      const [messages, likes] = [await count("chat_messages"), await count("track_likes")];
      const [up, down] = [await count("message_feedback", "and rating = 1"), await count("message_feedback", "and rating = -1")];
      expect(messages).toBeGreaterThan(100);
      expect(whole(await figure(page, "Messages").textContent())).toBe(messages);
      expect(whole(await figure(page, "Likes").textContent())).toBe(likes);
      expect(await figure(page, "Feedback").textContent()).toBe(`${Math.round((100 * up) / (up + down))}% up`);
      expect(whole(await card(page, "Feedback").locator(".ratio-up").textContent())).toBe(up);
      expect(whole(await card(page, "Feedback").locator(".ratio-down").textContent())).toBe(down);
    }));

  test("the table of a chart has every day's number, in the chosen time zone", () =>
    open(`/dashboard?${past}`, { viewport: desktop }, async (page) => {
      await loaded(page);
      await card(page, "Messages").getByRole("button", { name: "Table" }).click();
      const shown = await card(page, "Messages").locator("tbody td:nth-of-type(1)").allTextContents();
      const days = await sql<{ n: number }>(
        `select count(x.id)::int n from generate_series('${from}'::timestamp, '${to}'::timestamp, '1 day') day
         left join (select x.id, x.created_at at time zone 'America/New_York' at from chat_messages x where exists (select from ${live})) x on x.at >= day and x.at < day + interval '1 day'
         group by day order by day`,
      );
      expect(shown.map(Number)).toEqual(days.map(({ n }) => n));
    }));

  test("the leaderboard pages through everyone in the database's order", () =>
    open(`/dashboard?${past}`, { viewport: desktop }, async (page) => {
      await loaded(page);
      const ranks = await sql<{ name: string; n: number }>(
        `select coalesce(u.name, u.id) as name, (select count(*)::int from chat_messages where clerk_id = u.id and ${inPast}) n
         from neon_auth.users_sync u where u.deleted_at is null order by n desc, u.id collate "C"`,
      );
      const board = card(page, "Leaderboard");
      const names = () => board.locator(".person-link > span:last-child").allTextContents();
      expect(await names()).toEqual(ranks.slice(0, 10).map(({ name }) => name));
      expect((await board.locator("tbody td:nth-of-type(2)").allTextContents()).map(whole)).toEqual(ranks.slice(0, 10).map(({ n }) => n));
      await board.getByRole("button", { name: "Next page" }).click();
      await board.getByText(`11–20 of ${ranks.length}`).waitFor();
      await expect.poll(names).toEqual(ranks.slice(10, 20).map(({ name }) => name)); // the last page's rows stay until these come
      await board.getByRole("button", { name: "Previous page" }).click();
      await board.getByText(`1–10 of ${ranks.length}`).waitFor();
      await expect.poll(names).toEqual(ranks.slice(0, 10).map(({ name }) => name));
    }));

  test("top tracks are those of the database", () =>
    open(`/dashboard?${past}`, { viewport: desktop }, async (page) => {
      await loaded(page);
      const tracks = await sql<{ n: number }>(`select count(*)::int n from track_likes x where ${inPast} and exists (select from ${live}) group by track_id order by n desc, track_id limit 10`);
      expect((await card(page, "Top tracks").locator(".track-likes").allTextContents()).map(whole)).toEqual(tracks.map(({ n }) => n));
    }));

  test("an analyst goes down to one person and back", () =>
    open(`/dashboard?${past}`, { viewport: desktop }, async (page) => {
      await loaded(page);
      const first = card(page, "Leaderboard").locator("tbody tr").first();
      const name = (await first.locator(".person-link > span:last-child").textContent())!;
      const messages = whole(await first.locator("td:nth-of-type(2)").textContent());
      await first.getByRole("button").click();
      await page.getByRole("heading", { level: 1, name }).waitFor();
      await card(page, "Last messages").getByRole("listitem").first().waitFor();
      await expect.poll(async () => whole(await figure(page, "Messages").textContent())).toBe(messages);
      expect(await serious(page)).toEqual([]);
      if (process.env["SCREENSHOTS"]) await page.screenshot({ path: "../docs/images/dashboard-person.png", animations: "disabled" });
      await page.goBack();
      await page.getByRole("heading", { level: 1, name: "Everyone" }).waitFor();
    }));

  test("a user sees its own numbers and nobody else's", () =>
    open(`/dashboard?${past}`, { viewport: desktop }, async (page) => {
      await loaded(page);
      await page.getByTestId("identity").click();
      await page.getByRole("button", { name: /user$/ }).click();
      await card(page, "Last messages").getByRole("listitem").first().waitFor();
      const name = (await page.getByRole("heading", { level: 1 }).textContent())!;
      const own = await sql<{ n: number }>(`select count(*)::int n from chat_messages x join neon_auth.users_sync u on u.id = x.clerk_id where u.name = $1 and x.${inPast.replace(" created_at", " x.created_at")}`, name);
      expect(own[0]!.n).toBeGreaterThan(0);
      await expect.poll(async () => whole(await figure(page, "Messages").textContent())).toBe(own[0]!.n);
      expect(await card(page, "Leaderboard").count()).toBe(0);
    }));

  test("what another program writes is counted live, and the numbers follow", () =>
    open("/dashboard?range=7d", { viewport: desktop }, async (page) => {
      await loaded(page);
      await page.locator("[data-live=live]").waitFor();
      const before = whole(await figure(page, "Messages").textContent());
      await sql("insert into chat_messages (id, clerk_id, role, content, created_at) select gen_random_uuid(), id, 'user', 'are you live?', now() from neon_auth.users_sync where deleted_at is null order by id limit 1");
      await expect.poll(() => page.locator("[data-live-count=messages]").textContent(), { timeout: 20_000 }).toBe("1");
      await expect.poll(async () => whole(await figure(page, "Messages").textContent()), { timeout: 20_000 }).toBe(before + 1);
    }));

  test("without a socket it reads every half a minute", () =>
    open("/healthz", { viewport: desktop }, async (page) => {
      await page.routeWebSocket(/graphql/, (socket) => socket.close({ code: 4400, reason: "no sockets here" }));
      await page.goto(`${segue!.url}/dashboard`);
      await page.locator("[data-live=polling]").waitFor();
      await loaded(page);
    }));

  test("a bad token is told, and the view survives the next sign-in", () =>
    open("/dashboard?range=90d", { viewport: desktop }, async (page) => {
      await loaded(page);
      await page.getByTestId("identity").click();
      const panel = page.getByRole("dialog");
      await panel.getByLabel("Paste a token").fill("not a token");
      await panel.getByRole("button", { name: "Use it" }).click();
      await panel.getByText("neither a session token nor an API key").waitFor();
      await panel.getByLabel("Paste a token").fill("Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyX3gifQ.c2ln");
      await panel.getByRole("button", { name: "Use it" }).click();
      await page.getByRole("heading", { name: "That session has ended" }).waitFor();
      expect(await serious(page)).toEqual([]);
      await page.getByRole("main").getByRole("button", { name: /analyst$/ }).click();
      await loaded(page);
      expect(await page.getByLabel("90 days").isChecked()).toBe(true);
    }, [/401/]));

  test("Clerk's sign-in gives the tokens, fresh for each request", () =>
    open("/healthz", { viewport: desktop }, async (page) => {
      // A Clerk instance of our own: its library, as much of it as the pages use. Its host's answers never leave this test.
      const host = "test.clerk.invalid";
      const key = `pk_test_${btoa(`${host}$`)}`;
      const analyst = (await (await page.request.get(`${segue!.url}/dashboard`)).text()).match(/"role":"analyst","token":"([^"]+)"/)![1];
      await page.route("**/dashboard", async (route) => {
        const answer = await route.fetch();
        const html = (await answer.text()).replace(/(id="segue-config">).*?(<\/script>)/, (_, start, end) => start + JSON.stringify({ clerkPublishableKey: key }) + end);
        const policy = answer.headers()["content-security-policy"]!.replace("script-src", `script-src https://${host}`);
        await route.fulfill({ response: answer, body: html, headers: { ...answer.headers(), "content-security-policy": policy } });
      });
      await page.route(`https://${host}/**`, (route) =>
        route.fulfill({
          contentType: "text/javascript",
          headers: { "access-control-allow-origin": "*" },
          body: `let tell; let asked = 0;
            window.Clerk = { load: async () => {}, session: null, signOut: async () => {}, addListener: (listener) => (tell = listener, () => {}),
              openSignIn() { this.session = { getToken: async () => (document.title = "asked " + ++asked, ${JSON.stringify(analyst)}) }; tell({ session: this.session }) } };`,
        }),
      );
      await page.goto(`${segue!.url}/dashboard`);
      await page.getByRole("heading", { name: "Whose numbers?" }).waitFor();
      await page.getByRole("main").getByRole("button", { name: "Sign in with Clerk" }).click();
      await loaded(page);
      expect(Number((await page.title()).split(" ")[1])).toBeGreaterThan(3);
      // A page that a test made up is of no network at all to Chromium, which then keeps its sockets from this one.
    }, [/left the host: https:\/\/test\.clerk\.invalid\/npm\/@clerk\/clerk-js@5\//, /LOCAL_NETWORK_ACCESS/]));

  test("an empty time says so", () =>
    open("/dashboard?range=custom&from=1999-01-01&to=1999-01-14", { viewport: desktop }, async (page) => {
      await card(page, "Messages").getByText("No messages in this time.").waitFor();
      expect(await serious(page)).toEqual([]);
      await card(page, "Messages").getByRole("button", { name: "Look at 12 months" }).click();
      await card(page, "Messages").locator("canvas").waitFor();
    }));

  test("a failing server is told, and asked again", () =>
    open("/dashboard", { viewport: desktop }, async (page) => {
      await loaded(page);
      const refusal = { errors: [{ message: "the database does not answer", extensions: { code: "UNAVAILABLE", retryAfterMs: 600_000 } }] };
      await page.route("**/graphql", (route) => route.fulfill({ status: 503, json: refusal }));
      await page.getByLabel("7 days").check();
      await card(page, "Messages").getByText("The database is not answering").waitFor();
      expect(await serious(page)).toEqual([]);
      await page.unroute("**/graphql");
      await card(page, "Messages").getByRole("button", { name: "Try again" }).click();
      await card(page, "Messages").getByText("The database is not answering").waitFor({ state: "detached" });
    }, [/503/]));

  test("charts are read by keyboard, and saved", () =>
    open(`/dashboard?${past}`, { viewport: desktop }, async (page) => {
      await loaded(page);
      const chart = card(page, "Messages").getByRole("slider");
      await chart.focus();
      await page.keyboard.press("Home");
      expect(await chart.getAttribute("aria-valuenow")).toBe("1");
      await page.keyboard.press("ArrowRight");
      const said = await chart.getAttribute("aria-valuetext");
      const second = await card(page, "Messages").locator(".figure-value").textContent();
      expect(said).toContain(`: ${second} Messages`);
      const saved = async (button: string) => {
        const [download] = await Promise.all([page.waitForEvent("download"), card(page, "Messages").getByRole("button", { name: button }).click()]);
        return download;
      };
      const csv = await saved("Save Messages as CSV");
      expect(csv.suggestedFilename()).toBe("segue-messages.csv");
      const lines = Buffer.concat(await (await csv.createReadStream()).toArray()).toString().trimEnd().split("\r\n");
      expect(lines[0]).toBe("\ufeffStart,Messages,\"Messages, period before\"");
      expect(lines.length).toBe(1 + Number(await chart.getAttribute("aria-valuemax")));
      const png = Buffer.concat(await (await (await saved("Save Messages as PNG")).createReadStream()).toArray());
      expect(png.subarray(1, 4).toString()).toBe("PNG");
      expect(png.length).toBeGreaterThan(5_000);
    }));
});
