/**
 * GraphiQL's tabs are elements of role "tab" with buttons inside, which no screen reader can reach: what is inside a tab
 * is read as its text. This makes them a list of buttons, the current one marked, whenever GraphiQL draws them anew.
 */
export function mendTabs(root: HTMLElement): () => void {
  const mend = () => {
    root.querySelector(".graphiql-session-header [role=tablist]")?.setAttribute("role", "list");
    for (const tab of root.querySelectorAll(".graphiql-tab[aria-selected]")) {
      tab.querySelector("button")?.setAttribute("aria-current", tab.getAttribute("aria-selected")!);
      tab.removeAttribute("aria-selected");
      tab.setAttribute("role", "listitem");
    }
  };
  const observer = new MutationObserver(mend);
  observer.observe(root, { subtree: true, childList: true, attributeFilter: ["aria-selected"] });
  mend();
  return () => observer.disconnect();
}
