import type { ReactNode } from "react";
import { Identity } from "../identity/SignIn";
import { useSession } from "../identity/Session";
import { Mark, Moon, Sun } from "./icons";
import { setTheme, useTheme } from "./theme";

/** The bar on top of both pages. */
export function Header({ page, children }: { page: "playground" | "dashboard"; children?: ReactNode }) {
  const { config } = useSession();
  return (
    <header className="bar">
      <span className="brand">
        <Mark />
        <span className="brand-name">Segue</span>
      </span>
      <nav aria-label="Pages">
        {(config.playground || page === "playground") && <a href="/" aria-current={page === "playground" ? "page" : undefined}>Playground</a>}
        <a href="/dashboard" aria-current={page === "dashboard" ? "page" : undefined}>Dashboard</a>
      </nav>
      <span className="bar-space" />
      {children}
      <ThemeButton />
      <Identity />
    </header>
  );
}

function ThemeButton() {
  const theme = useTheme();
  const other = theme === "dark" ? "light" : "dark";
  return (
    <button type="button" className="icon-button" onClick={() => setTheme(other)} aria-label={`Switch to ${other}`} title={`Switch to ${other}`}>
      {theme === "dark" ? <Sun /> : <Moon />}
    </button>
  );
}
