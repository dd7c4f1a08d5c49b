// The page: requests poems from the API and shows them as they come, word by word.

const texts = JSON.parse(document.getElementById("texts").textContent);
const find = (selector, within = document) => within.querySelector(selector);
const form = find("#request");
const sheets = find("#sheets");
const ballot = find("#ballot");
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const ROLES = ["base", "champion", "challenger"];
const FORM_KEY = "estrofa-draft"; // in session storage, so that switching the language loses nothing
const SAVED_KEY = "estrofa-kept"; // in local storage
let running = null; // aborts the poems being written

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const announce = (line) => find("#announced").append(Object.assign(document.createElement("p"), { textContent: line }));
const showState = (state) => { find("#state").textContent = state; };

// ---- Requests

/** An error whose message is shown as it is, and whether the same request may succeed later. */
class ShownError extends Error {
  constructor(message, retry = true) {
    super(message);
    this.retry = retry;
  }
}

/** The form as a request of the API. */
function request() {
  const data = new FormData(form);
  const given = (name) => data.get(name)?.trim() || null;
  const wanted = {
    first_line: data.get("first_line").trim(),
    language: given("language") ?? (given("first_line") ? null : document.documentElement.lang),
    author: given("author"),
    style: given("style"),
    title: given("title"),
    max_words: Number(data.get("max_words")),
    temperature: Number(data.get("temperature")),
    seed: given("seed") ? Number(given("seed")) : crypto.getRandomValues(new Uint32Array(1))[0],
  };
  const second = { author: given("second_author"), style: given("second_style") };
  if (given("blend") && (second.author || second.style)) {
    wanted.blend = { ...second, weight: Number(data.get("weight")) / 100 };
  }
  return wanted;
}

const post = (path, body, signal) =>
  fetch(path, { method: "POST", signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })
    .catch((error) => { throw error.name === "AbortError" ? error : new ShownError(texts.offline); });

/** The events of a stream, a JSON object per line; a stream that breaks off before an event of kind `last` is an error. */
async function* stream(path, body, signal, last) {
  const response = await post(path, body, signal);
  if (!response.ok) throw new ShownError(await reason(response), response.status === 429 || response.status >= 500);
  let rest = "";
  try {
    for await (const part of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
      const lines = (rest + part).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const event = JSON.parse(line);
        if (event.kind === "error") throw new ShownError(texts.failed);
        yield event;
        if (event.kind === last) return;
      }
    }
  } catch (error) {
    throw error.name === "AbortError" || error instanceof ShownError ? error : new ShownError(texts.interrupted);
  }
  throw new ShownError(texts.interrupted);
}

