// Keys that a telephone's keyboard lacks, and the room that it leaves. Ctrl and Alt count for the next key alone.
// Knows xterm.js by input() and modes, and nothing of the network.
const ARROWS = { up: "A", down: "B", right: "C", left: "D" };
const PLAIN = { esc: "\x1b", tab: "\t" };

export class TouchKeys {
  constructor(bar, terminal) {
    this.held = { ctrl: bar.querySelector("[data-key=ctrl]"), alt: bar.querySelector("[data-key=alt]") };
    bar.addEventListener("pointerdown", (event) => event.preventDefault()); // the keyboard on the screen stays
    bar.addEventListener("click", ({ target }) => {
      const { key } = target.closest("button")?.dataset ?? {};
      if (key in this.held) this.#hold(key, !this.#isHeld(key));
      else if (key) terminal.input(PLAIN[key] ?? this.#arrow(key, terminal));
      terminal.focus();
    });
  }

  // One key that is typed, with Ctrl and Alt where they are held. Longer is a paste or an answer of the terminal.
  change(text) {
    if (text.length !== 1) return text;
    const [ctrl, alt] = [this.#let("ctrl"), this.#let("alt")];
    if (ctrl && /^[@-_a-z]$/.test(text)) text = String.fromCharCode(text.toUpperCase().charCodeAt(0) & 31);
    return alt ? `\x1b${text}` : text;
  }

  #arrow(key, { modes }) {
    const [alt, ctrl] = [this.#let("alt"), this.#let("ctrl")];
    if (alt || ctrl) return `\x1b[1;${1 + 2 * alt + 4 * ctrl}${ARROWS[key]}`; // as xterm says it
    return `\x1b${modes.applicationCursorKeysMode ? "O" : "["}${ARROWS[key]}`;
  }

  #isHeld(key) {
    return this.held[key].ariaPressed === "true";
  }

  #hold(key, is) {
    this.held[key].ariaPressed = String(is);
  }

  #let(key) {
    const was = this.#isHeld(key);
    this.#hold(key, false);
    return was;
  }
}

// The keyboard on a telephone's screen lies over the page: the page ends where it begins.
export function fillWhatIsSeen() {
  const { visualViewport: seen } = window;
  seen?.addEventListener("resize", () => {
    const height = seen.height * seen.scale;
    document.body.style.height = innerHeight - height > 80 ? `${height}px` : "";
    document.body.classList.toggle("short", height < 480);
    scrollTo(0, 0);
  });
}
