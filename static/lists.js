// Lists: refreshes keep selection, focus and scroll; the toolbar says what the selection allows; links outside the
// fragment follow it. The markup is templates/activity/listing/; nothing here knows what a row is.
const byId = (id) => document.getElementById(id);
const on = (name, act) => document.addEventListener(name, act);
const boxes = (checked = "") => [...document.querySelectorAll(`#results [name="ids"]${checked}`)];
const FOCUSABLE = "a[href], button, input, summary, [tabindex]";
let saved = null; // what the running swap must bring back
let typed = false; // the running request goes on with a search

// --- the timer rests while nobody looks, a dialog is open, a column is dragged or a person's own request is under way
on("htmx:confirm", (event) => {
  const { elt, triggeringEvent } = event.detail;
  const isTimer = elt.id === "results" && !triggeringEvent;
  const isBusy = document.hidden || document.querySelector("dialog[open], [data-resizing], #jump:focus-within, #filters.htmx-request, #results .htmx-request");
  // Leaving the search box is a change too, but the typing was answered already.
  const isRepeated = elt.id === "filters" && triggeringEvent?.type === "change" && triggeringEvent.target.id === "search";
  if ((isTimer && isBusy) || isRepeated) event.preventDefault();
});

// --- before and after a swap
on("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id !== "results" || !detail.shouldSwap) return;
  const { scrollLeft = 0, scrollTop = 0 } = byId("results-region") ?? {};
  const here = document.activeElement;
  const row = here.closest("#results tr[id]");
  saved = {
    url: detail.target.dataset.url,
    ids: new Set(boxes(":checked").map((box) => box.value)),
    scrollLeft,
    scrollTop,
    // Links in cells have no id of their own: the row and the place in it find them again.
    focus: row && (here === row || !here.id) && [row.id, [...row.querySelectorAll(FOCUSABLE)].indexOf(here)],
    isInside: here.closest("#results"),
  };
});
on("htmx:afterSwap", ({ target }) => {
  if (target.id !== "results" || !saved) return;
  const { url, ids, scrollLeft, scrollTop, focus, isInside } = saved;
  saved = null;
  Object.assign(byId("results-region") ?? {}, { scrollLeft, scrollTop: target.dataset.url === url ? scrollTop : 0 });
  for (const box of boxes()) box.checked = ids.has(box.value);
  if (focus) (focus[1] < 0 ? reachable(byId(focus[0])) : byId(focus[0])?.querySelectorAll(FOCUSABLE)[focus[1]])?.focus({ preventScroll: true });
  if (isInside && document.activeElement === document.body) byId("main").focus({ preventScroll: true }); // it has gone
  announce();
  followLinks(target.dataset);
  showSelection();
});
function announce() {
  const text = byId("count")?.firstElementChild.textContent ?? byId("results").textContent.trim();
  if (byId("announcer") && byId("announcer").textContent !== text) byId("announcer").textContent = text;
}
function followLinks({ url, csv }) {
  if (byId("filter-count")) {
    const count = document.querySelectorAll("#results .chip").length;
    Object.assign(byId("filter-count"), { textContent: count, hidden: !count });
  }
  if (url && byId("refresh")) byId("refresh").href = url;
  if (csv) for (const link of document.querySelectorAll("#download, [data-further]")) link.href = csv + (link.dataset.further ?? "");
  if (url) for (const input of document.querySelectorAll(":is(#selection, .list-buttons) [name=next]")) input.value = url;
}
// Typing replaces the address of the step before, and asking twice for the same list is one step: Back works as expected.
on("htmx:configRequest", ({ detail: { elt, triggeringEvent } }) => {
  typed = elt.id === "filters" && triggeringEvent?.type === "input" && new URLSearchParams(location.search).has("q");
});
on("htmx:beforeHistoryUpdate", ({ detail: { history } }) => {
  if (typed || history.path === location.pathname + location.search) history.type = "replace";
});
on("click", (event) => {
  if (!event.target.closest("#refresh")) return;
  event.preventDefault();
  htmx.trigger("#results", "refresh");
});

// A chip is a button of the filters' form: what it sends is what their field says from now on.
on("click", ({ target }) => {
  const { name, value } = target.closest('button[form="filters"]') ?? {};
  if (name) for (const field of document.querySelectorAll(`#filters [name=${name}]`)) field.value = value;
});
on("submit", ({ target }) => { if (target.id === "filters" && byId("filter-menu")) byId("filter-menu").open = false; });
// --- rows: the arrow keys move between them, Space selects, Enter opens. Tab goes on to what is in the row.
let current = ""; // where the person was
function reachable(row) {
  if (row) row.tabIndex = -1;
  return row;
}
on("keydown", (event) => {
  const { key, target, altKey, ctrlKey, metaKey } = event;
  const region = target.closest("#results-region");
  const row = target.closest("#results tbody tr");
  if (altKey || ctrlKey || metaKey || !(row || (region && target === region))) return;
  const rows = [...region.querySelectorAll("tbody tr[id]")];
  const here = rows.indexOf(row ?? byId(current));
  const screen = Math.max(1, Math.floor(Math.min(region.clientHeight, innerHeight) / rows[0].offsetHeight) - 2);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: screen, PageUp: -screen, Home: -rows.length, End: rows.length };
  if (key in steps) {
    const next = reachable(rows[Math.min(rows.length - 1, Math.max(0, here + steps[key]))]);
    current = next.id;
    next.focus();
  } else if (target === row && key === " ") row.querySelector("[name=ids]")?.click();
  else if (target === row && key === "Enter") (row.querySelector(".opens a") ?? row.querySelector("a"))?.click();
  else return;
  event.preventDefault();
});

// --- selection and toolbar
function reasonAgainst({ verb, many, refused }, rows) {
  if (refused) return refused;
  if (rows.length > 1 && many === "no") return "Select one session only";
  const reasons = rows.map((row) => row[verb]).filter(Boolean);
  const share = reasons.length < rows.length ? ` (${reasons.length} of ${rows.length} selected)` : "";
  return reasons.length ? reasons[0] + share : "";
}
function showSelection() {
  const chosen = boxes(":checked");
  const all = byId("select-page");
  if (all) {
    all.checked = chosen.length > 0 && chosen.length === boxes().length;
    all.indeterminate = chosen.length > 0 && !all.checked;
  }
  if (!byId("selection")) return;
  const kinds = JSON.parse(document.querySelector("#results table")?.dataset.refusals ?? "[]");
  const rows = chosen.map((box) => kinds[box.closest("tr").dataset.refusals]);
  for (const button of document.querySelectorAll("#selection [data-verb]")) {
    button.title = reasonAgainst(button.dataset, rows);
    button.ariaDisabled = button.title ? "true" : null;
    button.setAttribute("aria-describedby", "toolbar-hint");
  }
  tell();
}
function tell(button) {
  const count = boxes(":checked").length;
  byId("toolbar-hint").textContent = button?.title || (count ? `${count} selected` : "");
}
on("change", ({ target }) => {
  if (target.id === "select-page") for (const box of boxes()) box.checked = target.checked;
  if (target.id === "select-page" || target.name === "ids") showSelection();
});
for (const name of ["focusin", "focusout", "pointerover", "pointerout"])
  on(name, ({ target }) => {
    const button = target.closest("#selection [data-verb]");
    if (button) tell(/in|over/.test(name) && button);
    const cell = target.closest(".grid td"); // what does not fit can be read in full
    if (cell && !cell.title && cell.scrollWidth > cell.clientWidth) cell.title = cell.textContent.trim();
  });
showSelection();
window.addEventListener("pageshow", showSelection); // the browser may have brought ticks back
