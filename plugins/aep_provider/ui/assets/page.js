"use strict";
// Follows Airflow's theme, keeps the page fresh, searches while one types, and leaves Airflow's frame for links that lead
// out of it. Without it the page works all the same, outside the frame.
(() => {
  const root = document.documentElement;
  let outer = null;
  try {
    if (window.parent !== window && window.parent.document) outer = window.parent;
  } catch {
    outer = null; // framed by another origin, which the server's headers forbid anyway
  }

  // The theme: what Airflow's page shows around this one, else what Airflow has stored, else the system's.
  const theme = () => {
    const classes = outer && outer.document.documentElement.classList;
    if (classes && classes.contains("dark")) return "dark";
    if (classes && classes.contains("light")) return "light";
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  };
  const follow = () => {
    const now = theme();
    if (now === "dark" || now === "light") root.dataset.theme = now;
    else delete root.dataset.theme;
  };
  follow();
  window.addEventListener("storage", follow);
  if (outer) {
    const watch = new MutationObserver(follow);
    watch.observe(outer.document.documentElement, { attributes: true, attributeFilter: ["class"] });
    window.addEventListener("pagehide", () => watch.disconnect());
  }

  // Airflow's frame may not open windows or turn the page around it; a link that is part of that page may.
  const leave = (link, fresh) => {
    const twin = outer.document.createElement("a");
    twin.href = link.href;
    twin.rel = "noopener noreferrer";
    if (fresh) twin.target = "_blank";
    outer.document.body.append(twin);
    twin.click();
    twin.remove();
  };
  const clicked = (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    if (!link || !outer || event.button > 1) return;
    const fresh = event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey || link.matches(".foreign");
    if (!fresh && !link.matches(".out")) return;
    event.preventDefault();
    leave(link, fresh);
  };
  document.addEventListener("click", clicked);
  document.addEventListener("auxclick", clicked);

  // Looking again: the same address is fetched, and what it shows takes the place of what is shown.
  let timer = 0;
  let asking = 0;
  const show = async (address, keepsFocus) => {
    const mine = ++asking;
    clearTimeout(timer);
    try {
      const answer = await fetch(address, { credentials: "same-origin", cache: "no-store" });
      const text = await answer.text();
      if (mine !== asking) return;
      if (answer.status === 401) return location.reload();
      const next = new DOMParser().parseFromString(text, "text/html").querySelector("main[data-again]");
      if (answer.ok && next) {
        const main = document.querySelector("main");
        const typed = document.activeElement;
        const id = keepsFocus && typed && main.contains(typed) ? typed.id : "";
        const at = id && "selectionStart" in typed ? [typed.value, typed.selectionStart] : null;
        const open = main.querySelector("details[open]");
        const scrolled = [...main.querySelectorAll(".tall")].map((one) => one.scrollTop);
        main.replaceWith(document.adoptNode(next));
        [...next.querySelectorAll(".tall")].forEach((one, place) => (one.scrollTop = scrolled[place] || 0));
        if (open && next.querySelector("details")) next.querySelector("details").open = true;
        const again = id && document.getElementById(id);
        if (again) {
          again.focus({ preventScroll: true });
          if (at) {
            again.value = at[0];
            again.setSelectionRange(at[1], at[1]);
          }
        }
      }
    } catch {
      // Airflow is away for a moment: what is shown tells its age.
    }
    if (mine === asking) later();
  };
  const later = () => {
    const main = document.querySelector("main[data-again]");
    if (!main) return;
    timer = setTimeout(() => {
      const busy = document.hidden || main.contains(document.activeElement && document.activeElement.closest("table, select"));
      if (busy || String(getSelection())) later();
      else show(location.href, true);
    }, 1000 * Number(main.dataset.again));
  };

  document.addEventListener("input", (event) => {
    if (event.target.id !== "q") return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      const form = event.target.form;
      const address = `${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`;
      history.replaceState(null, "", address);
      show(address, true);
    }, 250);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });
  document.addEventListener("DOMContentLoaded", later);
})();
