
const $ = (id) => document.getElementById(id);
const IDEAS = ["Tell me a story about a dog.", "Tell me a story about a little girl.", "Tell me a story about a red ball."];
const [CHAT, SETTINGS, THEME] = ["firesteel.chat", "firesteel.settings", "firesteel.theme"];

/** What the browser keeps. It may be full, or forbidden: then this page forgets, and works. */
const kept = {
  get(key, otherwise) {
    try { return JSON.parse(localStorage.getItem(key)) ?? otherwise; } catch { return otherwise; }
  },
  set(key, value) {
    try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* Forgotten, then. */ }
  },
};

/** {role, content, reasoning?, note?, error?} */
let messages = kept.get(CHAT, []);
let model;
/** Ends the answer that is on its way. */
let running = null;

// The conversation.

function show() {
  $("log").replaceChildren(...messages.map(article));
  $("welcome").hidden = messages.length > 0;
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

function article(message) {
  const node = h("article", { class: message.role, "aria-label": message.role === "user" ? "You" : "Model" });
  fill(node, message);
  return node;
}

/** Shows a message in its element. */
function fill(node, message) {
  if (message.role === "user") {
    node.replaceChildren(h("div", { class: "text" }, message.content));
    return;
  }
  const parts = [];
  if (message.reasoning) {
    const thoughts = h("details", null, h("summary", null, "Thoughts"), h("p", null, message.reasoning));
    // Open while there is nothing else to read, or if the reader left it so.
    thoughts.open = node.querySelector("details")?.open ?? !message.content;
    parts.push(thoughts);
  }
  parts.push(h("div", { class: "text" }, ...markdown(message.content)));
  if (message.error) parts.push(h("div", { class: "error", role: "alert" }, message.error));
  if (!node.classList.contains("wait")) parts.push(foot(message));
  node.replaceChildren(...parts);
}

function foot(message) {
  const buttons = [];
  if (message.content) buttons.push(h("button", { class: "small", "data-copy": "answer" }, "Copy"));
  if (message === messages.at(-1)) {
    const again = h("button", { class: "small" }, message.error ? "Try again" : "Another answer");
    again.onclick = () => {
      messages.pop();
      show();
      answer();
    };
    const edit = h("button", { class: "small" }, "Edit message");
    edit.onclick = () => {
      messages.pop();
      $("prompt").value = messages.pop()?.content ?? "";
      kept.set(CHAT, messages);
      show();
      ready();
      $("prompt").focus();
    };
    buttons.push(again, edit);
  }
  return h("div", { class: "foot" }, ...buttons, message.note ?? "");
}

// One request.

function body() {
  const settings = kept.get(SETTINGS, {});
  const numbers = ["temperature", "top_p", "max_tokens", "seed"];
  const given = numbers.filter((it) => settings[it] !== undefined && settings[it] !== "");
  const said = messages.filter((it) => it.content).map(({ role, content }) => ({ role, content }));
  const system = settings.system?.trim() ? [{ role: "system", content: settings.system }] : [];
  return JSON.stringify({
    model, messages: [...system, ...said], stream: true, stream_options: { include_usage: true },
    ...Object.fromEntries(given.map((it) => [it, Number(settings[it])])),
  });
}

function credentials() {
  const { key } = kept.get(SETTINGS, {});
  return key ? { authorization: `Bearer ${key}` } : {};
}

/** The data of server-sent events. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
  }
}

/** What to tell the reader about an answer that is none. */
async function refusal(response) {
  const words = await response.json().then((it) => it.error?.message, () => null);
  const wait = response.headers.get("retry-after");
  const sentence = words ?? `The server answered ${response.status} ${response.statusText}.`;
  return sentence[0].toUpperCase() + sentence.slice(1) + (wait ? `\nTry again in ${wait} s.` : "");
}

async function receive(message, signal, changed) {
  const headers = { "content-type": "application/json", ...credentials() };
  const response = await fetch("v1/chat/completions", { method: "POST", headers, body: body(), signal });
  if (!response.ok) throw new Error(await refusal(response));
  let [first, last, usage] = [0, 0, null];
  for await (const data of events(response)) {
    if (data === "[DONE]") break;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message);
    usage = chunk.usage ?? usage;
    const delta = chunk.choices?.[0]?.delta ?? {};
    if (!delta.content && !delta.reasoning_content) continue;
    last = performance.now();
    first ||= last;
    message.content += delta.content ?? "";
    message.reasoning = (message.reasoning ?? "") + (delta.reasoning_content ?? "");
    changed();
  }
  const tokens = usage?.completion_tokens ?? 0;
  const speed = tokens > 1 && last > first ? ` · ${((tokens - 1) * 1000 / (last - first)).toFixed(1)} tokens/s` : "";
  message.note = tokens ? `${tokens} tokens${speed}` : "";
}