async function* chunks(stream) { // Safari cannot yet iterate over a stream itself
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Why the API did not write a poem, in the language of the page where the page has words for it. */
async function reason(response) {
  if (response.status === 429) return fill(texts.busy, { seconds: response.headers.get("Retry-After") });
  if (response.status === 503) return texts.unavailable;
  if (response.status === 500) return texts.failed;
  const { code, detail } = await response.json().catch(() => ({ detail: response.statusText }));
  return code === "language_not_written" ? texts.language_not_written : detail;
}

// ---- Typesetting

/** Add an empty sheet for a poem. */
function newSheet(title = "", within = sheets) {
  const sheet = find("#sheet").content.cloneNode(true).firstElementChild;
  find("h2", sheet).textContent = title;
  within.append(sheet);
  return sheet;
}

const newLine = () => Object.assign(document.createElement("span"), { dir: "auto" });

/** Set a text as verse: a paragraph per stanza, a block per line. Only what changed is touched. */
function set(sheet, text) {
  const poem = find(".poem", sheet);
  text.split(/\n{2,}/).forEach((stanza, number) => {
    const paragraph = poem.children[number] ?? poem.appendChild(document.createElement("p"));
    const lines = stanza.split("\n");
    lines.forEach((line, place) => {
      const block = paragraph.children[place] ?? paragraph.appendChild(newLine());
      if (block.textContent !== line) block.textContent = line;
    });
    while (paragraph.children.length > lines.length) paragraph.lastChild.remove();
  });
  while (poem.children.length > text.split(/\n{2,}/).length) poem.lastChild.remove();
}

/** Show the events of a poem on a sheet; screen readers hear whole lines, and only of one poem at a time. */
function writer(sheet, announced) {
  let text = "";
  let spoken = 0;
  const speak = (lines) => {
    if (announced) lines.slice(spoken).filter((line) => line.trim()).forEach(announce);
    spoken = lines.length;
  };
  sheet.classList.add("writing");
  return (event) => {
    if (event.kind === "begun") {
      sheet.begun = event;
    } else if (event.kind === "words") {
      text += event.text;
      sheet.partial = text.trimEnd();
      set(sheet, sheet.partial);
      speak(text.split("\n").slice(0, -1));
    } else if (event.kind === "poem") {
      set(sheet, event.text);
      speak(event.text.split("\n"));
      sheet.classList.remove("writing");
    }
  };
}

/** Show under a poem who wrote it, and what you can do with it. */
function finish(sheet, poem) {
  sheet.poem = poem;
  find(".poem", sheet).lang = poem.language;
  find(".colophon", sheet).textContent = colophon(poem);
  const actions = find(".actions", sheet);
  actions.hidden = false;
  actions.addEventListener("click", ({ target }) => ACTIONS[target.value]?.(poem, target));
}

/** End a sheet whose poem broke off: the text so far stays, and can be saved and copied like a finished poem. */
function breakOff(sheet) {
  if (!sheet.classList.contains("writing")) return;
  sheet.classList.remove("writing");
  if (sheet.begun && sheet.partial) finish(sheet, { ...sheet.begun, text: sheet.partial, ended: false });
}

const colophon = (poem) => [
  fill(texts.version, poem.model),
  texts.languages[poem.language] ?? poem.language,
  fill(texts.seed_shown, poem),
  ...(poem.ended ? [] : [texts.unfinished]),
].join(" · ");

// ---- The three modes

async function one(signal, role = "champion", wanted = request(), sheet = newSheet(), announced = true) {
  const write = writer(sheet, announced);
  for await (const event of stream("/api/poems/stream", { ...wanted, model: role }, signal, "poem")) {
    if (event.kind === "begun") {
      showState(texts.writing);
      find(".poem", sheet).lang = event.language;
    }
    write(event);
    if (event.kind === "poem") finish(sheet, event);
  }
}

async function compare(signal) {
  const wanted = request();
  await Promise.all(ROLES.map(async (role) => {
    const sheet = newSheet(texts[role]);
    try {
      await one(signal, role, wanted, sheet, role === "champion");
    } catch (error) { // one model that fails does not stop the others
      if (!(error instanceof ShownError)) throw error;
      breakOff(sheet);
      find(".colophon", sheet).textContent = error.message;
    }
  }));
}

async function blind(signal) {
  const models = new FormData(form).get("pair").split(" ");
  let writers = null;
  for await (const event of stream("/api/comparisons", { ...request(), models }, signal, "ballot")) {
    showState(texts.writing);
    writers ??= Object.fromEntries(["left", "right"].map((side) => [side, writer(newSheet(texts[side]), false)]));
    writers[event.side]?.(event);
    if (event.kind === "poem") [texts[event.side], ...event.text.split("\n")].filter(Boolean).forEach(announce);
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
    const response = await post(`/api/comparisons/${ballot.dataset.comparison}/vote`, { choice });
    if (!response.ok) throw new ShownError(response.status === 503 ? texts.vote_failed : await reason(response));
    const answer = await response.json();
    ["left", "right"].forEach((side, place) => {
      const { name, version, votes_won: won, votes_cast: cast } = answer[side];
      const count = cast === null ? texts.no_count : fill(texts.won, { won, cast });
      const result = `${fill(texts.wrote, { name, version })} · ${count}`;
      find(".colophon", sheets.children[place]).textContent = result;
      announce(`${texts[side]}: ${result}`);
    });
    ballot.hidden = true;
    showProblem("");
    showState(texts.voted);
  } catch (error) {
    showProblem(error instanceof ShownError ? error.message : texts.offline);
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}

const MODES = { one, compare, blind };

async function write() {
  stop();
  const mine = (running = new AbortController());
  sheets.replaceChildren();
  find("#announced").replaceChildren();
  ballot.hidden = true;
  showProblem("");
  find("#retry").hidden = true;
  showState(texts.waiting);
  find("#stop").hidden = false;
  sheets.classList.add("running");
  sheets.scrollIntoView({ behavior: reducedMotion.matches ? "auto" : "smooth" });
  let state = "";
  let problem = "";
  let retry = false;
  try {
    await MODES[form.elements.mode.value](mine.signal);
    state = texts.finished;
  } catch (error) {
    if (!(error instanceof ShownError) && error.name !== "AbortError") throw error; // a bug, for the console
    if (error.name === "AbortError") state = texts.stopped;
    else ({ message: problem, retry } = error);
  } finally {
    mine.abort(); // whatever has not ended yet
    if (running === mine) {
      showState(state);
      showProblem(problem);
      find("#retry").hidden = !retry;
      find("#stop").hidden = true;
      sheets.classList.remove("running");
      [...sheets.children].forEach(breakOff);
    }
  }
}

const stop = () => running?.abort();
const showProblem = (message) => { find("#problem").textContent = message; };

// ---- Actions under a poem

const ACTIONS = {
  again() {
    form.elements.seed.value = "";
    write();
  },
  save(poem, button) {
    store([poem, ...saved().filter((other) => other.text !== poem.text)]);
    acknowledge(button, texts.saved);
  },
  async copy(poem, button) {
    await navigator.clipboard.writeText(poem.text);
    acknowledge(button, texts.copied);
  },
  async image(poem) {
    const blob = await picture(poem);
    const file = new File([blob], `${fileName(poem)}.png`, { type: "image/png" });
    const touch = matchMedia("(pointer: coarse)").matches;
    if (touch && navigator.canShare?.({ files: [file] })) await navigator.share({ files: [file] }).catch(() => {});
    else offer(file);
  },
  download(poem) {
    offer(new File([`${poem.text}\n\n${colophon(poem)}\n`], `${fileName(poem)}.txt`, { type: "text/plain" }));
  },
};

/** Show on a button, for two seconds, that its action is done. */
function acknowledge(button, text) {
  const before = button.textContent;
  button.textContent = text;
  showState(text);
  setTimeout(() => { button.textContent = before; }, 2000);
}

const fileName = (poem) =>
  poem.text.split("\n")[0].normalize("NFC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 48) || "poem";

/** Offer a file as a download. */
function offer(file) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: file.name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A poem as an image to share, set as on the page, always in the light colours. */
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
  pen.font = `${SIZE}px ${serif}`; // resizing a canvas resets it
  lines.forEach(({ text, indent }, place) => pen.fillText(text, MARGIN + indent, MARGIN + SIZE + place * LEADING));
  pen.fillStyle = "#7d2b26";
  pen.font = `italic ${SIZE * 0.65}px ${serif}`;
  pen.fillText(`${texts.title} · ${fill(texts.version, poem.model)}`, MARGIN, canvas.height - MARGIN + 20);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
}

/** A line as the rows it takes; those after the first are indented. */
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

// ---- Saved poems

const saved = () => JSON.parse(localStorage.getItem(SAVED_KEY) ?? "[]");

function store(poems) {
  localStorage.setItem(SAVED_KEY, JSON.stringify(poems));
  showSaved();
}

function showSaved() {
  const list = find("#saved ul");
  list.replaceChildren();
  for (const poem of saved()) {
    const item = list.appendChild(document.createElement("li")).appendChild(document.createElement("details"));
    item.append(Object.assign(document.createElement("summary"), { textContent: poem.text.split("\n")[0], lang: poem.language }));
    const sheet = newSheet("", item);
    set(sheet, poem.text);
    finish(sheet, poem);
    find("[value=again]", sheet).remove();
    Object.assign(find("[value=save]", sheet), { value: "remove", textContent: texts.remove }).addEventListener("click", () => {
      store(saved().filter((other) => other.text !== poem.text));
      find("#saved-title").focus();
    });
  }
  find("#saved .hint").hidden = list.children.length > 0;
}

// ---- The form

/** Show what belongs to the current choices, and the values of the sliders. */
function update() {
  const mode = form.elements.mode.value;
  find("#second").hidden = !form.elements.blend.checked;
  find("#pair").hidden = mode !== "blind";
  find("#mode-hint").hidden = mode === "one";
  find("#mode-hint").textContent = texts[`mode_${mode}_hint`] ?? "";
  form.querySelectorAll(".slider").forEach((label) => {
    const slider = find("input", label);
    find(".value", label).textContent = Number(slider.value).toLocaleString(document.documentElement.lang) + (slider.dataset.unit ?? "");
  });
}

function remember() {
  const values = [...new FormData(form)];
  sessionStorage.setItem(FORM_KEY, JSON.stringify(values));
}

function recall() {
  const values = JSON.parse(sessionStorage.getItem(FORM_KEY) ?? "[]");
  for (const [name, value] of values) {
    const field = form.elements[name];
    if (field?.type === "checkbox") field.checked = true;
    else if (field) field.value = value;
  }
  find("#author-and-style").open = values.some(([name, value]) => ["author", "style", "title", "blend"].includes(name) && value);
}

form.addEventListener("submit", (event) => { event.preventDefault(); write(); });
form.addEventListener("input", () => { update(); remember(); });
form.elements.first_line.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });
find("#stop").addEventListener("click", stop);
find("#retry button").addEventListener("click", write);
ballot.addEventListener("click", ({ target }) => { if (target.value) vote(target.value); });

recall();
update();
showSaved();
