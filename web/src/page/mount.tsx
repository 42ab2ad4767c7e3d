import { type ReactNode, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { SessionProvider } from "../identity/Session";
import { pageConfig } from "./config";
import "./page.css";

/** Puts a page into the document, with a session around it. */
export function mount(page: ReactNode, prefer: "user" | "analyst") {
  createRoot(document.getElementById("root")!).render(
    <StrictMode>
      <SessionProvider config={pageConfig()} prefer={prefer}>{page}</SessionProvider>
    </StrictMode>,
  );
}
