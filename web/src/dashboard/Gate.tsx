import { explain } from "../api/errors";
import { useSession } from "../identity/Session";
import { SignIn } from "../identity/SignIn";

/** What stands in place of the numbers while nobody is signed in, or while that is not clear. */
export function Gate() {
  const { standing, check } = useSession();
  switch (standing.is) {
    case "checking":
      return <div className="gate" role="status"><span className="hidden">Loading</span></div>;
    case "nobody":
      return (
        <main className="gate">
          <div className="gate-card">
            <h1>{standing.ended ? "That session has ended" : "Whose numbers?"}</h1>
            <p className="gate-text">
              {standing.ended
                ? "The token has run out or was taken back. Your view is kept: sign in again and it goes on where it was."
                : "You see your own numbers; analysts and API keys see everyone’s."}
            </p>
            <SignIn />
          </div>
        </main>
      );
    case "unclear":
      return (
        <main className="gate">
          <div className="gate-card" role="alert">
            <h1>No numbers yet</h1>
            <p className="gate-text">{explain(standing.error)}</p>
            <button type="button" className="button primary" onClick={check}>Try again</button>
          </div>
        </main>
      );
    case "known":
      return null;
  }
}
