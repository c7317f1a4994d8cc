// The terminal's page: xterm.js on the screen, keys, size, colours and the line that shows the state.
// What goes over the network is in terminal-socket.js. xterm.js itself lies where data-xterm says.
import { TouchKeys, fillWhatIsSeen } from "./terminal-keys.js";
import { Way } from "./terminal-socket.js";
import { allowStyles } from "./terminal-styles.js";

const place = document.getElementById("terminal");
const status = document.getElementById("terminal-status");
const tools = document.getElementById("terminal-tools");
const { dataset } = place;
const SIZES = { least: 8, usual: 14, most: 28 };
const DARK = { // on the ground of the page; xterm.js lifts what has too little contrast
  black: "#3b4450", red: "#ff8f88", green: "#7fd6a6", yellow: "#f0c069", blue: "#82acff", magenta: "#dba2f2", cyan: "#74d2dd", white: "#dde3ea",
  brightBlack: "#8d99a8", brightRed: "#ffb1ac", brightGreen: "#a4e6c2", brightYellow: "#f8d796", brightBlue: "#aac7ff", brightMagenta: "#eac6f8", brightCyan: "#a2e3ea", brightWhite: "#ffffff",
  selectionBackground: "#35507f", scrollbarSliderBackground: "#e3e8ee40", scrollbarSliderHoverBackground: "#e3e8ee70", scrollbarSliderActiveBackground: "#e3e8ee90",
};
const LIGHT = {
  black: "#1b2430", red: "#9e1c1c", green: "#145c38", yellow: "#704400", blue: "#2456c4", magenta: "#7a2a95", cyan: "#0d5c69", white: "#5d6876",
  brightBlack: "#525d6c", brightRed: "#b92b2b", brightGreen: "#1c7448", brightYellow: "#855200", brightBlue: "#2f66dd", brightMagenta: "#9138b0", brightCyan: "#12707f", brightWhite: "#1b2430",
  selectionBackground: "#b9cdf7", scrollbarSliderBackground: "#1b243040", scrollbarSliderHoverBackground: "#1b243070", scrollbarSliderActiveBackground: "#1b243090",
};

let lastStatus = "";
let noted = 0;

function say(text, kind = "", isFinal) {
  clearTimeout(noted);
  lastStatus = status.textContent = text;
  status.dataset.kind = kind;
  const isGone = kind === "over" || kind === "waiting";
  tools.querySelector("[data-reconnect]").hidden = !isGone || isFinal;
  for (const name of ["paste", "disconnect"]) tools.querySelector(`[data-${name}]`).hidden = isGone;
  if (kind && kind !== "waiting" && isFinal !== false) htmx.trigger("#results", "refresh");
}

function note(text) { // for a moment, then how it stands is there again
  clearTimeout(noted);
  status.textContent = text;
  noted = setTimeout(() => (status.textContent = lastStatus), 4000);
}

function colours() {
  const { backgroundColor: background, color: foreground } = getComputedStyle(place);
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const chosen = document.documentElement.dataset.theme ?? (isDark ? "dark" : "light");
  return { ...(chosen === "dark" ? DARK : LIGHT), background, foreground, cursor: foreground, cursorAccent: background };
}

function fontSize() {
  const size = Number(localStorage.getItem("terminal-font-size"));
  return size >= SIZES.least && size <= SIZES.most ? size : SIZES.usual;
}

