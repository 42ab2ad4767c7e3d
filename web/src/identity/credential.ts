import type { PageConfig } from "../page/config";
import { clerkToken } from "./clerk";

/** How this tab proves who it is. A cookie is the browser's business: all we do is send no header. */
export type Credential = { kind: "cookie" } | { kind: "clerk" } | { kind: "token"; token: string; label?: string };

const slot = "segue.credential";

/** The tab's credential: it lives in sessionStorage, so it leaves with the tab and no other site's script can read it. */
export function loadCredential(config: PageConfig, prefer: "user" | "analyst"): Credential {
  try {
    const kept = sessionStorage.getItem(slot);
    if (kept) return fresh(JSON.parse(kept) as Credential, config);
  } catch {
    // Unreadable is the same as absent.
  }
  const dev = config.devUsers?.find((user) => (prefer === "analyst") === (user.role === "analyst")) ?? config.devUsers?.[0];
  return dev ? { kind: "token", token: dev.token, label: dev.name } : { kind: "cookie" };
}

/** A development user's token from an earlier `segue dev` is replaced by the page's own. */
function fresh(kept: Credential, config: PageConfig): Credential {
  const dev = kept.kind === "token" && kept.label ? config.devUsers?.find((user) => user.name === kept.label) : undefined;
  return dev ? { kind: "token", token: dev.token, label: dev.name } : kept;
}

export function keepCredential(credential: Credential) {
  try {
    sessionStorage.setItem(slot, JSON.stringify(credential));
  } catch {
    // Kept for as long as the page then.
  }
}

/** The token to send now, if any: Clerk's are renewed as needed. */
export async function bearer(credential: Credential, config: PageConfig): Promise<string | undefined> {
  switch (credential.kind) {
    case "token":
      return credential.token;
    case "clerk":
      return clerkToken(config.clerkPublishableKey);
    case "cookie":
      return undefined;
  }
}

/** Takes what people paste: a token, perhaps with its header's name and scheme before it. Undefined if it cannot be one. */
export function readToken(pasted: string): string | undefined {
  const token = pasted.trim().replace(/^authorization:\s*/i, "").replace(/^bearer\s+/i, "").replace(/^["']|["']$/g, "");
  return /^sgk_[\w-]+$/.test(token) || /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token) ? token : undefined;
}

/** When a session token runs out; undefined for an API key. Read for display only: the server is the judge. */
export function expiry(credential: Credential): Date | undefined {
  if (credential.kind !== "token") return undefined;
  try {
    const payload = credential.token.split(".")[1] ?? "";
    const claims = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))) as { exp?: number };
    return claims.exp ? new Date(claims.exp * 1000) : undefined;
  } catch {
    return undefined;
  }
}
