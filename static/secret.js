// A secret on the screen: hidden again after its seconds, copied on request, each copy reported.
// What may be shown is the server's decision; this only takes it away in time.
const place = document.getElementById("revealed");
let clock = 0;

function hide(text) {
  clearInterval(clock);
  const line = document.createElement("p");
  line.className = "hint";
  line.role = "status";
  line.textContent = text;
  place.replaceChildren(line);
}

function begin() {
  clearInterval(clock);
  const shown = place.querySelector("[data-seconds]");
  if (!shown) return;
  const { seconds, name } = shown.dataset;
  const until = Date.now() + seconds * 1000; // a machine that slept hides it as soon as it wakes up
  shown.querySelector("[data-with-script]").hidden = false;
  clock = setInterval(() => {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left <= 0 || left > seconds) hide(`“${name}” is hidden again.`);
    else shown.querySelector("[data-left]").textContent = left;
  }, 250);
  shown.focus();
}

async function report() {
  const { copied, name } = place.querySelector("[data-copied]").dataset;
  await htmx.ajax("POST", copied, { source: place, target: place, swap: "none" });
  const hint = place.querySelector(".copied") ?? document.createElement("p");
  hint.className = "copied hint";
  hint.role = "status";
  hint.textContent = `“${name}” is on the clipboard until you copy something else.`;
  place.querySelector("[data-copied]")?.append(hint);
}

place.addEventListener("click", async ({ target }) => {
  if (target.closest("[data-hide]")) hide("Hidden.");
  if (!target.closest("[data-copy]")) return;
  const field = place.querySelector("textarea");
  field.select();
  if (navigator.clipboard) await navigator.clipboard.writeText(field.value).then(report, () => document.execCommand("copy"));
  else document.execCommand("copy"); // plain HTTP: the event below reports it
});
place.addEventListener("copy", report);

document.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (detail.target === place) begin();
  else if (document.getElementById("secrets") && !document.querySelector("[data-show]") && place.querySelector("textarea"))
    hide("The session does not show its secrets any more.");
});
addEventListener("pagehide", () => place.replaceChildren());
begin();
