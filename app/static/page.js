// The page: asks the API for poems and sets them as they come, word by word.

const texts = JSON.parse(document.getElementById("texts").textContent);
const find = (selector, within = document) => within.querySelector(selector);
const desk = find("#desk");
const sheets = find("#sheets");
const ballot = find("#ballot");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const ROLES = ["base", "champion", "challenger"];
const DRAFT = "estrofa-draft"; // what stands on the desk, so that switching the language loses nothing
const KEPT = "estrofa-kept";
let reading = null; // what aborts the poems that are coming

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const say = (line) => find("#spoken").append(Object.assign(document.createElement("p"), { textContent: line }));
const tell = (state) => { find("#state").textContent = state; };

// ---- Asking

class Refused extends Error {}

/** What the desk asks for, as the API takes it. */
function wish() {
  const form = new FormData(desk);
  const given = (name) => form.get(name)?.trim() || null;
  const asked = {
    first_line: form.get("first_line").trim(),
    language: given("language") ?? (given("first_line") ? null : document.documentElement.lang),
    author: given("author"),
    style: given("style"),
    title: given("title"),
    max_words: Number(form.get("max_words")),
    temperature: Number(form.get("temperature")),
    seed: given("seed") ? Number(given("seed")) : crypto.getRandomValues(new Uint32Array(1))[0],
  };
  const second = { author: given("second_author"), style: given("second_style") };
  if (given("blend") && (second.author || second.style)) {
    asked.blend = { ...second, weight: Number(form.get("weight")) / 100 };
  }
  return asked;
}

/** The objects of a stream, a line each. */
async function* ask(path, body, signal) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST", signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Refused(texts.offline);
  }
  if (!response.ok) throw new Refused(await reason(response));
  let rest = "";
  for await (const part of pieces(response.body.pipeThrough(new TextDecoderStream()))) {
    const lines = (rest + part).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const event = JSON.parse(line);
      if (event.kind === "fault") throw new Refused(event.detail);
      yield event;
    }
  }
}

