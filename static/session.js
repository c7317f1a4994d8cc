// The pages of one session: copies lines; while the page refreshes itself, open menus stay, and what was said about a status
// goes when that status does.
let open = [], status = "", isFresh = false;

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy-line]");
  if (!button) return;
  const line = button.previousElementSibling;
  try {
    await navigator.clipboard.writeText(line.textContent);
  } catch { // plain HTTP, or not allowed: what is selected is copied all the same
    getSelection().selectAllChildren(line);
    document.execCommand("copy");
  }
  const tell = (label, said) => ([button.firstElementChild.textContent, document.getElementById("copied").textContent] = [label, said]);
  tell("Copied", "Copied");
  setTimeout(tell, 2000, "Copy", "");
});

const now = () => document.querySelector("[data-status]")?.dataset.status;
document.addEventListener("done", () => (isFresh = true)); // what is said now is about the status that comes
document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
  if (target.id === "results") [open, status] = [target.querySelectorAll("details[id][open]"), now()];
});
document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.id !== "results") return;
  for (const { id } of open) document.getElementById(id)?.setAttribute("open", "");
  if (now() === status) return;
  if (!isFresh) document.querySelectorAll("#messages > :not(.error)").forEach((line) => line.remove());
  isFresh = false;
});