/** Asks for the answer to what was said last. */
async function answer() {
  const message = { role: "assistant", content: "" };
  const node = h("article", { class: "assistant wait", "aria-label": "Model" });
  messages.push(message);
  fill(node, message);
  $("log").append(node);
  busy(new AbortController());
  let frame = 0;
  // Once per frame, however fast tokens come.
  const changed = () => { frame ||= requestAnimationFrame(() => { frame = 0; follow(() => fill(node, message)); }); };
  try {
    follow(() => {}, true);
    await receive(message, running.signal, changed);
  } catch (error) {
    if (error.name === "AbortError") message.note = "stopped";
    else if (error instanceof TypeError) message.error = "The server cannot be reached. Is it still running?";
    else message.error = error.message;
  }
  cancelAnimationFrame(frame);
  node.classList.remove("wait");
  if (messages.includes(message)) {
    follow(() => fill(node, message));
    kept.set(CHAT, messages);
  }
  busy(null);
}

/** Does `change`, and stays at the end if that is where the reader is. */
function follow(change, always) {
  const view = $("scroll");
  const atEnd = always || view.scrollHeight - view.scrollTop - view.clientHeight < 80;
  change();
  if (atEnd) view.scrollTop = view.scrollHeight;
}

function busy(controller) {
  running = controller;
  $("log").setAttribute("aria-busy", String(!!controller));
  $("send").hidden = !!controller;
  $("stop").hidden = !controller;
  ready();
}

// The form.

function ready() {
  const field = $("prompt");
  $("send").disabled = !field.value.trim();
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

function send(text) {
  if (!text.trim() || running) return;
  // Buttons under the last answer belong to it alone.
  messages.push({ role: "user", content: text.trim() });
  kept.set(CHAT, messages);
  show();
  $("prompt").value = "";
  answer();
}

$("form").onsubmit = (event) => { event.preventDefault(); send($("prompt").value); };
$("prompt").oninput = ready;
$("prompt").onkeydown = (event) => {
  // Enter also ends the choice of a character in some languages.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send(event.target.value);
};
$("stop").onclick = () => { running?.abort(); $("prompt").focus(); };
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !$("settings").open) running?.abort();
});
$("new").onclick = () => {
  running?.abort();
  messages = [];
  kept.set(CHAT, messages);
  show();
  $("prompt").focus();
};
$("ideas").append(...IDEAS.map((text) => {
  const button = h("button", { type: "button" }, text);
  button.onclick = () => send(text);
  return button;
}));

document.addEventListener("click", async ({ target }) => {
  const what = target.dataset?.copy;
  if (!what) return;
  const source = what === "code" ? target.closest(".code").querySelector("code") : target.closest("article").querySelector(".text");
  try {
    await navigator.clipboard.writeText(source.innerText);
  } catch {
    // Pages that do not come over HTTPS have no clipboard but the old way.
    getSelection().selectAllChildren(source);
    document.execCommand("copy");
    getSelection().removeAllRanges();
  }
  target.textContent = "Copied";
  setTimeout(() => { target.textContent = "Copy"; }, 1500);
});

// Settings.

const fields = $("settings").querySelector("form").elements;
$("open").onclick = () => {
  const settings = kept.get(SETTINGS, {});
  for (const field of fields) if (field.name) field.value = settings[field.name] ?? "";
  $("settings").showModal();
};
$("defaults").onclick = () => { for (const field of fields) if (field.name) field.value = ""; };
$("settings").onclose = () => {
  const named = [...fields].filter((it) => it.name && it.validity.valid);
  kept.set(SETTINGS, Object.fromEntries(named.map((it) => [it.name, it.value])));
  $("prompt").focus();
  if (!model) meet();
};

const paint = (theme) => { if (theme) document.documentElement.dataset.theme = theme; };
$("theme").onclick = () => {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const theme = (document.documentElement.dataset.theme ?? system) === "dark" ? "light" : "dark";
  paint(theme);
  kept.set(THEME, theme);
};
paint(kept.get(THEME, null));

/** Learns the model's name, which requests need. */
async function meet() {
  try {
    const response = await fetch("v1/models", { headers: credentials() });
    if (!response.ok) throw new Error(await refusal(response));
    model = (await response.json()).data[0].id;
    $("model").textContent = model;
  } catch (error) {
    $("model").textContent = error instanceof TypeError ? "no server" : error.message;
  }
}

meet();
show();
ready();
