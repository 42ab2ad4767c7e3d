// Calendar arithmetic in a named time zone, on what Intl knows. Enough for the edges of ranges; the server does the rest.

export interface Day {
  year: number;
  month: number; // 1 to 12
  day: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(timeZone: string): Intl.DateTimeFormat {
  let known = formats.get(timeZone);
  if (!known) {
    known = new Intl.DateTimeFormat("en-GB", { timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" });
    formats.set(timeZone, known);
  }
  return known;
}

/** What a clock on the wall shows, as if it were UTC. */
function wall(instant: Date, timeZone: string): number {
  const part: Record<string, number> = {};
  for (const { type, value } of format(timeZone).formatToParts(instant)) part[type] = Number(value);
  return Date.UTC(part["year"]!, part["month"]! - 1, part["day"]!, part["hour"]!, part["minute"]!, part["second"]!);
}

export function dayOf(instant: Date, timeZone: string): Day {
  const shown = new Date(wall(instant, timeZone));
  return { year: shown.getUTCFullYear(), month: shown.getUTCMonth() + 1, day: shown.getUTCDate() };
}

/** The instant a wall clock shows `shown` (as if UTC). An hour that DST skips is read with the offset before the jump. */
function instantOf(shown: number, timeZone: string): Date {
  const offset = (at: number) => wall(new Date(at), timeZone) - Math.floor(at / 1000) * 1000;
  const guess = shown - offset(shown);
  const exact = shown - offset(guess);
  return new Date(wall(new Date(exact), timeZone) === shown ? exact : Math.max(guess, exact));
}

/** The first instant of a day. Days and months may overflow: day 0 is the last of the month before. */
export function startOfDay({ year, month, day }: Day, timeZone: string): Date {
  return instantOf(Date.UTC(year, month - 1, day), timeZone);
}

/** The same time on the wall clock, so many days and months away. A day that its month lacks becomes the month's last. */
export function shift(instant: Date, by: { days?: number; months?: number }, timeZone: string): Date {
  const shown = new Date(wall(instant, timeZone));
  if (by.months) {
    const day = shown.getUTCDate();
    shown.setUTCDate(1);
    shown.setUTCMonth(shown.getUTCMonth() + by.months);
    shown.setUTCDate(Math.min(day, new Date(Date.UTC(shown.getUTCFullYear(), shown.getUTCMonth() + 1, 0)).getUTCDate()));
  }
  shown.setUTCDate(shown.getUTCDate() + (by.days ?? 0));
  return instantOf(shown.getTime(), timeZone);
}

export function parseDay(text: string | null | undefined): Day | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text ?? "");
  if (!parts) return undefined;
  const day = { year: Number(parts[1]), month: Number(parts[2]), day: Number(parts[3]) };
  return Number.isNaN(Date.parse(text!)) ? undefined : day;
}

export function printDay({ year, month, day }: Day): string {
  return `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
}

export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

export function knownZone(timeZone: string): boolean {
  try {
    format(timeZone);
    return true;
  } catch {
    return false;
  }
}

/** Every zone the browser knows, UTC and the viewer's own first. */
export function zones(): string[] {
  return [...new Set(["UTC", ownZone(), ...Intl.supportedValuesOf("timeZone")])];
}
