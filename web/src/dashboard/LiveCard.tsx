import { Bubble, Heart, ThumbDown, ThumbUp } from "../page/icons";
import { ago, number } from "./format";
import type { Live, LiveEvent } from "./useLive";

const words: Record<Live["is"], string> = { connecting: "Connecting", live: "Live", polling: "Every 30 s", paused: "Paused" };
const icons = { message: Bubble, like: Heart, up: ThumbUp, down: ThumbDown };

/** The light in the header. */
export function LiveLight({ live }: { live: Live }) {
  return (
    <span className={`light ${live.is}`} role="status" data-live={live.is}>
      <i aria-hidden="true" />
      {words[live.is]}
    </span>
  );
}

/** What has happened since the page was opened. */
export function LiveCard({ live, timeZone }: { live: Live; timeZone: string }) {
  const since = live.since.toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit", timeZone });
  return (
    <section className="card live-card" aria-labelledby="live-title">
      <div className="card-head">
        <h2 id="live-title">Right now</h2>
        <span className="note">since {since}</span>
      </div>
      <dl className="live-counts">
        <Counter name="messages" value={live.messages} />
        <Counter name="likes" value={live.likes} />
        <Counter name="ratings" value={live.ratings} />
      </dl>
      {live.events.length > 0 ? (
        <ol className="events">{live.events.map((event) => <Event key={event.key} event={event} timeZone={timeZone} />)}</ol>
      ) : (
        <p className="note quiet-note">{waiting(live.is)}</p>
      )}
    </section>
  );
}

function waiting(is: Live["is"]): string {
  switch (is) {
    case "polling":
      return "This sign-in has no live connection, so the numbers are read again every half a minute.";
    case "paused":
      return "Paused while nobody looks, so that the database may sleep.";
    default:
      return "Quiet so far. The next message, like or rating shows up here.";
  }
}

function Counter({ name, value }: { name: string; value: number }) {
  return (
    <div>
      <dd data-live-count={name}>{number(value)}</dd>
      <dt>{name}</dt>
    </div>
  );
}

function Event({ event, timeZone }: { event: LiveEvent; timeZone: string }) {
  const Icon = icons[event.kind];
  return (
    <li className={event.kind}>
      <Icon />
      <span><b>{event.who}</b> {event.what}</span>
      <time dateTime={event.at}>{ago(event.at, timeZone)}</time>
    </li>
  );
}
