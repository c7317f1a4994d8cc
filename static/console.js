// The frame of every page: cookies, theme, menus, the dialog and quiet refreshes. Messages and failed
// requests are in toasts.js, lists in lists.js, column widths in columns.js. Everything works without these files; they only make it smoother.
const byId = (id) => document.getElementById(id);
const on = (name, act) => document.addEventListener(name, act);
const page = document.documentElement.dataset;
const dialog = byId("dialog");

// --- cookies that the server reads: the viewer's zone, a touch screen on a Mac (an iPad says it is one), the theme
function remember(name, value) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax${secure}`;
}
remember("timezone", Intl.DateTimeFormat().resolvedOptions().timeZone);
if (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1) remember("touch", "1");

function showTheme(choice) {
  if (choice) page.theme = choice;
  else delete page.theme;
  for (const button of document.querySelectorAll("[data-theme-choice]"))
    button.ariaPressed = String(button.dataset.themeChoice === choice);
}
showTheme(page.theme ?? "");

// --- after a change (toasts.js says what was done)
const refreshAll = () => document.querySelectorAll('[hx-trigger*="refresh"]').forEach((part) => htmx.trigger(part, "refresh"));

on("done", () => {
  dialog.close();
  refreshAll();
});

// --- quiet refreshes: a part with data-etag asks "only if it changed" and is answered with a 304 otherwise
on("htmx:configRequest", ({ detail: { elt, headers, verb, formData } }) => {
  if (verb !== "get") return;
  if (elt.dataset.etag) headers["If-None-Match"] = `"${elt.dataset.etag}"`;
  if (elt.id !== "filters") return;
  for (const name of new Set(formData.keys())) {
    const value = formData.getAll(name).at(-1); // that of a button comes last
    if (!value) formData.delete(name);
    else if (!elt.querySelector(`select[multiple][name="${name}"]`)) formData.set(name, value);
  }
  for (const name of [...formData.keys()]) if (/_is$/.test(name) && !formData.has(name.slice(0, -3))) formData.delete(name);
});
on("htmx:afterOnLoad", ({ detail: { elt, xhr } }) => {
  document.querySelectorAll(".offline").forEach((line) => line.remove());
  const etag = xhr.getResponseHeader("ETag");
  if (etag && "etag" in elt.dataset) elt.dataset.etag = etag.replace(/^W\/|"/g, "");
});
// A page that comes back to the front looks at once, also one that the browser kept from before a logout.
on("visibilitychange", () => document.hidden || refreshAll());
window.addEventListener("pageshow", (event) => event.persisted && refreshAll());

// --- the dialog: filled by htmx, shown when its form is ready to be sent by htmx
on("htmx:afterSettle", ({ detail }) => {
  if (detail.target !== dialog || !dialog.firstElementChild) return;
  if (!dialog.open) dialog.showModal();
  dialog.querySelector('[aria-invalid="true"]')?.focus();
});
dialog.addEventListener("close", () => dialog.replaceChildren());

// --- clicks: what is disabled does nothing, [data-close] closes, menus close when one clicks elsewhere
document.addEventListener("click", (event) => {
  if (!event.target.closest('[aria-disabled="true"]')) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);
on("click", ({ target }) => {
  if (target.closest("[data-close]")) dialog.close();
  const choice = target.closest("[data-theme-choice]")?.dataset.themeChoice;
  if (choice !== undefined) {
    remember("theme", choice);
    showTheme(choice);
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
});
on("keydown", (event) => {
  const menu = event.key === "Escape" && document.activeElement.closest("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
