import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";
import { request } from "../api/client";
import { RequestError } from "../api/errors";
import { type TypedDocumentString, ViewerDocument } from "../gql/operations";
import type { PageConfig } from "../page/config";
import { bearer, type Credential, keepCredential, loadCredential } from "./credential";

/** Who the server says we are. */
export interface Viewer {
  /** Absent for an API key. */
  id?: string;
  name: string;
  email?: string;
  /** Sees everyone's rows, not only its own. */
  analyst: boolean;
}

export type Standing =
  | { is: "checking" }
  | { is: "nobody"; ended: boolean }
  | { is: "known"; viewer: Viewer }
  | { is: "unclear"; error: RequestError };

export interface Session {
  config: PageConfig;
  credential: Credential;
  standing: Standing;
  /** Sends an operation with the tab's credential. */
  send<Result, Variables>(document: TypedDocumentString<Result, Variables>, variables: Variables, signal?: AbortSignal): Promise<Result>;
  /** The token to send now, for those who send by themselves. */
  token(): Promise<string | undefined>;
  use(credential: Credential): void;
  check(): void;
}

const Context = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error("useSession outside of SessionProvider");
  return session;
}

/** Keeps the tab's credential and what the server makes of it. */
export function SessionProvider({ config, prefer, children }: { config: PageConfig; prefer: "user" | "analyst"; children: ReactNode }) {
  const [credential, setCredential] = useState(() => loadCredential(config, prefer));
  const [standing, setStanding] = useState<Standing>({ is: "checking" });
  const [round, setRound] = useState(0);
  const latest = useRef(credential);
  latest.current = credential;

  const token = useCallback(() => bearer(credential, config), [credential, config]);

  const send = useCallback<Session["send"]>(
    async (document, variables, signal) => {
      try {
        return await request(document, variables, await bearer(credential, config), signal);
      } catch (error) {
        const stale = latest.current !== credential;
        if (!stale && error instanceof RequestError && error.code === "UNAUTHENTICATED") setStanding({ is: "nobody", ended: credential.kind !== "cookie" });
        throw error;
      }
    },
    [credential, config],
  );

  useEffect(() => {
    const abort = new AbortController();
    setStanding((before) => (before.is === "known" && round > 0 ? before : { is: "checking" }));
    whoAmI(send, credential, abort.signal).then(
      (viewer) => !abort.signal.aborted && setStanding({ is: "known", viewer }),
      (error) => {
        if (abort.signal.aborted || (error as RequestError).code === "UNAUTHENTICATED") return;
        setStanding({ is: "unclear", error: error instanceof RequestError ? error : new RequestError("NETWORK", String(error)) });
      },
    );
    return () => abort.abort();
  }, [send, credential, round]);

  const session = useMemo<Session>(
    () => ({
      config,
      credential,
      standing,
      send,
      token,
      use: (next) => {
        keepCredential(next);
        setCredential({ ...next });
      },
      check: () => setRound((n) => n + 1),
    }),
    [config, credential, standing, send, token],
  );
  return <Context value={session}>{children}</Context>;
}

async function whoAmI(send: Session["send"], credential: Credential, signal: AbortSignal): Promise<Viewer> {
  const { me, userStats } = await send(ViewerDocument, {}, signal);
  if (!me) return { name: "API key", analyst: true };
  const label = credential.kind === "token" ? credential.label : undefined;
  const viewer: Viewer = { id: me.id, name: me.name ?? label ?? me.email ?? me.id, analyst: userStats.totalCount > 1 };
  if (me.email) viewer.email = me.email;
  return viewer;
}
