// Lists: refreshes keep selection, focus and scroll; the toolbar says what the selection allows; links outside the
// fragment follow it. The markup is templates/activity/listing/; nothing here knows what a row is.
const byId = (id) => document.getElementById(id);
const boxes = (checked = "") => [...document.querySelectorAll(`#results [name="ids"]${checked}`)];
const FOCUSABLE = "a[href], button, input, summary, [tabindex]";
let kept = null; // what the running swap must bring back

// --- the timer rests while nobody looks, a dialog is open, a column is dragged or a person's own request is under way
document.addEventListener("htmx:confirm", (event) => {
  const { elt, triggeringEvent } = event.detail;
  const isTimer = elt.id === "results" && !triggeringEvent;
  const isBusy = byId("dialog").open || "resizing" in document.body.dataset || document.querySelector(".filters.htmx-request, .results .htmx-request");
  // Leaving the search box is a change too, but the typing was answered already.
  const isRepeated = elt.id === "filters" && triggeringEvent?.type === "change" && triggeringEvent.target.id === "search";
  if ((isTimer && (document.hidden || isBusy)) || isRepeated) event.preventDefault();
});

// --- before and after a swap
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id !== "results" || !detail.shouldSwap) return;
  const region = byId("results-region");
  const row = document.activeElement.closest("#results tr[id]");
  kept = {
    url: detail.target.dataset.url,
    ids: new Set(boxes(":checked").map((box) => box.value)),
    left: region?.scrollLeft ?? 0,
    top: region?.scrollTop ?? 0,
    // Links in cells have no id of their own: the row and the place in it find them again.
    focus: row && !document.activeElement.id && [row.id, [...row.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement)],
  };
});
document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.id !== "results" || !kept) return;
  const region = byId("results-region");
  const isSamePage = target.dataset.url === kept.url;
  if (region) {
    region.scrollLeft = kept.left;
    region.scrollTop = isSamePage ? kept.top : 0;
  }
  for (const box of boxes()) box.checked = kept.ids.has(box.value);
  if (kept.focus) byId(kept.focus[0])?.querySelectorAll(FOCUSABLE)[kept.focus[1]]?.focus({ preventScroll: true });
  kept = null;
  announce();
  followLinks(target.dataset);
  showSelection();
});
function announce() {
  const text = byId("count")?.firstElementChild.textContent ?? byId("results").textContent.trim();
  if (byId("announcer") && byId("announcer").textContent !== text) byId("announcer").textContent = text;
}
function followLinks({ url, csv }) {
  if (url && byId("refresh")) byId("refresh").href = url;
  if (csv && byId("download")) byId("download").href = csv;
  for (const input of document.querySelectorAll("#selection [name=next], #columns-menu [name=next]")) if (url) input.value = url;
}
// Typing replaces the address of the step before, and asking twice for the same list is one step: Back works as expected.
let typed = false;
document.addEventListener("htmx:configRequest", ({ detail }) => {
  typed = detail.elt.id === "filters" && detail.triggeringEvent?.type === "input" && new URLSearchParams(location.search).has("q");
});
document.addEventListener("htmx:beforeHistoryUpdate", ({ detail }) => {
  if (typed || detail.history.path === location.pathname + location.search) detail.history.type = "replace";
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("#refresh")) return;
  event.preventDefault();
  htmx.trigger("#results", "refresh");
});

// --- selection and toolbar
const words = (count, many) => (count === 0 ? "Select a session first" : count > 1 && many === "no" ? "Select one session only" : "");
function reasonAgainst(button, rows) {
  const { verb, many, refused } = button.dataset;
  const reasons = rows.map((row) => row[verb]).filter(Boolean);
  const share = rows.length > 1 && reasons.length < rows.length ? ` (${reasons.length} of ${rows.length} selected)` : "";
  return refused || words(rows.length, many) || (reasons[0] ? reasons[0] + share : "");
}
function showSelection() {
  const all = boxes();
  const chosen = boxes(":checked");
  const page = byId("select-page");
  if (page) {
    page.checked = all.length > 0 && chosen.length === all.length;
    page.indeterminate = chosen.length > 0 && chosen.length < all.length;
  }
  const toolbar = byId("selection");
  if (!toolbar) return;
  const kinds = JSON.parse(document.querySelector("#results table")?.dataset.refusals ?? "[]");
  const rows = chosen.map((box) => kinds[box.closest("tr").dataset.refusals]);
  for (const button of toolbar.querySelectorAll("[data-verb]")) {
    const reason = reasonAgainst(button, rows);
    button.ariaDisabled = reason ? "true" : null;
    button.title = reason;
    button.setAttribute("aria-describedby", "toolbar-hint");
  }
  tell();
}
function hint() {
  const found = byId("toolbar-hint") ?? document.createElement("p");
  if (!found.isConnected) {
    found.id = "toolbar-hint";
    found.className = "toolbar-hint";
    byId("selection").append(found);
  }
  return found;
}
function tell(button) {
  const count = boxes(":checked").length;
  hint().textContent = button?.title || (count ? `${count} selected` : "");
}
document.addEventListener("change", ({ target }) => {
  if (target.id === "select-page") for (const box of boxes()) box.checked = target.checked;
  if (target.id === "select-page" || target.name === "ids") showSelection();
});
for (const name of ["focusin", "pointerover"])
  document.addEventListener(name, ({ target }) => {
    const button = target.closest("#selection [data-verb]");
    if (button) tell(button);
    const cell = target.closest(".grid td"); // what does not fit can be read in full
    if (cell && !cell.title && cell.scrollWidth > cell.clientWidth) cell.title = cell.textContent.trim();
  });
for (const name of ["focusout", "pointerout"])
  document.addEventListener(name, ({ target }) => target.closest("#selection [data-verb]") && tell());
showSelection();
window.addEventListener("pageshow", showSelection); // the browser may have brought ticks back
