import { type Client, createClient } from "graphql-ws";

type Bearer = () => Promise<string | undefined>;

/** Well inside the server's SOCKET_MAX_AGE, which is 15 minutes unless set. */
const renewEvery = 5 * 60_000;

/**
 * A socket for subscriptions, opened with the first one and closed after the last. A Clerk token lives a minute and the
 * socket longer, so the socket is told of a newer token now and then; a standard server would ignore that.
 */
export function createSocket(bearer: Bearer): Client {
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`;
  const proof = async () => {
    const token = await bearer();
    return token ? { authorization: `Bearer ${token}` } : {};
  };
  let renewal: ReturnType<typeof setInterval> | undefined;
  return createClient({
    url,
    connectionParams: proof,
    retryAttempts: 5,
    on: {
      connected: (socket) => {
        clearInterval(renewal);
        renewal = setInterval(async () => (socket as WebSocket).send(JSON.stringify({ type: "ping", payload: await proof() })), renewEvery);
      },
      closed: () => clearInterval(renewal),
    },
  });
}
