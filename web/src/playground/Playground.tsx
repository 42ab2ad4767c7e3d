import "graphiql/setup-workers/vite";
import "./styles";
import { explorerPlugin } from "@graphiql/plugin-explorer";
import { createGraphiQLFetcher, type Fetcher } from "@graphiql/toolkit";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { type DocumentNode, Kind, parse } from "graphql";
import { useEffect, useMemo, useRef, useState } from "react";
import { createSocket } from "../api/socket";
import { type Session, useSession } from "../identity/Session";
import { Header } from "../page/Header";
import { useTheme } from "../page/theme";
import { mendTabs } from "./tabs";
import { tour } from "./tour";

const plugins = [explorerPlugin({ showAttribution: false }), HISTORY_PLUGIN];

/** GraphiQL, speaking as whoever the header says. */
export function Playground() {
  const theme = useTheme();
  const fetcher = useFetcher();
  const [tabs] = useState(() => tour(new Date()));
  const main = useRef<HTMLElement>(null);
  useEffect(() => mendTabs(main.current!), []);
  return (
    <div className="playground">
      <Header page="playground" />
      <main ref={main} aria-label="Playground">
        <GraphiQL fetcher={fetcher} plugins={plugins} defaultTabs={tabs} forcedTheme={theme} defaultEditorToolsVisibility="variables">
          <GraphiQL.Logo> </GraphiQL.Logo>
        </GraphiQL>
      </main>
    </div>
  );
}

/** One fetcher for good, so that GraphiQL keeps its state when the person changes; who is asking is looked up per request. */
function useFetcher() {
  const session = useSession();
  const latest = useRef<Session>(session);
  latest.current = session;
  const socket = useMemo(() => createSocket(() => latest.current.token()), []);
  useEffect(() => socket.terminate, [socket, session.credential]);
  return useMemo(() => {
    const fetcher = createGraphiQLFetcher({
      url: "/graphql",
      wsClient: socket,
      fetch: async (input: RequestInfo | URL, init?: RequestInit) => {
        const headers = new Headers(init?.headers);
        const token = await latest.current.token();
        if (token && !headers.has("authorization")) headers.set("authorization", `Bearer ${token}`);
        return fetch(input, { ...init, credentials: "same-origin", headers });
      },
    });
    return ownFacts(fetcher);
  }, [socket]);
}

/** For a moment after a change of tabs, GraphiQL still has the other tab's operation in mind: what is sent is what is looked at here. */
function ownFacts(fetcher: Fetcher): Fetcher {
  return (params, options) => {
    const documentAST = parsed(params.query);
    if (!documentAST) return fetcher(params, options);
    const names = documentAST.definitions.filter((part) => part.kind === Kind.OPERATION_DEFINITION).map(({ name }) => name?.value);
    const operationName = names.length === 1 ? names[0] : params.operationName;
    return fetcher({ ...params, operationName }, { ...options, documentAST });
  };
}

function parsed(query: string): DocumentNode | undefined {
  try {
    return parse(query);
  } catch {
    return undefined; // the server says what is wrong with it
  }
}
