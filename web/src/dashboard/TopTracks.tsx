import { TopTracksDocument } from "../gql/operations";
import { Card } from "./Card";
import { number } from "./format";
import { useQuery } from "./useQuery";
import { type Span, timeRange } from "./view";

/** What is liked most, by everyone. */
export function TopTracks({ span, round }: { span: Span; round: number }) {
  const query = useQuery(TopTracksDocument, { range: timeRange(span), first: 10 }, round);
  const tracks = query.data?.topTracks ?? [];
  const most = tracks[0]?.likes ?? 1;
  const table = {
    title: "Top tracks",
    columns: ["Track", "Title", "Artist", "Likes"],
    rows: tracks.map(({ trackId, title, artist, likes }) => [trackId, title ?? "", artist ?? "", likes]),
  };
  return (
    <Card title="Top tracks" className="top-tracks" query={query} table={table} empty={tracks.length === 0 ? <p>Nobody liked a track in this time.</p> : undefined} aside={<span className="note">by everyone’s likes</span>}>
      <ol className="tracks">
        {tracks.map(({ trackId, title, artist, likes }) => (
          <li key={trackId}>
            <span className="track-bar" aria-hidden="true" style={{ width: `${(likes / most) * 100}%` }} />
            <span className="track-name"><b>{title ?? trackId}</b>{artist && <span> {artist}</span>}</span>
            <span className="track-likes">{number(likes)}<span className="hidden"> likes</span></span>
          </li>
        ))}
      </ol>
    </Card>
  );
}
