// Brings the parts marked data-live up to date. Without this script a page is as it was made.
"use strict";
(() => {
  const SECONDS = 15;
  const parts = () => document.querySelectorAll("[data-live]");
  if (!parts().length) return;

  const note = document.createElement("button");
  note.className = "live";
  note.type = "button";
  document.querySelector("header.top nav").append(" ", note);
  let paused = false;
  const tell = (text) => { note.textContent = text; };
  const idle = () => tell(paused ? "Paused: go on" : "Live: pause");
  note.addEventListener("click", () => { paused = !paused; note.classList.remove("lost"); idle(); });
  idle();

  const swap = (old, fresh) => {
    if (old.outerHTML === fresh.outerHTML || old.contains(document.activeElement)) return;
    old.querySelectorAll("details").forEach((details, place) => {
      const same = fresh.querySelectorAll("details")[place];
      if (same) same.open = details.open;
    });
    old.replaceWith(fresh);
  };

  const refresh = async () => {
    if (paused || document.hidden) return;
    try {
      const answer = await fetch(location.href, { signal: AbortSignal.timeout(10000) });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      parts().forEach((old) => {
        const fresh = page.getElementById(old.id);
        if (fresh) swap(old, fresh);
      });
      document.title = page.title;
      const made = page.getElementById("made");
      if (made) document.getElementById("made").replaceWith(made);
      note.classList.remove("lost");
      idle();
    } catch {
      note.classList.add("lost");
      tell("No answer: this page is old");
    }
  };
  setInterval(refresh, SECONDS * 1000);
  document.addEventListener("visibilitychange", refresh);
})();
