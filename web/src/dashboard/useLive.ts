import { useEffect, useState } from "react";
import { createSocket } from "../api/socket";
import { FeedbackGivenDocument, type FeedbackGivenSubscription, MessageAddedDocument, type MessageAddedSubscription, TrackLikedDocument, type TrackLikedSubscription, type TypedDocumentString } from "../gql/operations";
import { useSession } from "../identity/Session";

export interface LiveEvent {
  key: string;
  kind: "message" | "like" | "up" | "down";
  who: string;
  what: string;
  at: string;
}

export interface Live {
  /** live: by subscription · polling: every half a minute, as there is no socket to be had · paused: nobody is looking */
  is: "connecting" | "live" | "polling" | "paused";
  /** When the counting began. */
  since: Date;
  messages: number;
  likes: number;
  ratings: number;
  /** The newest first. */
  events: LiveEvent[];
}

const none = { messages: 0, likes: 0, ratings: 0, events: [] as LiveEvent[] };
const kept = 8;
const pollEvery = 30_000;
/** Events may come in hundreds a second; the numbers are asked for again at most this often. */
const refreshEvery = 5_000;

/**
 * Counts what happens while someone looks, and calls `refresh` when numbers on the page have become old. It stops while
 * the page is hidden: a forgotten tab must not keep a sleeping database awake.
 */
export function useLive(userId: string, refresh: () => void): Live {
  const { credential, token } = useSession();
  const visible = useVisible();
  const [is, setIs] = useState<Live["is"]>("connecting");
  const [since, setSince] = useState(() => new Date());
  const [counts, setCounts] = useState(none);

  useEffect(() => {
    setSince(new Date());
    setCounts(none);
  }, [userId, credential]);

  // A cookie does not count on a socket (contract §4), so a tab that has nothing else polls.
  const socketed = credential.kind !== "cookie";

  useEffect(() => {
    if (!visible || !socketed) return;
    setIs("connecting");
    const refreshSoon = throttle(refresh, refreshEvery);
    const socket = createSocket(token);
    const failed = () => setIs("polling");
    const listen = <Result>(document: TypedDocumentString<Result, { userId?: string | null }>, take: (result: Result) => LiveEvent) =>
      socket.subscribe<Result>(
        { query: String(document), variables: { userId: userId || null } },
        {
          next: ({ data, errors }) => {
            if (errors) failed();
            if (!data) return;
            setCounts((before) => count(before, take(data)));
            refreshSoon();
          },
          error: failed,
          complete: failed,
        },
      );
    socket.on("connected", () => setIs("live"));
    const stops = [listen(MessageAddedDocument, message), listen(FeedbackGivenDocument, rating), listen(TrackLikedDocument, like)];
    return () => {
      refreshSoon.cancel();
      stops.forEach((stop) => stop());
      Promise.resolve(socket.dispose()).catch(() => {}); // it may still have been connecting
    };
  }, [visible, socketed, token, userId, refresh]);

  const polls = visible && (is === "polling" || !socketed);
  useEffect(() => {
    if (!polls) return;
    const timer = setInterval(refresh, pollEvery);
    return () => clearInterval(timer);
  }, [polls, refresh]);

  return { is: !visible ? "paused" : polls ? "polling" : is, since, ...counts };
}

function count(before: typeof none, event: LiveEvent): typeof none {
  return {
    messages: before.messages + Number(event.kind === "message"),
    likes: before.likes + Number(event.kind === "like"),
    ratings: before.ratings + Number(event.kind === "up" || event.kind === "down"),
    events: [event, ...before.events.filter(({ key }) => key !== event.key)].slice(0, kept),
  };
}

const name = (user: { id: string; name: string | null }) => user.name ?? user.id;

function message({ chatMessageAdded: it }: MessageAddedSubscription): LiveEvent {
  const who = it.role === "USER" ? name(it.user) : `The DJ, to ${name(it.user)}`;
  return { key: it.id, kind: "message", who, what: it.role === "USER" ? "said something" : "", at: it.createdAt };
}

function rating({ feedbackGiven: it }: FeedbackGivenSubscription): LiveEvent {
  return { key: it.id, kind: it.rating === "UP" ? "up" : "down", who: name(it.user), what: it.rating === "UP" ? "rated a message up" : "rated a message down", at: it.createdAt };
}

function like({ trackLiked: it }: TrackLikedSubscription): LiveEvent {
  return { key: it.id, kind: "like", who: name(it.user), what: `likes ${it.title ?? it.trackId}`, at: it.createdAt };
}

function useVisible(): boolean {
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const tell = () => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", tell);
    return () => document.removeEventListener("visibilitychange", tell);
  }, []);
  return visible;
}

/** Calls at once, then at most every so often, the last call never lost. */
function throttle(call: () => void, every: number) {
  let last = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const throttled = () => {
    if (timer) return;
    const wait = Math.max(300, last + every - Date.now());
    timer = setTimeout(() => {
      timer = undefined;
      last = Date.now();
      call();
    }, wait);
  };
  throttled.cancel = () => clearTimeout(timer);
  return throttled;
}
