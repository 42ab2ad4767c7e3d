import { type ReactNode, useMemo, useState } from "react";
import { ThumbDown, ThumbUp } from "../page/icons";
import { ActivityDocument, type ActivityQuery, type PointFragment } from "../gql/operations";
import { Card } from "./Card";
import { average, bucketName, number, share, spanName, tickLabel } from "./format";
import type { Table } from "./save";
import { type Line, TimeChart } from "./TimeChart";
import { type Query, useQuery } from "./useQuery";
import { type Span, spanBefore, timeRange, type View } from "./view";

type Points = PointFragment[];
type Measure = "messages" | "likes" | "feedbackUp" | "feedbackDown" | "activeUsers";

const total = (points: Points, measure: Measure) => points.reduce((sum, point) => sum + point[measure], 0);

interface Shared {
  view: View;
  span: Span;
  query: Query<ActivityQuery>;
  hovered: number | undefined;
  onHover(index: number | undefined): void;
  onWiden: (() => void) | undefined;
}

/** The four measures over time. Pointing at a bucket in one shows that bucket in all. */
export function Charts({ view, span, user, round, onWiden }: { view: View; span: Span; user: string; round: number; onWiden: (() => void) | undefined }) {
  const query = useQuery(
    ActivityDocument,
    { range: timeRange(span), before: timeRange(spanBefore(view, span)), compare: view.compare, bucket: view.bucket, timeZone: view.timeZone, userId: user || null },
    round,
  );
  const [hovered, onHover] = useState<number>();
  const shared = { view, span, query, hovered, onHover, onWiden };
  return (
    <div className="charts">
      <Counts title="Messages" measure="messages" color="--messages" {...shared} />
      <Counts title="Likes" measure="likes" color="--likes" {...shared} />
      <Feedback {...shared} />
      <Active personal={user !== ""} {...shared} />
    </div>
  );
}

function Counts({ title, measure, color, ...shared }: Shared & { title: string; measure: Measure; color: string }) {
  const { now, before } = shared.query.data ?? { now: [] };
  const figure = figureOf(shared, now, before, (points) => total(points, measure));
  return (
    <ChartCard title={title} {...shared} columns={[{ name: title, measure, color }]} empty={total(now, measure) === 0}>
      <Figure value={number(figure.now)} now={figure.now} before={figure.before} where={figure.where} />
    </ChartCard>
  );
}

function Feedback(shared: Shared) {
  const { now, before } = shared.query.data ?? { now: [] };
  const up = figureOf(shared, now, before, (points) => total(points, "feedbackUp"));
  const down = figureOf(shared, now, before, (points) => total(points, "feedbackDown"));
  const ratio = up.now + down.now > 0 ? up.now / (up.now + down.now) : undefined;
  return (
    <ChartCard
      title="Feedback"
      {...shared}
      columns={[
        { name: "Up", measure: "feedbackUp", color: "--up" },
        { name: "Down", measure: "feedbackDown", color: "--down", below: true },
      ]}
      empty={total(now, "feedbackUp") + total(now, "feedbackDown") === 0}
    >
      <Figure value={ratio === undefined ? "–" : `${share(ratio)} up`} where={up.where}>
        <span className="ratio">
          <span className="ratio-up"><ThumbUp /> <span className="hidden">Up</span> {number(up.now)}</span>
          <span className="ratio-bar" aria-hidden="true"><i style={{ width: `${(ratio ?? 0) * 100}%` }} /></span>
          <span className="ratio-down"><ThumbDown /> <span className="hidden">Down</span> {number(down.now)}</span>
        </span>
      </Figure>
    </ChartCard>
  );
}

const each = { HOUR: "an hour", DAY: "a day", WEEK: "a week", MONTH: "a month" };
const active = { HOUR: "Active hours", DAY: "Active days", WEEK: "Active weeks", MONTH: "Active months" };

/** People are not additive over buckets, so the figure is a mean; of one person it is how many buckets had something. */
function Active({ personal, ...shared }: Shared & { personal: boolean }) {
  const { bucket } = shared.view;
  const { now, before } = shared.query.data ?? { now: [] };
  const sum = (points: Points) => total(points, "activeUsers");
  const mean = (points: Points) => (points.length > 0 ? sum(points) / points.length : 0);
  const figure = figureOf(shared, now, before, personal ? sum : mean);
  const title = personal ? active[bucket] : "Active people";
  const value = personal && shared.hovered === undefined ? `${number(figure.now)} of ${number(now.length)}` : average(figure.now);
  return (
    <ChartCard title={title} {...shared} columns={[{ name: title, measure: "activeUsers", color: "--active" }]} empty={sum(now) === 0} alone={personal}>
      <Figure value={value} unit={personal || figure.where ? "" : `${each[bucket]} on average`} now={figure.now} before={figure.before} where={figure.where} />
    </ChartCard>
  );
}