async function* pieces(stream) { // Safari cannot yet iterate over a stream itself
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

async function reason(response) {
  if (response.status === 429) return fill(texts.busy, { seconds: response.headers.get("Retry-After") });
  return (await response.json().catch(() => ({ detail: response.statusText }))).detail;
}

// ---- Setting

/** A new sheet of paper; `poem` will hold what is written on it. */
function newSheet(title = "", within = sheets) {
  const sheet = find("#sheet").content.cloneNode(true).firstElementChild;
  find("h2", sheet).textContent = title;
  within.append(sheet);
  return sheet;
}

/** Set a text as verse: a paragraph a stanza, a block a line. Only what changed is touched. */
function set(sheet, text) {
  const poem = find(".poem", sheet);
  text.split(/\n{2,}/).forEach((stanza, number) => {
    const paragraph = poem.children[number] ?? poem.appendChild(document.createElement("p"));
    const lines = stanza.split("\n");
    lines.forEach((line, place) => {
      const block = paragraph.children[place] ?? paragraph.appendChild(document.createElement("span"));
      if (block.textContent !== line) block.textContent = line;
    });
    while (paragraph.children.length > lines.length) paragraph.lastChild.remove();
  });
  while (poem.children.length > text.split(/\n{2,}/).length) poem.lastChild.remove();
}

/** Write on a sheet what a poem's events say; screen readers are told whole lines, and only of one poem at a time. */
function writer(sheet, spoken) {
  let text = "";
  let told = 0;
  const speak = (lines) => { if (spoken) lines.slice(told).filter((line) => line.trim()).forEach(say); told = lines.length; };
  sheet.classList.add("writing");
  return (event) => {
    if (event.kind === "words") {
      text += event.text;
      set(sheet, text.trimEnd());
      speak(text.split("\n").slice(0, -1));
    } else if (event.kind === "poem") {
      set(sheet, event.text);
      speak(event.text.split("\n"));
      sheet.classList.remove("writing");
    }
  };
}

/** Under a finished poem: who wrote it, and what can be done with it. */
function finish(sheet, poem) {
  sheet.poem = poem;
  find(".poem", sheet).lang = poem.language;
  find(".colophon", sheet).textContent = colophon(poem);
  const actions = find(".actions", sheet);
  actions.hidden = false;
  actions.addEventListener("click", ({ target }) => ACTIONS[target.value]?.(poem, target));
}

const colophon = (poem) =>
  `${fill(texts.version, poem.model)} · ${texts.languages[poem.language] ?? poem.language} · ${fill(texts.seed_shown, poem)}`;

// ---- The three ways of reading

async function one(signal, role = "champion", asked = wish(), sheet = newSheet(), spoken = true) {
  const write = writer(sheet, spoken);
  for await (const event of ask("/api/poems/stream", { ...asked, model: role }, signal)) {
    if (event.kind === "begun") {
      tell(texts.writing);
      find(".poem", sheet).lang = event.language;
    }
    write(event);
    if (event.kind === "poem") finish(sheet, event);
  }
}

async function compare(signal) {
  const asked = wish();
  await Promise.all(ROLES.map(async (role) => {
    const sheet = newSheet(texts[role]);
    try {
      await one(signal, role, asked, sheet, role === "champion");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      sheet.classList.remove("writing");
      find(".colophon", sheet).textContent = error.message; // one that is not there does not stop the others
    }
  }));
}

async function blind(signal) {
  const models = new FormData(desk).get("rivals").split(" ");
  let writers = null;
  for await (const event of ask("/api/comparisons", { ...wish(), models }, signal)) {
    tell(texts.writing);
    writers ??= Object.fromEntries(["left", "right"].map((side) => [side, writer(newSheet(texts[side]), false)]));
    writers[event.side]?.(event);
    if (event.kind === "poem") [texts[event.side], ...event.text.split("\n")].filter(Boolean).forEach(say);
    if (event.kind === "ballot") {
      ballot.dataset.comparison = event.id;
      ballot.hidden = false;
    }
  }
}

async function vote(choice) {
  const buttons = [...ballot.querySelectorAll("button")];
  buttons.forEach((button) => { button.disabled = true; });
  try {
    const response = await fetch(`/api/comparisons/${ballot.dataset.comparison}/vote`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ choice }),
    });
    if (!response.ok) throw new Refused(await reason(response));
    const answer = await response.json();
    ["left", "right"].forEach((side, place) => {
      const { name, version, votes_won: won, votes_cast: cast } = answer[side];
      const count = cast === null ? texts.no_count : fill(texts.won, { won, cast });
      const told = `${fill(texts.wrote, { name, version })} · ${count}`;
      find(".colophon", sheets.children[place]).textContent = told;
      say(`${texts[side]}: ${told}`);
    });
    ballot.hidden = true;
    tell(texts.voted);
  } catch (error) {
    problem(error instanceof Refused ? error.message : texts.offline);
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}

const WAYS = { one, compare, blind };

async function write() {
  stop();
  const mine = (reading = new AbortController());
  sheets.replaceChildren();
  find("#spoken").replaceChildren();
  ballot.hidden = true;
  problem("");
  tell(texts.waiting);
  find("#stop").hidden = false;
  sheets.classList.add("reading");
  sheets.scrollIntoView({ behavior: still.matches ? "auto" : "smooth" });
  try {
    await WAYS[desk.elements.mode.value](mine.signal);
    tell(texts.finished);
  } catch (error) {
    if (error.name === "AbortError") {
      if (reading === mine) tell(texts.stopped);
    } else {
      tell("");
      problem(error instanceof Refused ? error.message : String(error));
    }
  }
  if (reading === mine) {
    find("#stop").hidden = true;
    sheets.classList.remove("reading");
    sheets.querySelectorAll(".writing").forEach((sheet) => sheet.classList.remove("writing"));
  }
}

const stop = () => reading?.abort();
const problem = (message) => { find("#problem").textContent = message; };

// ---- What can be done with a poem

const ACTIONS = {
  again() {
    desk.elements.seed.value = "";
    write();
  },
  keep(poem, button) {
    store([poem, ...kept().filter((other) => other.text !== poem.text)]);
    done(button, texts.kept);
  },
  async copy(poem, button) {
    await navigator.clipboard.writeText(poem.text);
    done(button, texts.copied);
  },
  async image(poem) {
    const blob = await picture(poem);
    const file = new File([blob], `${fileName(poem)}.png`, { type: "image/png" });
    const touch = matchMedia("(pointer: coarse)").matches;
    if (touch && navigator.canShare?.({ files: [file] })) await navigator.share({ files: [file] }).catch(() => {});
    else save(file);
  },
  download(poem) {
    save(new File([`${poem.text}\n\n${colophon(poem)}\n`], `${fileName(poem)}.txt`, { type: "text/plain" }));
  },
};

