/** Why an operation has no answer: the server's code, or NETWORK when there was no server to give one. */
export class RequestError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly retryAfterMs?: number,
    readonly requestId?: string,
  ) {
    super(message);
    this.name = "RequestError";
  }
}

/** What to tell a person, who can do something about some of these and nothing about others. */
export function explain(error: RequestError): string {
  switch (error.code) {
    case "NETWORK":
      return "Segue does not answer. Is this machine online, and the server running?";
    case "UNAVAILABLE":
      return "The database is not answering. It may be waking up.";
    case "TIMEOUT":
      return "That took too long. A shorter range is cheaper.";
    case "RATE_LIMITED":
      return "That was a lot of questions in a short time. It goes on in a minute.";
    case "USER_DELETED":
      return "This account has been deleted.";
    case "USER_NOT_SYNCED":
      return "This account is new and has not arrived here yet. It usually takes a few seconds.";
    case "INTERNAL":
      return error.requestId ? `Something went wrong in Segue. Its log has it as ${error.requestId}.` : "Something went wrong in Segue.";
    default:
      return error.message;
  }
}

/** Worth asking again without being told to. */
export function passing(error: RequestError): boolean {
  return error.code === "UNAVAILABLE" || error.code === "RATE_LIMITED";
}
