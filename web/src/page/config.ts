/** What the server wrote into the page: nothing in it is secret, except development tokens under `segue dev`. */
export interface PageConfig {
  version?: string;
  /** There is a playground on "/". */
  playground?: boolean;
  /** Sign-in with Clerk is offered when set. */
  clerkPublishableKey?: string;
  /** Only under `segue dev`. */
  devUsers?: DevUser[];
}

export interface DevUser {
  name: string;
  role: string;
  token: string;
}

export function pageConfig(): PageConfig {
  return JSON.parse(document.getElementById("segue-config")?.textContent || "{}") as PageConfig;
}
