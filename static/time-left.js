// Counts down the time that a session has left, as the server said it, in the words of privileged/time_left.py.
function words(seconds) {
  const [minutes, hours, days] = [60, 3600, 86400].map((one) => Math.floor(seconds / one));
  if (days) return `${days} d ${hours % 24} h left`;
  if (hours) return `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ""} left`;
  if (minutes) return `${minutes} min left`;
  return seconds ? `${seconds} s left` : "The time is over";
}

function tick() {
  const line = document.querySelector("[data-time-left]");
  if (!line) return;
  line.end ??= Date.now() + line.dataset.timeLeft * 1000;
  const left = Math.max(0, Math.floor((line.end - Date.now()) / 1000)), text = words(left);
  if (line.textContent === text) return; // what somebody selected stays selected
  line.textContent = text;
  const bar = document.querySelector(".time-left progress");
  bar.value = left;
  bar.classList.toggle("short", left < 300);
}
setInterval(tick, 1000);
tick();
