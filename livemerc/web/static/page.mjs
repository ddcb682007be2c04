// Draws what one viewer process sends, and sends it keys, mouse and size: textual-serve's protocol.
import { Terminal } from "./xterm.mjs";
import { FitAddon } from "./addon-fit.mjs";
import { Unicode11Addon } from "./addon-unicode11.mjs";

const terminal = new Terminal({
  allowProposedApi: true, // widths of emoji as the viewer counts them
  scrollback: 0,
  fontSize: 15,
  fontFamily: "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace",
  theme: { background: "#11151a", foreground: "#dfe5ec" },
  linkHandler: { activate: () => {} }, // nothing that was said is a link
});
const fit = new FitAddon();
terminal.loadAddon(fit);
terminal.loadAddon(new Unicode11Addon());
terminal.unicode.activeVersion = "11";
terminal.open(document.getElementById("terminal"));
fit.fit();
terminal.focus();

let why = "The connection to livemerc was lost: it has ended, or cannot be reached any more.";
const address = new URL("ws", location.href);
address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
address.search = new URLSearchParams({ width: terminal.cols, height: terminal.rows });
const socket = new WebSocket(address);
socket.binaryType = "arraybuffer";

function send(...message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

socket.addEventListener("open", () => send("resize", { width: terminal.cols, height: terminal.rows }));
socket.addEventListener("message", (event) => {
  if (typeof event.data === "string") why = JSON.parse(event.data)[1];
  else terminal.write(new Uint8Array(event.data));
});
function over(sentence) {
  document.getElementById("why").textContent = sentence;
  document.getElementById("over").hidden = false;
}

socket.addEventListener("close", () => over(why));
document.getElementById("again").addEventListener("click", async () => {
  // asked first: a browser's own page of errors would stand in place of what was said last
  const answer = await fetch(location.href, { cache: "no-store" }).catch(() => null);
  if (answer === null) over("livemerc cannot be reached at this address. Started again, it prints a new one.");
  else if (answer.ok) location.reload();
  else over("livemerc was started again and has a new address: open the one that it printed.");
});

terminal.onData((data) => send("stdin", data));
terminal.onResize((size) => send("resize", { width: size.cols, height: size.rows }));
window.addEventListener("resize", () => fit.fit());
