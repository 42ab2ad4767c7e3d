import { type FormEvent, useId, useState } from "react";
import { Key } from "../page/icons";
import { signInWithClerk, signOutOfClerk } from "./clerk";
import { expiry, readToken } from "./credential";
import { useSession } from "./Session";

/** Every way in: development users, Clerk, a pasted token. `done` is called once one was taken. */
export function SignIn({ done }: { done?: () => void }) {
  const { config } = useSession();
  return (
    <div className="sign-in">
      {config.devUsers && config.devUsers.length > 0 && <DevUsers done={done} />}
      {config.clerkPublishableKey && <WithClerk publishableKey={config.clerkPublishableKey} done={done} />}
      <PasteToken done={done} />
    </div>
  );
}

type Done = { done?: (() => void) | undefined };

function DevUsers({ done }: Done) {
  const { config, credential, use } = useSession();
  return (
    <fieldset className="dev-users">
      <legend>Be one of the sample people</legend>
      {config.devUsers!.map(({ name, role, token }) => (
        <button
          key={name + role}
          type="button"
          className="person-button"
          aria-pressed={credential.kind === "token" && credential.token === token}
          onClick={() => {
            use({ kind: "token", token, label: name });
            done?.();
          }}
        >
          <Avatar name={name} />
          <span>{name}</span>
          <span className="badge">{role}</span>
        </button>
      ))}
    </fieldset>
  );
}

function WithClerk({ publishableKey, done }: { publishableKey: string } & Done) {
  const { use } = useSession();
  const [problem, setProblem] = useState<string>();
  const start = () =>
    signInWithClerk(publishableKey).then(
      () => {
        use({ kind: "clerk" });
        done?.();
      },
      (error) => setProblem(String((error as Error).message)),
    );
  return (
    <div>
      <button type="button" className="button wide" onClick={start}>
        Sign in with Clerk
      </button>
      {problem && <p className="problem" role="alert">{problem}</p>}
    </div>
  );
}

function PasteToken({ done }: Done) {
  const { use } = useSession();
  const [problem, setProblem] = useState<string>();
  const field = useId();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const token = readToken(String(new FormData(event.currentTarget).get("token")));
    if (!token) return setProblem("That is neither a session token nor an API key.");
    setProblem(undefined);
    use({ kind: "token", token });
    event.currentTarget.reset();
    done?.();
  };
  return (
    <form onSubmit={submit} className="paste">
      <label htmlFor={field}>Paste a token or an API key</label>
      <div className="paste-row">
        <input id={field} name="token" className="input mono" type="password" autoComplete="off" spellCheck={false} placeholder="eyJ… or sgk_…" required aria-describedby={`${field}-note`} />
        <button className="button primary">Use it</button>
      </div>
      {problem && <p className="problem" role="alert">{problem}</p>}
      <p className="note" id={`${field}-note`}>
        It stays in this tab and goes nowhere but to this server. Clerk’s session tokens last a minute; an API key (<code>segue key create</code>) lasts as long as you say.
      </p>
    </form>
  );
}

/** The button that says who you are, and the panel behind it. */
export function Identity() {
  const { standing, credential } = useSession();
  const panel = useId();
  const close = () => document.getElementById(panel)?.hidePopover();
  return (
    <>
      <button type="button" className="identity" popoverTarget={panel} data-testid="identity">
        {standing.is === "known" ? (
          <>
            <Avatar name={standing.viewer.name} keyed={!standing.viewer.id} />
            <span className="identity-name">{standing.viewer.name}</span>
            {standing.viewer.analyst && <span className="badge">analyst</span>}
          </>
        ) : (
          <>
            <Avatar name="" keyed />
            <span className="identity-name">{standing.is === "checking" ? "Checking…" : standing.is === "nobody" ? "Sign in" : "Not sure who you are"}</span>
          </>
        )}
      </button>
      <div id={panel} popover="auto" className="panel" role="dialog" aria-label="Who you are">
        <WhoYouAre />
        <SignIn done={close} />
        {credential.kind !== "cookie" && <SignOut done={close} />}
      </div>
    </>
  );
}

function WhoYouAre() {
  const { standing, credential } = useSession();
  if (standing.is !== "known") return null;
  const { viewer } = standing;
  const ends = expiry(credential);
  return (
    <div className="who">
      <Avatar name={viewer.name} keyed={!viewer.id} />
      <div>
        <p className="who-name">{viewer.name}</p>
        <p className="note">{viewer.email ?? (viewer.id ? viewer.id : "Reads everything, writes nothing")}</p>
        <p className="note">
          {viewer.analyst ? "Sees everyone’s rows" : "Sees their own rows"}
          {ends && ` · until ${ends.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}`}
        </p>
      </div>
    </div>
  );
}

function SignOut({ done }: Done) {
  const { credential, use } = useSession();
  return (
    <button
      type="button"
      className="button quiet wide"
      onClick={async () => {
        if (credential.kind === "clerk") await signOutOfClerk();
        use({ kind: "cookie" });
        done?.();
      }}
    >
      Forget this {credential.kind === "clerk" ? "session" : "token"}
    </button>
  );
}

/** Initials on a colour that a name always gets again. */
export function Avatar({ name, keyed }: { name: string; keyed?: boolean }) {
  if (keyed) return <span className="avatar" aria-hidden="true"><Key /></span>;
  const initials = name.split(/\s+/).map((word) => [...word][0] ?? "").slice(0, 2).join("").toUpperCase();
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)!) % 360;
  return <span className="avatar" style={{ "--hue": hue } as React.CSSProperties} aria-hidden="true">{initials || "?"}</span>;
}
