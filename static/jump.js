// Ctrl+K opens the dialog that jumps, ? the one with the keys; arrow keys move in what was found, Enter follows the first.
const WRITING = "input, textarea, select, [contenteditable], #terminal";

function open(id, event) {
  const link = document.getElementById(id);
  if (!link || document.querySelector("dialog[open]")) return; // what is typed there must not be lost
  event.preventDefault();
  link.click();
}

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if ((event.ctrlKey || event.metaKey) && key === "k" && !target.closest("#terminal")) open("jump", event);
  else if (key === "?" && !target.closest(WRITING)) open("keys", event);
  const form = target.closest("#jump-form");
  if (!form) return;
  const words = form.elements.q;
  const links = [...form.querySelectorAll("a")];
  if (key === "Escape" && form.closest("dialog")) form.closest("dialog").close(); // at once, also with words in the search
  const step = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (step) {
    event.preventDefault();
    const stops = [words, ...links];
    stops[(stops.indexOf(target) + step + stops.length) % stops.length].focus();
  } else if (key === "Enter" && target === words) {
    const isCurrent = form.querySelector("#jump-results").dataset.words === words.value.trim().replace(/\s+/g, " ");
    if (!isCurrent || !words.value || !links.length) return; // the form is sent, and a page shows what there is
    event.preventDefault();
    links[0].click();
  }
});
