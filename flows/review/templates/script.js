"use strict";
const rows = [...document.querySelectorAll("article")];
const name = "evolens-review-" + document.body.dataset.name;
const reviewer = document.getElementById("reviewer");
const keys = { 1: ["label", "right"], 2: ["label", "wrong"], 3: ["label", "unsure"], q: ["shown", "right"], w: ["shown", "wrong"], e: ["shown", "unsure"] };
let state = { reviewer: "", rows: {} };
let place = 0;

const id = (row) => [row.dataset.queue, row.dataset.sample, row.dataset.shown].join("/");
const said = (row) => (state.rows[id(row)] ??= {});
const field = (row, which) => row.querySelector(`[data-field="${which}"]`);
const done = (row) => Boolean(said(row).label && (said(row).shown || !field(row, "shown")));

function keep() {
  try { localStorage.setItem(name, JSON.stringify(state)); } catch { /* a browser that keeps nothing still saves a file */ }
  const count = rows.filter(done).length;
  document.getElementById("progress").textContent = `${count} of ${rows.length} done`;
}

function draw(row) {
  for (const set of row.querySelectorAll("[data-field]"))
    for (const button of set.querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(said(row)[set.dataset.field] === button.dataset.verdict));
  row.querySelector(".note input").value = said(row).note ?? "";
}

function go(to) {
  rows[place].hidden = true;
  place = Math.min(Math.max(to, 0), rows.length - 1);
  rows[place].hidden = false;
  draw(rows[place]);
  rows[place].focus({ preventScroll: true });
  scrollTo(0, 0);
}

function next() {
  const later = rows.findIndex((row, at) => at > place && !done(row));
  const any = later >= 0 ? later : rows.findIndex((row) => !done(row));
  if (any >= 0) go(any);
}

function judge(row, which, verdict) {
  if (!field(row, which)) return;
  const mine = said(row);
  mine[which] = mine[which] === verdict ? null : verdict;
  mine.reviewed_at = new Date().toISOString();
  draw(row);
  keep();
  if (done(row) && mine[which]) next();
}

function save() {
  if (!reviewer.reportValidity()) return;
  const verdicts = rows.filter((row) => said(row).label || said(row).shown).map((row) => ({
    queue: row.dataset.queue, run_id: document.body.dataset.run, sample_id: row.dataset.sample,
    shown_id: row.dataset.shown || null, label: said(row).label ?? null, shown: said(row).shown ?? null,
    note: said(row).note || null, reviewed_at: said(row).reviewed_at,
  }));
  const text = JSON.stringify({ reviewer: reviewer.value.trim(), verdicts }, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `verdicts-${reviewer.value.trim().replace(/[^\w-]+/g, "-")}-${document.body.dataset.name}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

try { state = JSON.parse(localStorage.getItem(name)) ?? state; } catch { /* begin anew */ }
reviewer.value = state.reviewer;
reviewer.addEventListener("input", () => { state.reviewer = reviewer.value; keep(); });
document.getElementById("save").addEventListener("click", save);
document.getElementById("back").addEventListener("click", () => go(place - 1));
document.getElementById("on").addEventListener("click", () => go(place + 1));
for (const row of rows) {
  for (const button of row.querySelectorAll("[data-field] button"))
    button.addEventListener("click", () => judge(row, button.closest("[data-field]").dataset.field, button.dataset.verdict));
  const note = row.querySelector(".note input");
  note.addEventListener("input", () => { said(row).note = note.value; said(row).reviewed_at ??= new Date().toISOString(); keep(); });
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof HTMLInputElement) {
    if (event.key === "Enter" || event.key === "Escape") rows[place].focus();
    return;
  }
  if (event.key in keys) judge(rows[place], ...keys[event.key]);
  else if (event.key === "ArrowRight") go(place + 1);
  else if (event.key === "ArrowLeft") go(place - 1);
  else if (event.key === "u") next();
  else if (event.key === "n") rows[place].querySelector(".note input").focus();
  else if (event.key === "s") save();
  else return;
  event.preventDefault(); // a field that has just been focused must not take the key
});
keep();
go(Math.max(rows.findIndex((row) => !done(row)), 0));
