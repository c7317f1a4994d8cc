// The way between the terminal's page and the gateway: tickets, the websocket, coming back after a break, and the
// counting of bytes that makes this possible. Knows nothing of how a terminal looks.
const PART = 32 * 1024; // bytes that are sent, and confirmed, at once
const CONFIRM_AFTER = 200; // milliseconds
// Seconds before each attempt to come back: often while the gateway keeps the terminal (30), then now and then.
const WAITS = [0.5, 1, 2, 3, 3, 4, 4, 4, 4, 15, 15, 15, 15, 15];

export class Way {
  // tell: opened(resumed, wasThere, lost), bytes(data, done), frozen(title, message, isLock, by), unfrozen(), unsent(), waiting(text),
  // over(text, isFinal). What is typed while there is no connection is not sent later: by then it may mean something else.
  constructor({ url, form, size, tell }) {
    Object.assign(this, { url, form, size, tell, socket: null, id: null, attempt: 0, isOver: false, isReady: false, timer: 0 });
    this.received = this.shown = this.confirmed = 0; // bytes of the terminal
    this.typed = this.unsent = 0; // bytes that were sent to this terminal; that were not, since it was last there
  }

  async open() {
    clearTimeout(this.timer);
    this.isOver = false;
    const ticket = await this.#ticket();
    if (!ticket) return;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.isReady = false;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      const back = this.id === null ? {} : { resume: this.id, position: this.received };
      socket.send(JSON.stringify({ ticket, ...this.size(), ...back }));
    };
    socket.onmessage = ({ data }) => socket === this.socket && (typeof data === "string" ? this.#obey(JSON.parse(data)) : this.#take(data));
    socket.onclose = () => socket === this.socket && this.#broken();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN && !this.isOver;
  }

  type(bytes) {
    if (this.isOver) return;
    if (!this.isOpen || !this.isReady) {
      this.unsent += bytes.length;
      return this.tell.unsent();
    }
    this.typed += bytes.length;
    for (let at = 0; at < bytes.length; at += PART) this.socket.send(bytes.subarray(at, at + PART));
  }

  resize() {
    if (this.isOpen && this.id !== null) this.#say({ type: "resize", ...this.size() });
  }

  leave() {
    if (this.isOpen) this.#say({ type: "bye" });
    this.isOver = true;
  }

  stop() { // the person asks
    clearTimeout(this.timer);
    if (this.isOpen) this.#say({ type: "bye" });
    this.#end("Disconnected.");
  }

  again() { // the person asks, or the network is back
    if (this.isOpen) return;
    this.attempt = 0;
    if (this.isOver) this.id = null;
    this.open();
  }

  async #ticket() {
    let answer;
    try {
      answer = await fetch(this.form.action, { method: "POST", body: new FormData(this.form), redirect: "manual" });
    } catch {
      return this.#broken();
    }
    if (answer.type === "opaqueredirect") return location.reload(); // logged out: the login page takes over
    if (answer.ok) return (await answer.json()).ticket;
    if (answer.status >= 500) return this.#broken();
    const isTold = answer.headers.get("Content-Type")?.startsWith("application/json");
    this.#end(isTold ? (await answer.json()).problem : `The console refused (${answer.status}). Reload the page.`);
  }

  #take(buffer) {
    const data = new Uint8Array(buffer);
    const { id } = this;
    this.received += data.length;
    this.tell.bytes(data, () => {
      if (id !== this.id) return; // of a terminal that is over
      this.shown += data.length;
      if (this.shown - this.confirmed >= PART) this.#confirm();
      else this.confirming ||= setTimeout(() => this.#confirm(), CONFIRM_AFTER);
    });
  }

  #confirm() {
    clearTimeout(this.confirming);
    this.confirming = 0;
    if (this.shown === this.confirmed || !this.isOpen) return;
    this.confirmed = this.shown;
    this.#say({ type: "confirm", position: this.confirmed });
  }

  #obey(message) {
    if (message.type === "connected") {
      if (!message.resumed) this.received = this.shown = this.confirmed = 0;
      this.confirmed = Math.min(this.confirmed, this.shown);
      const wasThere = this.id !== null;
      const lost = this.unsent + (message.resumed ? this.typed - message.taken : 0);
      this.typed = message.taken ?? 0;
      this.unsent = 0;
      this.isReady = true;
      this.id = message.id;
      this.attempt = 0;
      this.tell.opened(message.resumed, wasThere, lost);
      this.resize();
    } else if (message.type === "frozen") this.tell.frozen(message.title, message.message, message.is_lock, message.by);
    else if (message.type === "unfrozen") this.tell.unfrozen();
    else if (message.type === "refused") this.#end(message.reason);
    else if (message.type === "closed") this.#end(message.reason || `The program on the host ended${message.code ? ` with code ${message.code}` : ""}.`, message.is_final);
  }

  #say(message) {
    this.socket.send(JSON.stringify(message));
  }

  #end(text, isFinal) {
    this.isOver = true;
    this.socket?.close(1000);
    this.tell.over(text, isFinal);
  }

  #broken() {
    if (this.isOver) return;
    if (this.attempt >= WAITS.length) return this.#end("The gateway does not answer. Your work on the host may be over.");
    const seconds = WAITS[this.attempt];
    this.attempt += 1;
    this.tell.waiting(this.id === null ? "The gateway does not answer. Trying again …" : "The connection is lost. Coming back …");
    this.timer = setTimeout(() => this.open(), seconds * 1000);
  }
}
