// What is shown of a session, event by event. Text goes in as text, whatever it says.

const NOT_SURE = { colour: "#9aa5b1", glyph: "○" };
const MOST_ROWS = 500;
const byId = (id) => document.getElementById(id);

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${String(Math.floor(whole / 60)).padStart(2, "0")}:${String(whole % 60).padStart(2, "0")}`;
}

function fraction(p) {
  const text = p.toFixed(2);
  return text.startsWith("0") ? text.slice(1) : "1.0";
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export class View {
  constructor(emotions) {
    this.emotions = emotions;
    this.clear();
  }

  clear() {
    this.rows = new Map();
    this.values = new Map();
    this.names = new Map();
    byId("transcript").replaceChildren();
    byId("open").textContent = "";
    byId("line").setAttribute("points", "");
    byId("course").hidden = byId("branches").hidden = true;
  }

  take(event) {
    if (event.type === "session.start") this.clear();
    else if (event.type === "utterance.partial") byId("open").textContent = event.text;
    else if (event.type === "utterance.final") this.final(event);
    else if (event.type === "utterance.speaker") this.speaker(event);
    else if (event.type === "speaker.name") this.name(event);
    else if (event.type === "emotion") this.emotion(event);
  }

  speaker(event) {
    const row = this.rows.get(event.utterance_id);
    if (row) this.tell(row, event.speaker);
  }

  name(event) {
    this.names.set(event.speaker, event.name);
    for (const row of this.rows.values()) if (row.speaker === event.speaker) this.tell(row, event.speaker);
  }

  tell(row, speaker) {
    row.speaker = speaker;
    row.who.textContent = speaker === null ? "" : `${this.names.get(speaker) ?? speaker}: `;
  }

  shown(event) {
    if (event.abstained !== null) return { name: "not sure", ...NOT_SURE };
    return { name: event.label, ...(this.emotions[event.label] ?? NOT_SURE) };
  }

  final(event) {
    byId("open").textContent = "";
    const row = element("li");
    const label = element("span", "judged");
    const words = element("span", event.asr.gated === null ? "text" : "text gated");
    const said = event.text || (event.asr.gated ? `(${event.asr.gated})` : "");
    const made = { label, who: element("span", "who"), text: element("span", "", said) };
    this.tell(made, event.speaker);
    words.append(made.who, made.text);
    row.append(element("time", "", clock(event.start_s)), label, words);
    this.rows.set(event.utterance_id, made);
    byId("transcript").append(row);
    while (this.rows.size > MOST_ROWS) {
      this.rows.delete(this.rows.keys().next().value);
      byId("transcript").firstElementChild.remove();
    }
    if (window.innerHeight + window.scrollY > document.body.scrollHeight - 200) row.scrollIntoView({ block: "nearest" });
  }

  emotion(event) {
    const row = this.rows.get(event.utterance_id);
    const newest = event.status === "partial" || [...this.rows.keys()].at(-1) === event.utterance_id;
    const { name, colour, glyph } = this.shown(event);
    const open = event.status === "frozen" || event.status === "partial" ? "" : "~";
    if (row) {
      const sign = element("span", "sign", glyph);
      sign.style.setProperty("--colour", colour);
      row.label.replaceChildren(sign, ` ${name}${open}`);
      row.label.title = event.abstained ?? fraction(event.confidence);
      if (event.late_text) row.text.textContent = event.late_text;
    }
    if (newest) this.newest(event, name, colour, glyph, open);
    if (event.status !== "partial") this.course(event);
  }

  newest(event, name, colour, glyph, open) {
    document.documentElement.style.setProperty("--colour", colour);
    byId("sign").textContent = glyph;
    byId("label").textContent = name + open;
    byId("sure").textContent = event.abstained ?? fraction(event.confidence);
    const rows = Object.entries(event.probabilities).sort((a, b) => b[1] - a[1]).map(([label, p]) => {
      const row = element("tr");
      const { colour: own, glyph: mark } = this.emotions[label] ?? NOT_SURE;
      row.style.setProperty("--colour", own);
      const first = element("td");
      first.append(element("span", "sign", mark), ` ${label}`);
      row.append(first);
      for (const value of [p, event.modality.text?.[label], event.modality.speech?.[label]]) {
        const cell = element("td");
        if (value !== undefined) {
          const meter = element("meter");
          meter.value = value;
          meter.title = fraction(value);
          meter.setAttribute("aria-label", `${label} ${fraction(value)}`);
          cell.append(meter);
        }
        row.append(cell);
      }
      return row;
    });
    byId("bars").replaceChildren(...rows);
    byId("branches").hidden = false;
  }

  // As the terminal's curve: the mean of the labels' valences; nothing where nothing is sure.
  course(event) {
    let mass = 0, sum = 0;
    for (const [label, p] of Object.entries(event.probabilities)) {
      if (this.emotions[label]) { mass += p; sum += p * this.emotions[label].valence; }
    }
    if (event.abstained === null && mass >= 0.5) this.values.set(event.utterance_id, sum / mass);
    else this.values.delete(event.utterance_id);
    const values = [...this.values.values()].slice(-100);
    const step = 300 / Math.max(1, values.length - 1);
    byId("line").setAttribute("points", values.map((v, i) => `${(i * step).toFixed(1)},${(30 - 28 * v).toFixed(1)}`).join(" "));
    byId("course").hidden = values.length < 2;
  }
}
