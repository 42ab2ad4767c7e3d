import { useEffect, useState } from "react";
import { LeaderboardDocument, type UserStatsOrder } from "../gql/operations";
import { Avatar } from "../identity/SignIn";
import { Back, Forward } from "../page/icons";
import { Card } from "./Card";
import { ago, number } from "./format";
import { useQuery } from "./useQuery";
import { type Span, timeRange, type View } from "./view";

const size = 10;
type Page = { at: number; after?: string; before?: string };

interface Props {
  view: View;
  span: Span;
  round: number;
  onOrder(order: UserStatsOrder): void;
  onPerson(id: string): void;
}

/** Everyone, ranked, a page at a time; a name opens the person. */
export function Leaderboard({ view, span, round, onOrder, onPerson }: Props) {
  const [page, setPage] = useState<Page>({ at: 0 });
  const list = [view.order, view.range, view.from, view.to, view.timeZone].join();
  useEffect(() => setPage({ at: 0 }), [list]);

  const window = page.before ? { last: size, before: page.before } : { first: size, after: page.after ?? null };
  const query = useQuery(LeaderboardDocument, { range: timeRange(span), orderBy: view.order, ...window }, round);
  const { edges = [], pageInfo, totalCount = 0 } = query.data?.userStats ?? {};
  const rows = edges.map(({ node }) => node);
  const most = Math.max(1, ...rows.map((row) => (view.order === "LIKED_TRACKS" ? row.likedTracks : row.messageCount)));
  const table = {
    title: "Leaderboard",
    columns: ["Rank", "Id", "Name", "E-mail", "Messages", "Liked tracks", "Up", "Down", "Last active"],
    rows: rows.map((row, index) => [page.at + index + 1, row.user.id, row.user.name ?? "", row.user.email ?? "", row.messageCount, row.likedTracks, row.feedbackUp, row.feedbackDown, row.lastActiveAt ?? ""]),
  };
  const order = { order: view.order, onOrder };
  return (
    <Card title="Leaderboard" className="leaderboard" query={query} table={table} empty={totalCount === 0 ? <p>Nobody is here yet.</p> : undefined} aside={<span className="note">{number(totalCount)} {totalCount === 1 ? "person" : "people"}</span>}>
      <table className="ranks">
        <thead>
          <tr>
            <th scope="col"><span className="hidden">Rank</span></th>
            <th scope="col" className="text">Person</th>
            <Sortable by="MESSAGE_COUNT" {...order}>Messages</Sortable>
            <Sortable by="LIKED_TRACKS" {...order}>Likes</Sortable>
            <th scope="col" className="roomy">Up</th>
            <th scope="col" className="roomy">Down</th>
            <Sortable by="LAST_ACTIVE_AT" className="roomy" {...order}>Active</Sortable>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={row.user.id}>
              <td className="rank">{page.at + index + 1}</td>
              <th scope="row" className="text">
                <button type="button" className="person-link" onClick={() => onPerson(row.user.id)}>
                  <Avatar name={row.user.name ?? row.user.id} />
                  <span>{row.user.name ?? row.user.id}</span>
                </button>
              </th>
              <td><Amount value={row.messageCount} of={view.order === "LIKED_TRACKS" ? undefined : most} color="--messages" /></td>
              <td><Amount value={row.likedTracks} of={view.order === "LIKED_TRACKS" ? most : undefined} color="--likes" /></td>
              <td className="roomy">{number(row.feedbackUp)}</td>
              <td className="roomy">{number(row.feedbackDown)}</td>
              <td className="roomy when">{row.lastActiveAt ? ago(row.lastActiveAt, view.timeZone) : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {pageInfo && totalCount > size && (
        <nav className="pages" aria-label="Pages of the leaderboard">
          <button type="button" className="icon-button" aria-label="Previous page" disabled={!pageInfo.hasPreviousPage} onClick={() => setPage(page.at <= size ? { at: 0 } : { at: page.at - size, before: pageInfo.startCursor! })}><Back /></button>
          <span className="note" aria-live="polite">{number(page.at + 1)}–{number(page.at + rows.length)} of {number(totalCount)}</span>
          <button type="button" className="icon-button" aria-label="Next page" disabled={!pageInfo.hasNextPage} onClick={() => setPage({ at: page.at + size, after: pageInfo.endCursor! })}><Forward /></button>
        </nav>
      )}
    </Card>
  );
}

function Sortable({ by, order, onOrder, className = "", children }: { by: UserStatsOrder; order: UserStatsOrder; onOrder(order: UserStatsOrder): void; className?: string; children: string }) {
  return (
    <th scope="col" className={className} aria-sort={order === by ? "descending" : "none"}>
      <button type="button" className="sort" onClick={() => onOrder(by)}>{children}<span aria-hidden="true">{order === by ? " ↓" : ""}</span></button>
    </th>
  );
}

function Amount({ value, of, color }: { value: number; of: number | undefined; color: string }) {
  return (
    <span className="amount">
      {number(value)}
      {of !== undefined && <i aria-hidden="true" style={{ width: `${(value / of) * 100}%`, background: `var(${color})` }} />}
    </span>
  );
}
