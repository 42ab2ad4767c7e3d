import { describe, expect, test } from "vitest";
import { bucketsFor, span, spanBefore, type View } from "./view";
import { shift, startOfDay } from "./zone";

const view = (part: Partial<View>): View => ({ range: "30d", from: "", to: "", bucket: "DAY", timeZone: "UTC", compare: true, user: "", order: "MESSAGE_COUNT", ...part });
const iso = ({ from, to }: { from: Date; to: Date }) => [from.toISOString(), to.toISOString()];

describe("days in a time zone", () => {
  test.each([
    ["UTC", { year: 2026, month: 3, day: 29 }, "2026-03-29T00:00:00.000Z"],
    ["Europe/Berlin", { year: 2026, month: 3, day: 29 }, "2026-03-28T23:00:00.000Z"],
    ["Europe/Berlin", { year: 2026, month: 3, day: 30 }, "2026-03-29T22:00:00.000Z"],
    ["Asia/Kathmandu", { year: 2026, month: 1, day: 1 }, "2025-12-31T18:15:00.000Z"],
    ["America/New_York", { year: 2026, month: 3, day: 0 }, "2026-02-28T05:00:00.000Z"],
    ["America/Santiago", { year: 2026, month: 9, day: 6 }, "2026-09-06T04:00:00.000Z"], // its midnight is skipped: the day starts at 01:00
  ])("%s %o", (zone, day, start) => expect(startOfDay(day, zone).toISOString()).toBe(start));

  test("a month back from the 31st is the month's last day", () =>
    expect(shift(new Date("2026-03-31T12:00:00Z"), { months: -1 }, "UTC").toISOString()).toBe("2026-02-28T12:00:00.000Z"));
});

describe("ranges", () => {
  const now = new Date("2026-03-31T12:34:56Z");

  test("thirty days over a change of clocks", () =>
    expect(iso(span(view({ timeZone: "Europe/Berlin" }), now))).toEqual(["2026-03-01T23:00:00.000Z", "2026-03-31T12:35:00.000Z"]));

  test("the period before ends at the same time of day", () => {
    const berlin = view({ timeZone: "Europe/Berlin" });
    expect(iso(spanBefore(berlin, span(berlin, now)))).toEqual(["2026-01-30T23:00:00.000Z", "2026-03-01T13:35:00.000Z"]);
  });

  test("twelve months start with a month", () => expect(iso(span(view({ range: "12m" }), now))[0]).toBe("2025-04-01T00:00:00.000Z"));

  test("custom days are both inside", () =>
    expect(iso(span(view({ range: "custom", from: "2026-03-28", to: "2026-03-29", timeZone: "Europe/Berlin" }), now))).toEqual(["2026-03-27T23:00:00.000Z", "2026-03-29T22:00:00.000Z"]));

  test("days the wrong way round are the first of them", () =>
    expect(iso(span(view({ range: "custom", from: "2026-03-28", to: "2026-03-01" }), now))).toEqual(["2026-03-28T00:00:00.000Z", "2026-03-29T00:00:00.000Z"]));

  test("buckets fit the range and the server's thousand points", () => {
    expect(bucketsFor(view({ range: "24h" }), now)).toEqual(["HOUR"]);
    expect(bucketsFor(view({ range: "12m" }), now)).toEqual(["DAY", "WEEK", "MONTH"]);
    expect(bucketsFor(view({ range: "custom", from: "2000-01-01", to: "2026-01-01" }), now)).toEqual(["MONTH"]);
  });
});