function done(button, text) {
  const before = button.textContent;
  button.textContent = text;
  tell(text);
  setTimeout(() => { button.textContent = before; }, 2000);
}

const fileName = (poem) =>
  poem.text.split("\n")[0].normalize("NFC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 48) || "poem";

function save(file) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: file.name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A poem as a picture to share, set as on the page, always ink on paper. */
async function picture(poem) {
  const SIZE = 40, LEADING = 62, MARGIN = 110, WIDTH = 1080;
  const serif = getComputedStyle(document.documentElement).getPropertyValue("--serif");
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  pen.font = `${SIZE}px ${serif}`;
  const lines = poem.text.split("\n").flatMap((line) => wrapped(pen, line, WIDTH - 2 * MARGIN));
  canvas.width = WIDTH;
  canvas.height = 2 * MARGIN + lines.length * LEADING + 70;
  pen.fillStyle = "#fffdf8";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#231d16";
  pen.font = `${SIZE}px ${serif}`; // a canvas that changes size forgets it
  lines.forEach(({ text, indent }, place) => pen.fillText(text, MARGIN + indent, MARGIN + SIZE + place * LEADING));
  pen.fillStyle = "#7d2b26";
  pen.font = `italic ${SIZE * 0.65}px ${serif}`;
  pen.fillText(`${texts.title} · ${fill(texts.version, poem.model)}`, MARGIN, canvas.height - MARGIN + 20);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
}

/** A verse as the rows it takes; those after the first are indented. */
function wrapped(pen, line, width) {
  const rows = [{ text: "", indent: 0 }];
  for (const word of line.split(" ")) {
    const row = rows.at(-1);
    const longer = row.text ? `${row.text} ${word}` : word;
    if (row.text && pen.measureText(longer).width > width - row.indent) rows.push({ text: word, indent: 50 });
    else row.text = longer;
  }
  return rows;
}

// ---- Kept poems

const kept = () => JSON.parse(localStorage.getItem(KEPT) ?? "[]");

function store(poems) {
  localStorage.setItem(KEPT, JSON.stringify(poems));
  showKept();
}

function showKept() {
  const list = find("#kept ul");
  list.replaceChildren();
  for (const poem of kept()) {
    const item = list.appendChild(document.createElement("li")).appendChild(document.createElement("details"));
    item.append(Object.assign(document.createElement("summary"), { textContent: poem.text.split("\n")[0], lang: poem.language }));
    const sheet = newSheet("", item);
    set(sheet, poem.text);
    finish(sheet, poem);
    find("[value=again]", sheet).remove();
    Object.assign(find("[value=keep]", sheet), { value: "remove", textContent: texts.remove }).addEventListener("click", () => {
      store(kept().filter((other) => other.text !== poem.text));
      find("#kept-title").focus();
    });
  }
  find("#kept .hint").hidden = list.children.length > 0;
}

// ---- The desk

function arrange() {
  const mode = desk.elements.mode.value;
  find("#second").hidden = !desk.elements.blend.checked;
  find("#rivals").hidden = mode !== "blind";
  find("#mode-hint").hidden = mode === "one";
  find("#mode-hint").textContent = texts[`mode_${mode}_hint`] ?? "";
  desk.querySelectorAll(".slider").forEach((label) => {
    const slider = find("input", label);
    find(".value", label).textContent = Number(slider.value).toLocaleString(document.documentElement.lang) + (slider.dataset.unit ?? "");
  });
}

function remember() {
  const values = [...new FormData(desk)];
  sessionStorage.setItem(DRAFT, JSON.stringify(values));
}

function recall() {
  const values = JSON.parse(sessionStorage.getItem(DRAFT) ?? "[]");
  for (const [name, value] of values) {
    const field = desk.elements[name];
    if (field?.type === "checkbox") field.checked = true;
    else if (field) field.value = value;
  }
  find("#voice").open = values.some(([name, value]) => ["author", "style", "title", "blend"].includes(name) && value);
}

desk.addEventListener("submit", (event) => { event.preventDefault(); write(); });
desk.addEventListener("input", () => { arrange(); remember(); });
desk.elements.first_line.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    desk.requestSubmit();
  }
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });
find("#stop").addEventListener("click", stop);
ballot.addEventListener("click", ({ target }) => { if (target.value) vote(target.value); });

recall();
arrange();
showKept();
