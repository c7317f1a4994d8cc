// The frame of every page: cookies, theme, messages, menus, the dialog, what a failed request says, and quiet refreshes.
// Lists are in lists.js, column widths in columns.js. Everything works without this file; it only makes it smoother.
const byId = (id) => document.getElementById(id);
const dialog = byId("dialog");

// --- cookies that the server reads: the viewer's zone, a touch screen on a Mac (an iPad says it is one), the theme
function remember(name, value) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax${secure}`;
}
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const isNewZone = !!zone && !document.cookie.split("; ").includes(`timezone=${zone}`);
if (isNewZone) remember("timezone", zone);
if (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1) remember("touch", "1");

function showTheme(choice) {
  if (choice) document.documentElement.dataset.theme = choice;
  else delete document.documentElement.dataset.theme;
  for (const button of document.querySelectorAll("[data-theme-choice]"))
    button.ariaPressed = String(button.dataset.themeChoice === choice);
}
showTheme(document.documentElement.dataset.theme ?? "");

// --- messages: in the open dialog, else on top of the page
function say(lines, extra = "") {
  let box = byId("messages");
  if (dialog.open) {
    box = dialog.querySelector(".messages") ?? document.createElement("div");
    box.className = "messages";
    box.role = "alert";
    dialog.prepend(box);
  }
  if (box.textContent === lines.map(([, text]) => text).join("")) return; // said already: do not repeat it aloud
  box.replaceChildren(...lines.map(([kind, text]) => {
    const line = document.createElement("p");
    line.className = `message ${kind} ${extra}`;
    line.textContent = text;
    return line;
  }));
}

const refreshAll = () => document.querySelectorAll('[hx-trigger*="refresh"]').forEach((part) => htmx.trigger(part, "refresh"));

document.addEventListener("done", ({ detail }) => {
  dialog.close();
  say(detail.messages ?? []);
  byId("messages").scrollIntoView({ block: "nearest" });
  refreshAll();
});

document.addEventListener("htmx:responseError", ({ detail }) => {
  const { status, responseText } = detail.xhr;
  if (status === 400 || status === 422) return; // swapped in: the answer says what is wrong
  const problem = new DOMParser().parseFromString(responseText, "text/html").querySelector(".problem");
  const text = problem && [...problem.querySelectorAll("h1, p")].slice(0, 2).map((part) => part.textContent).join(". ");
  say([["error", text || `The server could not answer (${status}). Reload the page to see what there is now, then try again.`]]);
});
document.addEventListener("htmx:sendError", () =>
  say([["warning", "The server does not answer. What you see may be out of date; this page keeps trying."]], "offline"));
document.addEventListener("htmx:afterOnLoad", () => document.querySelectorAll(".offline").forEach((line) => line.remove()));

// --- quiet refreshes: a part with data-etag asks "only if it changed" and is answered with a 304 otherwise
document.addEventListener("htmx:configRequest", ({ detail }) => {
  const { elt, headers, verb, formData } = detail;
  if (verb !== "get") return;
  if (elt.dataset.etag) headers["If-None-Match"] = `"${elt.dataset.etag}"`;
  if (elt.matches(".filters")) for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});
document.addEventListener("htmx:afterOnLoad", ({ detail }) => {
  const etag = detail.xhr.getResponseHeader("ETag");
  if (etag && detail.elt.dataset.etag !== undefined) detail.elt.dataset.etag = etag.replace(/^W\/|"/g, "");
});
// A page that comes back to the front looks at once, also one that the browser kept from before a logout.
document.addEventListener("visibilitychange", () => document.hidden || refreshAll());
window.addEventListener("pageshow", (event) => event.persisted && refreshAll());
if (isNewZone) document.addEventListener("DOMContentLoaded", () => setTimeout(refreshAll)); // after htmx looked around

// --- the dialog: filled by htmx, shown when its form is ready to be sent by htmx
document.addEventListener("htmx:afterSettle", ({ detail }) => {
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
document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-close]")) dialog.close();
  const choice = target.closest("[data-theme-choice]")?.dataset.themeChoice;
  if (choice !== undefined) {
    remember("theme", choice);
    showTheme(choice);
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.activeElement.closest("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
