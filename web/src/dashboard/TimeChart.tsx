import { type KeyboardEvent, useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useTheme } from "../page/theme";
import { short } from "./format";

export interface Line {
  name: string;
  /** The name of a colour of page.css, "--messages" for example. */
  color: string;
  values: number[];
  /** Drawn downwards, as thumbs down are. */
  below?: boolean;
}

interface Props {
  name: string;
  lines: Line[];
  /** The previous period's first line, drawn thin. */
  before: number[] | undefined;
  ticks: string[];
  /** What a point is in words. */
  describe(index: number): string;
  hovered: number | undefined;
  onHover(index: number | undefined): void;
}

const height = 190;
const barsUpTo = 100;

/**
 * One measure over time. The x axis counts buckets, not seconds: a month is as wide as another, a day of 25 hours as
 * one of 24, and two periods lie over each other. To a keyboard and a screen reader it is a slider over the points.
 */
export function TimeChart({ name, lines, before, ticks, describe, hovered, onHover }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const theme = useTheme();
  const hover = useRef(onHover);
  hover.current = onHover;

  const points = ticks.length;
  const bars = points <= barsUpTo;
  const shape = JSON.stringify([lines.map(({ color, below }) => [color, below]), Boolean(before), bars, ticks]);

  useEffect(() => {
    const target = box.current!;
    const chart = new uPlot(options(target, { lines, before, ticks, bars, hover: (index) => hover.current(index) }), data(lines, before, points), target);
    plot.current = chart;
    const resize = new ResizeObserver(([entry]) => chart.setSize({ width: Math.floor(entry!.contentRect.width), height }));
    resize.observe(target);
    return () => {
      resize.disconnect();
      plot.current = undefined;
      chart.destroy();
    };
    // Values arrive by setData below; only another shape or theme needs another chart.
  }, [shape, theme]);

  useEffect(() => plot.current?.setData(data(lines, before, points)), [lines, before, points]);

  useEffect(() => {
    const chart = plot.current;
    if (!chart) return;
    const left = hovered === undefined ? -10 : chart.valToPos(hovered, "x");
    if (chart.cursor.idx !== hovered || hovered === undefined) chart.setCursor({ left, top: hovered === undefined ? -10 : 10 }, false);
  }, [hovered, shape, theme]);

  const at = Math.min(hovered ?? points - 1, points - 1);
  const onKeyDown = (event: KeyboardEvent) => {
    const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0, End: points - 1, PageDown: at - 7, PageUp: at + 7 }[event.key];
    if (event.key === "Escape") onHover(undefined);
    if (to === undefined) return;
    event.preventDefault();
    onHover(Math.min(points - 1, Math.max(0, to)));
  };
  return (
    <div
      ref={box}
      className="time-chart"
      style={{ height }}
      role="slider"
      tabIndex={0}
      aria-label={`${name}, point by point`}
      aria-valuemin={1}
      aria-valuemax={points}
      aria-valuenow={at + 1}
      aria-valuetext={describe(at)}
      onKeyDown={onKeyDown}
      onFocus={(event) => event.target.matches(":focus-visible") && hovered === undefined && onHover(points - 1)}
      onBlur={() => onHover(undefined)}
    />
  );
}

function data(lines: Line[], before: number[] | undefined, points: number): uPlot.AlignedData {
  const columns = lines.map(({ values, below }) => (below ? values.map((value) => -value) : values));
  const earlier = before && Array.from({ length: points }, (_, index) => before[index] ?? null);
  return [Array.from({ length: points }, (_, index) => index), ...columns, ...(earlier ? [earlier] : [])];
}

interface Drawing {
  lines: Line[];
  before: number[] | undefined;
  ticks: string[];
  bars: boolean;
  hover(index: number | undefined): void;
}

function options(target: HTMLElement, { lines, before, ticks, bars, hover }: Drawing): uPlot.Options {
  const color = colors(target);
  const font = `12px ${getComputedStyle(target).fontFamily}`;
  const axis = { stroke: color("--ink-faint"), font, ticks: { show: false } };
  const roomy = uPlot.paths.bars!({ size: [0.72, 28], radius: 0.18 });
  const line = uPlot.paths.linear!();
  return {
    width: target.clientWidth,
    height,
    padding: [10, 20, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: false, range: (_, min, max) => [min - 0.6, max + 0.6] },
      y: { range: (_, min, max) => [Math.min(0, min * 1.08), Math.max(max * 1.08, 1.2)] },
    },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: bars ? { show: false } : { size: 7, width: 0 },
      bind: { mouseleave: () => () => (hover(undefined), null) },
    },
    hooks: { setCursor: [(chart) => chart.cursor.left! >= 0 && hover(chart.cursor.idx ?? undefined)] },
    axes: [
      { ...axis, size: 26, gap: 6, grid: { show: false }, splits: (chart) => spread(ticks.length, chart.width), values: (_, splits) => splits.map((index) => ticks[index] ?? "") },
      { ...axis, size: (_, values) => 14 + 7 * Math.max(1, ...(values ?? []).map((text) => text.length)), gap: 6, grid: { stroke: color("--line"), width: 1 }, incrs: wholeSteps, space: 44, values: (_, splits) => splits.map((value) => short(Math.abs(value))) },
    ],
    series: [
      {},
      ...lines.map(({ name, color: named }) => ({
        label: name,
        stroke: bars ? "transparent" : color(named),
        width: bars ? 0 : 1.8,
        fill: bars ? color(named) : color(named, 0.14),
        fillTo: 0,
        paths: bars ? roomy : line,
        points: { show: false },
      })),
      ...(before ? [{ label: "before", stroke: color("--ink-faint"), width: 1.4, dash: [4, 4], paths: line, points: { show: false } }] : []),
    ],
  };
}

const wholeSteps = [1, 2, 5].flatMap((step) => Array.from({ length: 9 }, (_, power) => step * 10 ** power)).sort((a, b) => a - b);

/** Evenly spread ticks with room for their labels, the newest point always among them. */
function spread(points: number, width: number): number[] {
  const step = Math.max(1, Math.ceil(points / Math.max(2, Math.floor(width / 84))));
  const splits: number[] = [];
  for (let index = points - 1; index >= 0; index -= step) splits.unshift(index);
  return splits;
}

/** A canvas cannot read custom properties, so an element does it for us. */
function colors(target: HTMLElement): (name: string, opacity?: number) => string {
  return (name, opacity) => {
    const probe = document.createElement("i");
    probe.style.color = opacity === undefined ? `var(${name})` : `color-mix(in srgb, var(${name}) ${opacity * 100}%, transparent)`;
    target.append(probe);
    const color = getComputedStyle(probe).color;
    probe.remove();
    return color;
  };
}
