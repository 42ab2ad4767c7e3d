import { type ReactNode, useId, useRef, useState } from "react";
import { explain } from "../api/errors";
import { saveCSV, savePNG, type Table } from "./save";
import type { Query } from "./useQuery";

interface Props {
  title: string;
  className?: string;
  /** Beside the title. */
  aside?: ReactNode;
  /** The same as the chart, in words and figures. Given: the card can show and save it. */
  table?: Table | undefined;
  subtitle?: string;
  /** The card draws on a canvas that can be saved as a picture. */
  picture?: boolean;
  query: Query<unknown>;
  /** What to say when there is nothing; undefined when there is something. */
  empty: ReactNode | undefined;
  children: ReactNode;
}

/** A framed part of the dashboard with its four designed states: waiting, failed, empty, there. */
export function Card({ title, className = "", aside, table, subtitle = "", picture, query, empty, children }: Props) {
  const heading = useId();
  const card = useRef<HTMLElement>(null);
  const [asTable, setAsTable] = useState(false);
  const there = query.data !== undefined;
  const filled = there && empty === undefined;
  return (
    <section ref={card} className={`card ${className}`} aria-labelledby={heading} aria-busy={query.loading}>
      <div className="card-head">
        <h2 id={heading}>{title}</h2>
        {there && aside}
        {filled && table && (
          <div className="card-tools">
            {picture && <button type="button" className="text-button" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>{asTable ? "Chart" : "Table"}</button>}
            <button type="button" className="text-button" aria-label={`Save ${title} as CSV`} onClick={() => saveCSV(table)}>CSV</button>
            {picture && !asTable && (
              <button type="button" className="text-button" aria-label={`Save ${title} as PNG`} onClick={() => savePNG(card.current!.querySelector("canvas")!, table.title, subtitle)}>PNG</button>
            )}
          </div>
        )}
      </div>
      {query.error && <Failure query={query} />}
      {!there && !query.error && <div className="skeleton" role="status"><span className="hidden">Loading {title}</span></div>}
      {there && empty !== undefined && <div className="empty">{empty}</div>}
      {filled && (asTable && table ? <DataTable table={table} /> : children)}
    </section>
  );
}

function Failure({ query }: { query: Query<unknown> }) {
  return (
    <div className={query.data === undefined ? "failure" : "failure stale"} role="alert">
      <p>{explain(query.error!)}{query.data !== undefined && " These are the last numbers that came."}</p>
      <button type="button" className="button" onClick={query.reload}>Try again</button>
    </div>
  );
}

function DataTable({ table }: { table: Table }) {
  return (
    <div className="data-table" tabIndex={0} role="region" aria-label={table.title}>
      <table>
        <thead><tr>{table.columns.map((column) => <th key={column} scope="col">{column}</th>)}</tr></thead>
        <tbody>
          {table.rows.map((row, index) => (
            <tr key={index}>{row.map((cell, column) => (column === 0 ? <th key={column} scope="row">{cell}</th> : <td key={column}>{cell}</td>))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
