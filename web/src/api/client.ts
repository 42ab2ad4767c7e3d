import type { TypedDocumentString } from "../gql/operations";
import { RequestError } from "./errors";

interface Answer<Result> {
  data?: Result | null;
  errors?: { message: string; extensions?: { code?: string; retryAfterMs?: number; requestId?: string } }[];
}

/** One operation over POST. Any error fails the whole: half a dashboard would be read as a whole one. */
export async function request<Result, Variables>(
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
  bearer: string | undefined,
  signal?: AbortSignal,
): Promise<Result> {
  const answer = await post<Result>(JSON.stringify({ query: String(document), variables }), bearer, signal);
  const error = answer.errors?.[0];
  if (error) {
    const { code, retryAfterMs, requestId } = error.extensions ?? {};
    throw new RequestError(code ?? "INTERNAL", error.message, retryAfterMs, requestId);
  }
  if (!answer.data) throw new RequestError("INTERNAL", "an answer without data");
  return answer.data;
}

async function post<Result>(body: string, bearer: string | undefined, signal?: AbortSignal): Promise<Answer<Result>> {
  const headers: Record<string, string> = { "content-type": "application/json", accept: "application/graphql-response+json, application/json" };
  if (bearer) headers["authorization"] = `Bearer ${bearer}`;
  try {
    const response = await fetch("/graphql", { method: "POST", credentials: "same-origin", headers, body, signal: signal ?? null });
    return (await response.json()) as Answer<Result>;
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new RequestError("NETWORK", String(cause));
  }
}
