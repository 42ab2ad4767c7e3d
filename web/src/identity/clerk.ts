/** The part of Clerk's own browser library that the pages use. */
interface Clerk {
  load(): Promise<void>;
  openSignIn(options: object): void;
  signOut(): Promise<void>;
  addListener(listener: (state: { session?: ClerkSession | null }) => void): () => void;
  session?: ClerkSession | null;
}

interface ClerkSession {
  getToken(): Promise<string | null>;
}

declare global {
  interface Window {
    Clerk?: Clerk;
  }
}

let loading: Promise<Clerk> | undefined;

/** Fetches Clerk's library from the Clerk instance that the publishable key names: the one thing these pages ever load from elsewhere, and only once somebody asks to sign in with it. */
function loadClerk(publishableKey: string): Promise<Clerk> {
  loading ??= new Promise<Clerk>((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `https://${clerkHost(publishableKey)}/npm/@clerk/clerk-js@5/dist/clerk.browser.js`;
    script.crossOrigin = "anonymous";
    script.dataset["clerkPublishableKey"] = publishableKey;
    script.onload = () => window.Clerk!.load().then(() => resolve(window.Clerk!), reject);
    script.onerror = () => reject(new Error("Clerk's sign-in could not be loaded"));
    document.head.append(script);
  });
  loading.catch(() => (loading = undefined));
  return loading;
}

/** pk_live_ and pk_test_ keys are the instance's host in base64, ended by a dollar sign. */
export function clerkHost(publishableKey: string): string {
  return atob(publishableKey.replace(/^pk_(test|live)_/, "")).replace(/\$$/, "");
}

/** A token of the signed-in session, renewed by Clerk as needed; undefined when nobody is signed in. */
export async function clerkToken(publishableKey: string | undefined): Promise<string | undefined> {
  if (!publishableKey) return undefined;
  const clerk = await loadClerk(publishableKey);
  return (await clerk.session?.getToken()) ?? undefined;
}

/** Opens Clerk's sign-in and resolves once somebody is signed in. */
export async function signInWithClerk(publishableKey: string): Promise<void> {
  const clerk = await loadClerk(publishableKey);
  if (clerk.session) return;
  await new Promise<void>((resolve) => {
    const stop = clerk.addListener(({ session }) => {
      if (!session) return;
      stop();
      resolve();
    });
    clerk.openSignIn({});
  });
}

export async function signOutOfClerk(): Promise<void> {
  await window.Clerk?.signOut();
}
