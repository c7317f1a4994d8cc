// Replay and live view of a terminal, on asciinema-player (static/vendor/). The marks beside it are links; here they
// seek. What was recorded goes into the player's terminal and nowhere else, so it cannot become part of the page.
const place = document.getElementById("player");
const OPTIONS = { fit: "width", terminalFontFamily: "ui-monospace, 'Cascadia Mono', Menlo, Consolas, monospace" };
const FIRST_SIGHT = 1; // seconds; at the very beginning there is nothing to see
const LONGEST_PAUSE = 2; // seconds, where pauses are shortened
const say = (text) => place.replaceChildren(Object.assign(document.createElement("p"), { className: "message error", textContent: text }));
// Text is never larger than in a terminal: a narrow one, of a telephone, does not fill a wide page.
const widest = (cols) => place.style.setProperty("--cols", cols);
const readLines = (text) => text.split("\n").filter(Boolean).map(JSON.parse);
// What a page says that refuses.
const words = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".problem p").textContent;

// --- replay
async function replay() {
  const pauses = document.querySelector("[name=pauses]");
  const answer = await fetch(place.dataset.cast);
  if (answer.status === 429) return say(await words(answer));
  if (!answer.ok) return say("The recording could not be read. Load the page again.");
  const [header, ...recorded] = readLines(await answer.text());
  const events = [...recorded, ...JSON.parse(place.dataset.markers).map(([at, text]) => [at, "m", text])].sort((a, b) => a[0] - b[0]);
  widest(recorded.reduce((most, [, kind, size]) => Math.max(most, (kind === "r" && parseInt(size)) || 0), header.width));
  let speed = 1, isPlaying = false, player, skipped; // skipped: [moment, seconds left out until then]

  function shorten() {
    let last = 0, sum = 0;
    skipped = [[0, 0]];
    return events.map(([at, kind, data]) => {
      if (pauses.checked && at - last > LONGEST_PAUSE) skipped.push([at, (sum += at - last - LONGEST_PAUSE)]);
      last = at;
      return [at - sum, kind, data];
    });
  }
  const shown = (at) => Math.max(0, at - skipped.findLast(([from]) => from <= at)[1]);
  const real = (at) => at + skipped.findLast(([from, sum]) => from - sum <= at)[1];

  // Speed and pauses are fixed for a player's life: other ones are another player at the same moment.
  const button = document.getElementById("play");
  function show(plays) {
    isPlaying = plays;
    button.textContent = plays ? "Pause" : "Play";
  }
  async function begin(at, plays) {
    player?.dispose();
    const data = [header, ...shorten()];
    player = place.player = AsciinemaPlayer.create({ data }, place, { ...OPTIONS, speed, controls: true, preload: true });
    player.addEventListener("playing", () => show(true));
    for (const name of ["pause", "ended"]) player.addEventListener(name, () => show(false));
    show(false);
    // No poster and no startAt: the player forgets what a poster showed as soon as it plays.
    await player.seek(shown(at) || Math.min(FIRST_SIGHT, data.at(-1)[0] / 2 || 0));
    if (plays) await player.play();
  }
  const again = async () => begin(real((await player.getCurrentTime()) || 0), isPlaying);
  document.getElementById("speed").addEventListener("click", ({ target }) => {
    if (target === button) return isPlaying ? player.pause() : player.play();
    if (target.localName !== "button") return;
    speed = Number(target.value);
    for (const each of document.querySelectorAll("#speed [value]")) each.ariaPressed = String(each === target);
    again();
  });
  pauses.addEventListener("change", again); // `skipped` is still that of the player that goes
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-seek]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    await player.seek(shown(Math.max(0, link.dataset.seek)));
    place.scrollIntoView({ block: "nearest" });
  });
  await begin(Number(place.dataset.start), false);
  // Beside the replay stands where it is.
  const clock = document.getElementById("replay-clock"), position = document.getElementById("replay-at");
  const list = document.getElementById("marks"), marks = [...document.querySelectorAll("#marks [data-seek]")];
  let here;
  setInterval(async () => {
    const at = real((await player.getCurrentTime()) || 0), { began, zone } = place.dataset;
    clock.textContent = new Date((Number(began) + at) * 1000).toLocaleString("sv", { timeZone: zone });
    position.textContent = [at / 3600, (at / 60) % 60, at % 60].map((part) => String(Math.floor(part)).padStart(2, 0)).join(":").replace(/^(00:)?0?/, "");
    const now = marks.findLast((mark) => mark.dataset.seek <= at + 0.1);
    if (now === here) return;
    here?.removeAttribute("aria-current");
    here = now;
    if (!now) return;
    now.ariaCurrent = "true";
    if (isPlaying) list.scrollTop = now.offsetTop - list.clientHeight / 2;
  }, 400);
}

// --- live
function watch() {
  const { pieces, cols, rows } = place.dataset;
  const state = document.getElementById("live-state");
  let after = -1, timer = 0;
  widest(cols);
  function live({ dispatch }) {
    const play = {
      o: (data) => dispatch("output", data),
      r: (data) => {
        const [cols, rows] = data.split("x").map(Number);
        widest(cols);
        dispatch("resize", { cols, rows });
      },
      m: (data) => {
        state.textContent = data;
        setTimeout(() => delete state.dataset.on, 10000); // then it is said again that this is live
      },
    };
    async function ask() {
      let wait = 1000;
      try {
        const answer = await fetch(`${pieces}&after=${after}`);
        if (answer.status === 429) {
          state.textContent = await words(answer);
          delete state.dataset.on;
          timer = setTimeout(ask, 1000 * Number(answer.headers.get("Retry-After") || 10));
          return;
        }
        if (!answer.ok || answer.redirected) return (state.textContent = "You may not watch this any more, or your login has ended. Load the page again.");
        const { lines, after: last, has_more: hasMore, is_over: isOver } = await answer.json();
        for (const event of readLines(lines)) if (Array.isArray(event)) play[event[1]]?.(event[2]);
        after = last;
        if (isOver) {
          state.textContent = "The connection is over. A link to the replay appears above in a few seconds.";
          for (const seconds of [0, 2, 5]) setTimeout(() => htmx.trigger("#results", "refresh"), seconds * 1000);
          return;
        }
        if (hasMore) wait = 0;
        else if (!state.dataset.on) state.textContent = "Live, about a second behind.";
        if (!hasMore) state.dataset.on = "1";
      } catch (error) {
        console.warn(error);
        state.textContent = "The console does not answer. Trying again.";
        delete state.dataset.on;
        wait = 3000;
      }
      timer = setTimeout(ask, wait);
    }
    return {
      init: () => dispatch("reset", { size: { cols: Number(cols), rows: Number(rows) } }),
      play: () => {
        dispatch("play");
        dispatch("playing");
        ask();
        return true;
      },
      stop: () => clearTimeout(timer),
    };
  }
  place.player = AsciinemaPlayer.create(live, place, { ...OPTIONS, autoPlay: true, controls: false });
}

if (place?.dataset.cast) replay();
else if (place) watch();