/** The figure of the bucket pointed at, else of the whole range; and the same of the period before. */
function figureOf({ view, hovered, query }: Shared, now: Points, before: Points | undefined, sum: (points: Points) => number) {
  const point = hovered === undefined ? undefined : now[hovered];
  if (!point || !query.data) return { now: sum(now), before: before && sum(before), where: "" };
  const earlier = before?.[hovered!];
  return { now: sum([point]), before: earlier && sum([earlier]), where: bucketName(point.start, view.bucket, view.timeZone) };
}

interface Column {
  name: string;
  measure: Measure;
  color: string;
  below?: boolean;
}

interface ChartCardProps extends Shared {
  title: string;
  columns: Column[];
  empty: boolean;
  /** Without the period before: a line that only ever is at 0 or 1 is noise. */
  alone?: boolean;
  children: ReactNode;
}

function ChartCard({ title, view, span, query, columns, empty, alone = false, hovered, onHover, onWiden, children }: ChartCardProps) {
  const { now, before } = query.data ?? { now: [] };
  const { bucket, timeZone } = view;
  const lines = useMemo<Line[]>(() => columns.map(({ name, color, measure, below = false }) => ({ name, color, below, values: now.map((point) => point[measure]) })), [query.data]);
  const earlier = useMemo(() => (alone ? undefined : before?.map((point) => point[columns[0]!.measure])), [query.data, alone]);
  const ticks = useMemo(() => now.map(({ start }) => tickLabel(start, bucket, timeZone, now.length)), [query.data]);
  const table: Table = {
    title,
    columns: ["Start", ...columns.map(({ name }) => name), ...(before ? columns.map(({ name }) => `${name}, period before`) : [])],
    rows: now.map((point, index) => [
      bucketName(point.start, bucket, timeZone),
      ...columns.map(({ measure }) => point[measure]),
      ...(before ? columns.map(({ measure }) => before[index]?.[measure] ?? 0) : []),
    ]),
  };
  const describe = (index: number) => {
    const point = now[index];
    return point ? `${bucketName(point.start, bucket, timeZone)}: ${columns.map(({ name, measure }) => `${number(point[measure])} ${name}`).join(", ")}` : "";
  };
  return (
    <Card
      title={title}
      className="chart-card"
      query={query}
      table={table}
      subtitle={`${spanName(span, timeZone, view.range === "24h")} · ${timeZone}`}
      picture
      empty={empty ? <Nothing title={title} onWiden={onWiden} /> : undefined}
    >
      {children}
      <TimeChart name={title} lines={lines} before={earlier} ticks={ticks} describe={describe} hovered={hovered} onHover={onHover} />
    </Card>
  );
}

function Nothing({ title, onWiden }: { title: string; onWiden: (() => void) | undefined }) {
  return (
    <>
      <p>No {title.toLowerCase()} in this time.</p>
      {onWiden && <button type="button" className="button" onClick={onWiden}>Look at 12 months</button>}
    </>
  );
}

interface FigureProps {
  value: string;
  unit?: string;
  now?: number;
  before?: number | undefined;
  where: string;
  children?: ReactNode;
}

function Figure({ value, unit, now, before, where, children }: FigureProps) {
  return (
    <div className="figure">
      <span className="figure-value" data-value={now}>{value}</span>
      {unit && <span className="figure-unit">{unit}</span>}
      {children}
      {now !== undefined && before !== undefined && <Change now={now} before={before} />}
      {where && <span className="figure-where">{where}</span>}
    </div>
  );
}

function Change({ now, before }: { now: number; before: number }) {
  const was = average(before);
  if (before === 0) return <span className="change">{now === 0 ? "as before" : "none before"}</span>;
  const ratio = (now - before) / before;
  if (Math.abs(ratio) < 0.005) return <span className="change">as before</span>;
  const text = Math.abs(ratio) >= 10 ? `× ${average(now / before)}` : share(Math.abs(ratio));
  return (
    <span className={ratio > 0 ? "change more" : "change less"} title={`${was} in the period before`}>
      <span aria-hidden="true">{ratio > 0 ? "↑" : "↓"}</span> <span className="hidden">{ratio > 0 ? "up" : "down"}</span> {text}
      <span className="hidden">, from {was} in the period before</span>
    </span>
  );
}
