import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";

const slot = "segue.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function current(): Theme {
  const chosen = document.documentElement.dataset["theme"];
  return chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
}

/** Follows the system until the person chooses; a choice equal to the system's is no choice any more. */
export function setTheme(theme: Theme) {
  const follows = theme === (system.matches ? "dark" : "light");
  if (follows) delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  try {
    if (follows) localStorage.removeItem(slot);
    else localStorage.setItem(slot, theme);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
  listeners.forEach((tell) => tell());
}

export function useTheme(): Theme {
  return useSyncExternalStore((tell) => {
    listeners.add(tell);
    system.addEventListener("change", tell);
    return () => {
      listeners.delete(tell);
      system.removeEventListener("change", tell);
    };
  }, current);
}
