// The pages of one session: copies a line, keeps a menu open while the page refreshes itself, and takes away what was said
// about a status when that status is over.
const copied = document.getElementById("copied");
let open = [], status = "";

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy-line]");
  if (!button) return;
  const line = button.previousElementSibling, label = button.firstElementChild;
  try {
    await navigator.clipboard.writeText(line.textContent);
  } catch { // plain HTTP, or not allowed: what is selected is copied all the same
    getSelection().selectAllChildren(line);
    document.execCommand("copy");
  }
  label.textContent = copied.textContent = "Copied";
  setTimeout(() => {
    label.textContent = "Copy";
    copied.textContent = "";
  }, 2000);
});

const now = () => document.querySelector("[data-status]")?.dataset.status;
document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
  if (target.id !== "results") return;
  open = [...target.querySelectorAll("details[id][open]")].map((one) => one.id);
  status = now();
});
document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.id !== "results") return;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (now() !== status) document.querySelectorAll("#messages > :not(.error)").forEach((line) => line.remove());
});
