// What the dashboard shows, as its address says it: a link to a view is a link to the same view. No credential is ever in it.
import type { Bucket, TimeRange, UserStatsOrder } from "../gql/operations";
import { dayOf, knownZone, ownZone, parseDay, printDay, shift, startOfDay } from "./zone";

export type RangeName = "24h" | "7d" | "30d" | "90d" | "12m" | "custom";

export interface View {
  range: RangeName;
  /** First and last day of a custom range, both inside. */
  from: string;
  to: string;
  bucket: Bucket;
  timeZone: string;
  compare: boolean;
  /** Whose numbers; everyone's when empty. */
  user: string;
  order: UserStatsOrder;
}

export interface Span {
  from: Date;
  to: Date;
}

export const rangeNames: { name: RangeName; short: string; long: string }[] = [
  { name: "24h", short: "24 h", long: "the last 24 hours" },
  { name: "7d", short: "7 days", long: "the last 7 days" },
  { name: "30d", short: "30 days", long: "the last 30 days" },
  { name: "90d", short: "90 days", long: "the last 90 days" },
  { name: "12m", short: "12 months", long: "the last 12 months" },
  { name: "custom", short: "Custom", long: "these days" },
];

const hour = 3600_000;
const day = 24 * hour;
const widths: Record<Bucket, number> = { HOUR: hour, DAY: day, WEEK: 7 * day, MONTH: 30 * day };
const usual: Record<RangeName, Bucket> = { "24h": "HOUR", "7d": "DAY", "30d": "DAY", "90d": "DAY", "12m": "WEEK", custom: "DAY" };

/** Buckets that make a readable chart of the range: more than one, and no more than the server's 1,000. */
export function bucketsFor(view: Pick<View, "range" | "from" | "to" | "timeZone">, now: Date): Bucket[] {
  const { from, to } = span(view, now);
  const length = to.getTime() - from.getTime();
  const fitting = (Object.keys(widths) as Bucket[]).filter((bucket) => length / widths[bucket] <= 750 && length / widths[bucket] > 1);
  return fitting.length > 0 ? fitting : ["HOUR"];
}

/** The range in time. A named one ends with the coming minute, so that what has just happened is inside. */
export function span(view: Pick<View, "range" | "from" | "to" | "timeZone">, now: Date): Span {
  const { timeZone } = view;
  const to = new Date(Math.floor(now.getTime() / 60_000 + 1) * 60_000);
  const today = dayOf(now, timeZone);
  const back = (days: number) => startOfDay({ ...today, day: today.day - days + 1 }, timeZone);
  switch (view.range) {
    case "24h":
      return { from: new Date(Math.floor(now.getTime() / hour) * hour - 23 * hour), to };
    case "7d":
      return { from: back(7), to };
    case "30d":
      return { from: back(30), to };
    case "90d":
      return { from: back(90), to };
    case "12m":
      return { from: startOfDay({ ...today, month: today.month - 11, day: 1 }, timeZone), to };
    case "custom": {
      const first = parseDay(view.from) ?? today;
      const last = parseDay(view.to) ?? today;
      const from = startOfDay(first, timeZone);
      const end = startOfDay({ ...last, day: last.day + 1 }, timeZone);
      return end > from ? { from, to: end } : { from, to: startOfDay({ ...first, day: first.day + 1 }, timeZone) };
    }
  }
}

/** The stretch before, as long on the calendar and no further into its last bucket than now is. */
export function spanBefore(view: Pick<View, "range" | "timeZone">, { from, to }: Span): Span {
  const { timeZone } = view;
  const by = (amount: { days?: number; months?: number }) => ({ from: shift(from, amount, timeZone), to: shift(to, amount, timeZone) });
  switch (view.range) {
    case "24h":
      return { from: new Date(from.getTime() - day), to: new Date(to.getTime() - day) };
    case "7d":
      return by({ days: -7 });
    case "30d":
      return by({ days: -30 });
    case "90d":
      return by({ days: -90 });
    case "12m":
      return by({ months: -12 });
    case "custom":
      return by({ days: -Math.round((to.getTime() - from.getTime()) / day) });
  }
}

export function timeRange({ from, to }: Span): TimeRange {
  return { from: from.toISOString(), to: to.toISOString() };
}

const orders: UserStatsOrder[] = ["MESSAGE_COUNT", "LIKED_TRACKS", "LAST_ACTIVE_AT"];

/** Reads an address; whatever in it makes no sense is as if it were not there. */
export function readView(search: string, now: Date): View {
  const query = new URLSearchParams(search);
  const zone = query.get("tz") ?? "";
  const timeZone = zone && knownZone(zone) ? zone : ownZone();
  const today = dayOf(now, timeZone);
  const view: View = {
    range: rangeNames.find(({ name }) => name === query.get("range"))?.name ?? "30d",
    from: printDay(parseDay(query.get("from")) ?? dayOf(startOfDay({ ...today, day: today.day - 13 }, timeZone), timeZone)),
    to: printDay(parseDay(query.get("to")) ?? today),
    bucket: "DAY",
    timeZone,
    compare: query.get("compare") !== "no",
    user: query.get("user") ?? "",
    order: orders.find((order) => order === query.get("order")) ?? "MESSAGE_COUNT",
  };
  return withBucket(view, (query.get("by")?.toUpperCase() as Bucket) || undefined, now);
}

/** Takes the wish when it fits the range, else the range's usual bucket, else whatever fits. */
export function withBucket(view: View, wish: Bucket | undefined, now: Date): View {
  const fitting = bucketsFor(view, now);
  const bucket = [wish, usual[view.range]].find((choice) => choice && fitting.includes(choice)) ?? fitting[0]!;
  return { ...view, bucket };
}

/** The address of a view, without what goes without saying. */
export function printView(view: View): string {
  const query = new URLSearchParams();
  if (view.range !== "30d") query.set("range", view.range);
  if (view.range === "custom") {
    query.set("from", view.from);
    query.set("to", view.to);
  }
  if (view.bucket !== usual[view.range]) query.set("by", view.bucket.toLowerCase());
  if (view.timeZone !== ownZone()) query.set("tz", view.timeZone);
  if (!view.compare) query.set("compare", "no");
  if (view.user) query.set("user", view.user);
  if (view.order !== "MESSAGE_COUNT") query.set("order", view.order);
  const text = query.toString();
  return text ? `?${text}` : location.pathname;
}
