// A one-time password on the screen: copied on request, taken away when its time is over.
const place = document.getElementById("password") ?? document.getElementById("main");
let clock = 0;

function begin() {
  clearInterval(clock);
  const shown = place.querySelector("[data-password]");
  if (!shown) return;
  const until = Date.now() + shown.dataset.seconds * 1000; // a machine that slept takes it away as soon as it wakes up
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left > 0) return;
    clearInterval(clock);
    const line = Object.assign(document.createElement("p"), { className: "hint", role: "status" });
    line.textContent = "The one-time password is over.";
    shown.replaceWith(line);
  };
  clock = setInterval(tick, 500);
  shown.focus();
}

place.addEventListener("click", async ({ target }) => {
  if (!target.closest("[data-copy]")) return;
  const field = place.querySelector("#one-time-password");
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    document.execCommand("copy"); // plain HTTP, or not allowed: what is selected is copied all the same
  }
  place.querySelector("[data-left]").textContent = "Copied.";
});
document.addEventListener("htmx:afterSettle", ({ detail }) => detail.target === place && begin());
addEventListener("pagehide", () => document.getElementById("password")?.replaceChildren());
begin();
