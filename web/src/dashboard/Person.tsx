import type { ReactNode } from "react";
import type { PersonQuery } from "../gql/operations";
import { Avatar } from "../identity/SignIn";
import { Back, ThumbDown, ThumbUp } from "../page/icons";
import { Card } from "./Card";
import { ago, date, number } from "./format";
import type { Query } from "./useQuery";

type Known = NonNullable<PersonQuery["user"]>;

/** Who the page is about, above their charts. */
export function PersonHead({ query, name, timeZone, onBack }: { query: Query<PersonQuery>; name: string; timeZone: string; onBack: (() => void) | undefined }) {
  const user = query.data?.user;
  const title = user?.name ?? user?.email ?? name;
  return (
    <div className="person-head">
      {onBack && <button type="button" className="button quiet back" onClick={onBack}><Back /> Everyone</button>}
      <div className="person-title">
        <Avatar name={title} />
        <div>
          <h1>{title}</h1>
          {user && (
            <p className="note">
              {[user.email, `joined ${date(user.createdAt, timeZone)}`, user.deletedAt && `deleted ${date(user.deletedAt, timeZone)}`, user.stats.lastActiveAt && `last active ${ago(user.stats.lastActiveAt, timeZone)}`].filter(Boolean).join(" · ")}
            </p>
          )}
          {query.data && !user && <p className="note">There is nobody with this id.</p>}
        </div>
      </div>
    </div>
  );
}

/** The newest of what the person said, liked and rated in the range. */
export function PersonCards({ query, timeZone }: { query: Query<PersonQuery>; timeZone: string }) {
  const user = query.data?.user;
  return (
    <>
      <Newest title="Last messages" query={query} of={user?.chatMessages} nothing="Nothing said in this time.">
        {user?.chatMessages.edges.map(({ node }) => (
          <Line key={node.id} at={node.createdAt} timeZone={timeZone} lead={node.role === "USER" ? "" : node.role === "ASSISTANT" ? "DJ" : "App"}>{node.content}</Line>
        ))}
      </Newest>
      <Newest title="Last likes" query={query} of={user?.trackLikes} nothing="Nothing liked in this time.">
        {user?.trackLikes.edges.map(({ node }) => <Line key={node.id} at={node.createdAt} timeZone={timeZone}><b>{node.title ?? node.trackId}</b> {node.artist}</Line>)}
      </Newest>
      <Newest title="Last ratings" query={query} of={user?.feedback} nothing="Nothing rated in this time.">
        {user?.feedback.edges.map(({ node }) => (
          <Line key={node.id} at={node.createdAt} timeZone={timeZone} lead={node.rating === "UP" ? <span className="ratio-up"><ThumbUp /><span className="hidden">Up</span></span> : <span className="ratio-down"><ThumbDown /><span className="hidden">Down</span></span>}>
            {node.comment ?? node.message.content}
          </Line>
        ))}
      </Newest>
    </>
  );
}

function Newest({ title, query, of, nothing, children }: { title: string; query: Query<PersonQuery>; of: Known["chatMessages"] | Known["trackLikes"] | Known["feedback"] | undefined; nothing: string; children: ReactNode }) {
  return (
    <Card title={title} query={query} empty={of?.totalCount ? undefined : <p>{nothing}</p>} aside={of && <span className="note">{number(of.totalCount)} in all</span>}>
      <ol className="lines">{children}</ol>
    </Card>
  );
}

function Line({ at, timeZone, lead, children }: { at: string; timeZone: string; lead?: ReactNode; children: ReactNode }) {
  return (
    <li>
      {lead && <span className="line-lead">{lead}</span>}
      <span className="line-text">{children}</span>
      <time dateTime={at}>{ago(at, timeZone)}</time>
    </li>
  );
}
