// The page: notice and consent, one button, and what is said about what is heard.
// /?room=NAME speaks in a room, ?watch only looks on, ?overlay is a strip for a picture. The token stands behind #.

import { Speaking, Watching } from "./room.mjs";
import { View } from "./view.mjs";

const query = new URLSearchParams(location.search);
const room = query.get("room") || "main";
const token = location.hash.slice(1);
const overlay = query.has("overlay");
const watching = overlay || query.has("watch");
const byId = (id) => document.getElementById(id);
const button = byId("listen");
let running = null;

function state(text) {
  byId("state").textContent = text;
}

async function about() {
  const answer = await fetch("/about", { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
}

function showNotice({ title, sections }) {
  byId("title").textContent = title;
  for (const { heading, paragraphs } of sections) {
    const head = document.createElement("h3");
    head.textContent = heading;
    byId("notice").append(head, ...paragraphs.map((words) => {
      const paragraph = document.createElement("p");
      paragraph.textContent = words;
      return paragraph;
    }));
  }
  byId("before").hidden = false;
  byId("consent").addEventListener("change", ({ target }) => { button.disabled = !target.checked; });
}

async function microphone() {
  if (!navigator.mediaDevices) throw new Error("A browser gives its microphone to https addresses and to this machine's own alone.");
  const wanted = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
  const context = new AudioContext();
  await context.audioWorklet.addModule("/static/worklet.mjs");
  const pieces = new AudioWorkletNode(context, "pieces", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  context.createMediaStreamSource(stream).connect(pieces);
  await context.resume();
  const close = () => {
    stream.getTracks().forEach((track) => track.stop());
    context.close();
  };
  stream.getTracks()[0].addEventListener("ended", () => running?.finish());
  return { rate: context.sampleRate, port: pieces.port, close };
}

async function listen(view) {
  button.disabled = true;
  state("asking for the microphone");
  let heard;
  try {
    heard = await microphone();
  } catch (error) {
    state(`No microphone: ${error.message}`);
    button.disabled = false;
    return;
  }
  running = new Speaking(room, token, heard.rate, (told) => {
    if (told.event) view.take(told.event);
    if (told.state) state(told.state);
    if (told.ended !== undefined) {
      heard.close();
      running = null;
      byId("before").hidden = false;
      state(told.ended || "the session has ended");
      button.textContent = "Listen";
      button.classList.remove("running");
      button.disabled = false;
    }
  });
  heard.port.onmessage = ({ data }) => running?.give(data);
  running.start();
  byId("before").hidden = true;
  button.textContent = "Stop";
  button.classList.add("running");
  button.disabled = false;
}

function watch(view) {
  const looking = new Watching(room, token, (told) => {
    if (told.event) view.take(told.event);
    if (told.state) state(told.state);
    if (told.ended !== undefined) state(told.ended || "the session has ended");
  });
  looking.start();
}

async function begin() {
  document.documentElement.classList.toggle("overlay", overlay);
  byId("room").textContent = `· ${room}`;
  const told = await about();
  const view = new View(told.emotions);
  if (watching) {
    document.querySelector(".controls").hidden = true;
    return watch(view);
  }
  byId("watch").href = `/?${new URLSearchParams({ room, watch: "" })}${location.hash}`;
  showNotice(told);
  state("not listening");
  button.addEventListener("click", () => {
    if (!running) return listen(view);
    button.disabled = true;
    state("finishing");
    running.finish();
  });
}

begin().catch((error) => state(error.message));
