import { useCallback, useEffect, useState } from "react";
import { passing, RequestError } from "../api/errors";
import type { TypedDocumentString } from "../gql/operations";
import { useSession } from "../identity/Session";

export interface Query<Result> {
  /** The last answer, kept while a newer one is under way. */
  data?: Result;
  error?: RequestError;
  loading: boolean;
  reload(): void;
}

/** Asks whenever the variables change or `round` moves on, and again by itself after an error that passes. */
export function useQuery<Result, Variables>(document: TypedDocumentString<Result, Variables>, variables: Variables, round: number): Query<Result> {
  const { send } = useSession();
  const [state, setState] = useState<{ data?: Result; error?: RequestError; loading: boolean }>({ loading: true });
  const [again, setAgain] = useState(0);
  const reload = useCallback(() => setAgain((n) => n + 1), []);
  const key = JSON.stringify(variables);

  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    setState(({ data }) => (data === undefined ? { loading: true } : { data, loading: true }));
    send(document, JSON.parse(key) as Variables, abort.signal).then(
      (data) => !abort.signal.aborted && setState({ data, loading: false }),
      (cause: unknown) => {
        if (abort.signal.aborted) return;
        const error = cause instanceof RequestError ? cause : new RequestError("NETWORK", String(cause));
        setState(({ data }) => (data === undefined ? { error, loading: false } : { data, error, loading: false }));
        if (passing(error)) timer = setTimeout(reload, Math.max(1000, error.retryAfterMs ?? 5000));
      },
    );
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [send, document, key, round, again, reload]);

  return { ...state, reload };
}