async function begin() {
  allowStyles(document.getElementById("xterm-css").nonce);
  const parts = [dataset.xterm, dataset.fit, dataset.unicode].map((part) => import(part));
  const [{ Terminal }, { FitAddon }, { Unicode11Addon }] = await Promise.all(parts);
  const terminal = new Terminal({
    allowProposedApi: true, // which the widths of characters still are
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches, fontFamily: getComputedStyle(place).fontFamily, fontSize: fontSize(), lineHeight: 1.2, minimumContrastRatio: 4.5,
    scrollback: 5000, screenReaderMode: localStorage.getItem("terminal-reader") === "1", theme: colours(),
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.loadAddon(new Unicode11Addon()); // emoji take two cells, as they do for the host's shell
  terminal.unicode.activeVersion = "11";
  terminal.open(place);
  terminal.textarea.setAttribute("aria-describedby", "terminal-hint");
  fit.fit();
  let wasLock = false; // the last time that nothing could be typed; else the gateway waited for something
  const way = new Way({
    url: dataset.socket,
    form: document.getElementById("terminal-ticket"),
    size: () => ({ cols: terminal.cols, rows: terminal.rows }),
    tell: {
      opened(isResumed, wasThere, lost) {
        if (!isResumed) terminal.reset();
        if (!isResumed && wasThere) terminal.write("\x1b[7m The terminal before was over; this is a new one. \x1b[0m\r\n");
        const words = isResumed ? "Connected again, where you were" : "Connected";
        say(lost ? `${words}. What you typed before that did not arrive` : words, "open");
      },
      bytes: (data, done) => terminal.write(data, done),
      frozen(title, message, isLock, by) {
        wasLock = isLock;
        say(`${isLock ? `Locked${by && ` by ${by}`}: ` : ""}${[title, message].filter(Boolean).join(". ")}`, "frozen");
      },
      unfrozen: () => say(wasLock ? "Unlocked. Connected" : "Connected again, where you were", "open"),
      unsent: () => note("Not connected: what you type is not sent."),
      waiting: (text) => say(text, "waiting"),
      over: (text, isFinal) => say(text, "over", isFinal),
    },
  });
  const encoder = new TextEncoder();
  const touch = new TouchKeys(document.getElementById("terminal-keys"), terminal);
  fillWhatIsSeen();
  terminal.onData((text) => way.type(encoder.encode(touch.change(text))));
  terminal.onBinary((text) => way.type(Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 255)));
  terminal.onResize(() => way.resize());
  keys(terminal, way);
  buttons(terminal, fit, way);
  new ResizeObserver(() => fit.fit()).observe(place);
  const repaint = () => (terminal.options.theme = colours());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  addEventListener("online", () => way.again());
  addEventListener("pagehide", () => way.leave());
  addEventListener("pageshow", (event) => event.persisted && way.again());
  addEventListener("beforeunload", (event) => way.isOpen && status.dataset.kind === "open" && event.preventDefault());
  terminal.focus();
  await way.open();
}

function copy(terminal) {
  const text = terminal.getSelection();
  if (!text) return note("Nothing is selected, so nothing was copied.");
  navigator.clipboard?.writeText(text).then(() => note("Copied."), () => document.execCommand("copy")) ?? document.execCommand("copy");
}

function keys(terminal, way) {
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.key === "Tab" && !way.isOpen) return false; // nothing is there to take it: the browser moves on
    if (!event.ctrlKey || !event.shiftKey || event.altKey) return true;
    if (event.code === "Space") {
      if (event.type === "keydown") tools.querySelector("button").focus();
    } else if (event.code === "KeyC") {
      if (event.type === "keydown") copy(terminal);
    } else return event.code !== "KeyV"; // the browser pastes
    event.preventDefault();
    return false;
  });
}

function buttons(terminal, fit, way) {
  tools.querySelector("[data-reader]").ariaPressed = String(terminal.options.screenReaderMode);
  tools.addEventListener("click", async ({ target, detail }) => {
    const button = target.closest("button");
    if (!button) return;
    const { font, reader } = button.dataset;
    if (reader !== undefined) {
      const is = (terminal.options.screenReaderMode = !terminal.options.screenReaderMode);
      localStorage.setItem("terminal-reader", Number(is));
      button.ariaPressed = String(is);
      return note(is ? "The screen reader is told what the terminal says." : "The screen reader is told no more.");
    }
    if (font) {
      const size = Math.min(Math.max(terminal.options.fontSize + Number(font), SIZES.least), SIZES.most);
      localStorage.setItem("terminal-font-size", size);
      terminal.options.fontSize = size;
      fit.fit();
      if (detail === 0) return; // by the keyboard: stay, to press again
    } else if ("copy" in button.dataset) copy(terminal);
    else if ("reconnect" in button.dataset) way.again();
    else if ("disconnect" in button.dataset) way.stop();
    else if ("paste" in button.dataset) {
      if (!navigator.clipboard?.readText) return note("This browser pastes by Ctrl+Shift+V only.");
      await navigator.clipboard.readText().then((text) => terminal.paste(text), () => note("The browser did not allow it. Paste by Ctrl+Shift+V."));
    }
    terminal.focus();
  });
}

// A terminal that is over can still be read, also after a logout: nothing looks again by itself.
document.addEventListener("htmx:confirm", (event) => {
  if (event.detail.elt.id === "results" && !event.detail.triggeringEvent && status.dataset.kind === "over") event.preventDefault();
});
begin().catch((error) => {
  say("The terminal could not be started. Reload the page, or connect with an SSH client.", "over");
  throw error;
});
