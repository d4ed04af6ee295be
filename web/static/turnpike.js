// Comfort only: every page works without this file.
(function () {
  "use strict";
  const root = document.documentElement;

  const toggle = document.querySelector("[data-theme-toggle]");
  if (toggle) {
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
    const show = () => toggle.setAttribute("aria-pressed", String(isDark()));
    toggle.hidden = false;
    show();
    system.addEventListener("change", show);
    toggle.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem("turnpike-theme", root.dataset.theme);
      } catch (error) {
        // Kept for this page alone.
      }
      show();
    });
  }

  // `/` goes to the search, `g` and a letter to a page.
  let waiting = false;
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) {
        event.preventDefault();
        search.focus();
        search.select();
      }
      return;
    }
    if (waiting) {
      waiting = false;
      const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) link.click();
      return;
    }
    if (event.key === "g") {
      waiting = true;
      setTimeout(() => (waiting = false), 1500);
    }
  });

  // Rows of long tables are filtered as somebody types.
  for (const input of document.querySelectorAll("[data-filters]")) {
    const table = document.getElementById(input.dataset.filters);
    if (!table) continue;
    input.closest("[hidden]")?.removeAttribute("hidden");
    const rows = Array.from(table.querySelectorAll("tbody tr[data-row]"));
    const said = document.getElementById(input.dataset.filters + "-found");
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      let found = 0;
      for (const row of rows) {
        row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
        if (!row.hidden) found += 1;
      }
      if (said) said.textContent = wanted === "" ? "" : `${found} of ${rows.length} lines`;
    });
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = new URL(button.dataset.copy, location.href).href;
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    });
  }

  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
})();
