// A room's connections. What the server has not acknowledged is kept, and sent again after a cut.

const RESUME_WITHIN_MS = 30000;
const KEPT_S = 120;
const TRY_AGAIN_MS = [100, 300, 1000, 2000];
const NORMAL = 1000, REFUSED = 1008, SERVER_ENDS = 1012;

function address(room, what, query, token) {
  const url = new URL(`/rooms/${encodeURIComponent(room)}/${what}`, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = new URLSearchParams(token ? { ...query, token } : query);
  return url;
}

// Both kinds: `told` gets {event}, {state} and once {ended}, a sentence or "".
class Connection {
  constructor(room, token, told) {
    this.room = room;
    this.token = token;
    this.told = told;
    this.seq = 1;
    this.tries = 0;
    this.cutAt = null;
    this.over = false;
    this.ended = false;
  }

  connect(what, query) {
    const socket = new WebSocket(address(this.room, what, query, this.token));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.opened(socket);
    socket.onmessage = ({ data }) => this.message(JSON.parse(data), socket);
    socket.onclose = ({ code }) => this.closed(code);
    this.socket = socket;
  }

  opened() {
    this.ever = true;
    this.cutAt = null;
    this.tries = 0;
  }

  message(said) {
    if (said.seq !== undefined) {
      this.seq = said.seq + 1;
      this.told({ event: said.event });
      if (said.event.type === "session.end") this.end("");
    } else if (said.type === "error") {
      this.end(said.error);
    }
  }

  closed(code) {
    if (this.over) return;
    if (code === NORMAL && this.ended) return this.end(""); // others still speak in this room
    if (code === REFUSED) return this.end("The server refused this connection.");
    if (code === SERVER_ENDS) return this.end("The server has ended.");
    this.cutAt ??= Date.now();
    if (!this.ever) return this.end("The server cannot be reached, is full, or wants a token: open the whole address that it printed.");
    if (Date.now() - this.cutAt > RESUME_WITHIN_MS) return this.end("The connection was lost and did not come back.");
    this.told({ state: "connection lost, trying again" });
    setTimeout(() => this.over || this.start(), TRY_AGAIN_MS[Math.min(this.tries++, TRY_AGAIN_MS.length - 1)]);
  }

  end(why) {
    if (this.over) return;
    this.over = true;
    this.socket?.close();
    this.told({ ended: why });
  }
}

export class Watching extends Connection {
  start() {
    this.connect("events", { from: this.seq });
  }

  opened() {
    super.opened();
    this.told({ state: "watching" });
  }
}

export class Speaking extends Connection {
  constructor(room, token, rate, told) {
    super(room, token, told);
    this.rate = rate;
    this.kept = [];
    this.given = 0;
    this.session = null;
    this.welcomed = false;
  }

  start() {
    this.welcomed = false;
    this.connect("audio", { rate: this.rate });
  }

  opened(socket) {
    socket.send(JSON.stringify({ session: this.session, from: this.seq }));
  }

  message(said, socket) {
    if (said.type === "welcome") {
      super.opened();
      this.session = said.session;
      this.drop(said.samples);
      let at = said.samples;
      for (const { start, samples } of this.kept) {
        if (start > at) socket.send(JSON.stringify({ type: "skip", samples: start - at }));
        socket.send(start >= at ? samples : samples.subarray(at - start));
        at = start + samples.length;
      }
      this.welcomed = true;
      this.told({ state: "listening" });
      if (this.ended) this.sayEnd();
    } else if (said.type === "ack") {
      this.drop(said.samples);
    } else {
      super.message(said);
    }
  }

  give(samples) {
    if (this.over || this.ended) return;
    this.kept.push({ start: this.given, samples });
    this.given += samples.length;
    if (this.welcomed && this.socket.readyState === WebSocket.OPEN) this.socket.send(samples);
    while (this.given - this.kept[0].start > KEPT_S * this.rate) this.kept.shift();
  }

  // Nothing more will come; the room settles, and its end is told.
  finish() {
    this.ended = true;
    if (this.welcomed) this.sayEnd();
    else if (this.session === null) this.end("");
  }

  sayEnd() {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type: "end" }));
  }

  closed(code) {
    this.welcomed = false;
    super.closed(code);
  }

  drop(samples) {
    while (this.kept.length && this.kept[0].start + this.kept[0].samples.length <= samples) this.kept.shift();
  }
}
