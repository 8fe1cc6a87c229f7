"use strict";
(() => {
  // Traces: without this script all steps stand below each other; with it, one at a time.
  for (const trace of document.querySelectorAll(".trace")) {
    const frames = [...trace.querySelectorAll(".frame")];
    if (frames.length < 2) continue;
    const bar = document.createElement("div");
    bar.className = "bar";
    const button = (label, text) => {
      const made = document.createElement("button");
      made.type = "button";
      made.textContent = text;
      made.setAttribute("aria-label", label);
      return made;
    };
    const back = button("Step back", "←");
    const on = button("Step on", "→");
    const dots = document.createElement("span");
    dots.className = "dots";
    dots.setAttribute("aria-hidden", "true");
    const told = document.createElement("span");
    told.className = "told";
    told.setAttribute("aria-live", "polite");
    for (const _ of frames) dots.append(document.createElement("i"));
    bar.append(back, dots, told, on);
    trace.append(bar);
    trace.classList.add("stepped");
    trace.tabIndex = 0;
    let place = 0;
    const go = (next) => {
      place = Math.max(0, Math.min(frames.length - 1, next));
      frames.forEach((frame, index) => (frame.hidden = index !== place));
      [...dots.children].forEach((dot, index) => dot.classList.toggle("here", index <= place));
      told.textContent = `${place + 1} of ${frames.length}`;
      back.disabled = place === 0;
      on.disabled = place === frames.length - 1;
      trace.dataset.place = String(place);
    };
    back.addEventListener("click", () => go(place - 1));
    on.addEventListener("click", () => go(place + 1));
    trace.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: frames.length - 1 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      go(moves[event.key]);
    });
    go(0);
  }

  // Gallery: an opened sample takes the whole row, so it may have moved.
  for (const card of document.querySelectorAll(".card")) {
    card.addEventListener("toggle", () => card.open && card.scrollIntoView({ block: "nearest" }));
  }

  // Charts: the sentence of the mark under the pointer.
  const tip = document.getElementById("tip");
  const show = (event) => {
    const mark = event.target.closest && event.target.closest(".chart [aria-roledescription][aria-label]");
    const says = mark && mark.getAttribute("role") === "graphics-symbol" && !/axis|legend|header/.test(mark.getAttribute("aria-roledescription")) ? mark.getAttribute("aria-label") : "";
    tip.hidden = !says;
    if (!says) return;
    tip.textContent = says;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    const top = event.clientY + 18 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 12 : event.clientY + 18;
    tip.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
  };
  addEventListener("pointermove", show, { passive: true });
  addEventListener("pointerdown", show, { passive: true });
  addEventListener("scroll", () => (tip.hidden = true), { passive: true });

  // Sections: the one in view is marked in the bar above.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        const link = links.get(entry.target.id);
        link.setAttribute("aria-current", "true");
        const list = link.closest("ul");
        list.scrollTo({ left: link.offsetLeft - list.clientWidth / 2 + link.offsetWidth / 2 });
      }
    },
    { rootMargin: "-20% 0px -70% 0px" },
  );
  for (const section of document.querySelectorAll("main > section")) seen.observe(section);

  // An address with the id of a sample opens it.
  const open = () => {
    const wanted = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (wanted && wanted.tagName === "DETAILS") wanted.open = true;
  };
  addEventListener("hashchange", open);
  open();
})();
