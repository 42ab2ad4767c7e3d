// Numbers and times for people, in their browser's language.
import type { Bucket } from "../gql/operations";
import type { Span } from "./view";

const whole = new Intl.NumberFormat();
const oneDigit = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });

export const number = (n: number) => whole.format(n);
export const average = (n: number) => oneDigit.format(n);
export const short = (n: number) => (Math.abs(n) < 10_000 ? whole.format(n) : compact.format(n));
export const share = (n: number) => percent.format(n);

const formats = new Map<string, Intl.DateTimeFormat>();

function format(timeZone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = timeZone + JSON.stringify(options);
  let known = formats.get(key);
  if (!known) formats.set(key, (known = new Intl.DateTimeFormat(undefined, { timeZone, ...options })));
  return known;
}

const tick: Record<Bucket, Intl.DateTimeFormatOptions> = {
  HOUR: { hour: "numeric", minute: "2-digit" },
  DAY: { day: "numeric", month: "short" },
  WEEK: { day: "numeric", month: "short" },
  MONTH: { month: "short", year: "2-digit" },
};
const full: Record<Bucket, Intl.DateTimeFormatOptions> = {
  HOUR: { weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit" },
  DAY: { weekday: "short", day: "numeric", month: "short", year: "numeric" },
  WEEK: { day: "numeric", month: "short", year: "numeric" },
  MONTH: { month: "long", year: "numeric" },
};

/** A bucket's label on an axis: over more than two days, hours are named by their day. */
export function tickLabel(start: string, bucket: Bucket, timeZone: string, points: number): string {
  const options = bucket === "HOUR" && points > 48 ? tick.DAY : tick[bucket];
  return format(timeZone, options).format(new Date(start));
}

/** A bucket's name where there is room for it. */
export function bucketName(start: string, bucket: Bucket, timeZone: string): string {
  const text = format(timeZone, full[bucket]).format(new Date(start));
  return bucket === "WEEK" ? `week of ${text}` : text;
}

export function spanName({ from, to }: Span, timeZone: string, hours: boolean): string {
  const options: Intl.DateTimeFormatOptions = hours ? { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" } : { day: "numeric", month: "short", year: "numeric" };
  return format(timeZone, options).formatRange(from, new Date(to.getTime() - 1));
}

export function moment(instant: string, timeZone: string): string {
  return format(timeZone, { dateStyle: "medium", timeStyle: "short" }).format(new Date(instant));
}

export function date(instant: string, timeZone: string): string {
  return format(timeZone, { dateStyle: "medium" }).format(new Date(instant));
}

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

/** "3 hr. ago", or the date when that is long ago. */
export function ago(instant: string, timeZone: string, now = Date.now()): string {
  const seconds = Math.round((new Date(instant).getTime() - now) / 1000);
  const size = Math.abs(seconds);
  if (size < 60) return "just now";
  if (size < 3600) return relative.format(Math.trunc(seconds / 60), "minute");
  if (size < 86_400) return relative.format(Math.trunc(seconds / 3600), "hour");
  if (size < 14 * 86_400) return relative.format(Math.trunc(seconds / 86_400), "day");
  return date(instant, timeZone);
}
