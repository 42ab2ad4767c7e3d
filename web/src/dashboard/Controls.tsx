import { useMemo } from "react";
import type { Bucket } from "../gql/operations";
import { bucketsFor, rangeNames, type View, withBucket } from "./view";
import { zones } from "./zone";

const bucketNames: Record<Bucket, string> = { HOUR: "by hour", DAY: "by day", WEEK: "by week", MONTH: "by month" };

/** What is shown: range, bucket, time zone, comparison. */
export function Controls({ view, now, onChange }: { view: View; now: Date; onChange(view: View): void }) {
  const change = (part: Partial<View>) => {
    const next = { ...view, ...part };
    onChange(withBucket(next, part.range && part.range !== view.range ? undefined : next.bucket, now));
  };
  return (
    <div className="controls">
      <fieldset className="segments">
        <legend className="hidden">Range</legend>
        {rangeNames.map(({ name, short }) => (
          <label key={name}>
            <input type="radio" name="range" value={name} checked={view.range === name} onChange={() => change({ range: name })} />
            <span>{short}</span>
          </label>
        ))}
      </fieldset>
      {view.range === "custom" && (
        <span className="days">
          <input type="date" className="input" aria-label="First day" value={view.from} max={view.to} onChange={(event) => event.target.value && change({ from: event.target.value })} />
          <span aria-hidden="true">–</span>
          <input type="date" className="input" aria-label="Last day" value={view.to} min={view.from} onChange={(event) => event.target.value && change({ to: event.target.value })} />
        </span>
      )}
      <select className="input select" aria-label="Bucket" value={view.bucket} onChange={(event) => change({ bucket: event.target.value as Bucket })}>
        {bucketsFor(view, now).map((bucket) => <option key={bucket} value={bucket}>{bucketNames[bucket]}</option>)}
      </select>
      <ZonePicker value={view.timeZone} onChange={(timeZone) => change({ timeZone })} />
      <label className="switch">
        <input type="checkbox" role="switch" checked={view.compare} onChange={(event) => change({ compare: event.target.checked })} />
        <span>Compare</span>
      </label>
    </div>
  );
}

function ZonePicker({ value, onChange }: { value: string; onChange(zone: string): void }) {
  const all = useMemo(() => [...new Set([value, ...zones()])], [value]);
  return (
    <select className="input select zone" aria-label="Time zone" value={value} onChange={(event) => onChange(event.target.value)}>
      {all.map((zone) => <option key={zone} value={zone}>{zone.replaceAll("_", " ")}</option>)}
    </select>
  );
}
