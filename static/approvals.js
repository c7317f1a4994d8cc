// The inbox of approvals: the keys of a request, and the focus on the next one when one was decided.
const here = () => document.activeElement.closest("[data-request]");
const all = () => [...document.querySelectorAll("[data-request]")];
let last, place = 0; // the request that had the focus, and where it stood
document.addEventListener("focusin", () => here() && ([last, place] = [here().id, all().indexOf(here())]));
document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  const step = { ArrowUp: -1, ArrowDown: 1 }[key];
  const verb = { a: "approve", d: "deny" }[key];
  if (!here() || (!step && !verb) || event.ctrlKey || event.metaKey || event.altKey || event.repeat && verb) return;
  event.preventDefault();
  if (verb) here().querySelector(`[data-verb=${verb}]`).click();
  else all()[place + step]?.focus();
});
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  // The browser gives the focus of what was taken away to something around it.
  const results = document.getElementById("results");
  if (detail.target.id !== "results" || !last || document.getElementById(last) || !document.activeElement.contains(results)) return;
  (all()[Math.min(place, all().length - 1)] ?? document.getElementById("waiting-for-you")).focus();
});
