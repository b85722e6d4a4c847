
// Markdown to DOM nodes. All text of the model ends up in text nodes: nothing is ever parsed
// as HTML, so there is nothing to escape and nothing to inject.

/** An element with attributes and children (nodes or strings). */
export function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const INLINE = new RegExp([
  /(?<ticks>`+)(?<code>.+?)(?<!`)\k<ticks>(?!`)/,
  /\[(?<label>[^\]\n]+)\]\((?<href>[^)\s]+)\)/,
  /(?<link>https?:\/\/[^\s<>"'`]*[^\s<>"'`.,;:!?)\]*_])/,
  /\*\*(?<bold>\S|\S.*?\S)\*\*/,
  /~~(?<struck>\S|\S.*?\S)~~/,
  /\*(?<leant>[^\s*]|[^\s*].*?[^\s*])\*/,
  /\\(?<plain>[\\`*_{}[\]()#+\-.!|~>])/,
].map((it) => it.source).join("|"), "s");

/** Nodes of a run of text. */
function inline(text) {
  const nodes = [];
  for (;;) {
    const found = INLINE.exec(text);
    if (!found) break;
    nodes.push(text.slice(0, found.index), span(found.groups, found[0]));
    text = text.slice(found.index + found[0].length);
  }
  return [...nodes, text].filter((it) => it !== "");
}

function span(it, whole) {
  if (it.code !== undefined) return h("code", null, it.code.trim() || it.code);
  if (it.bold !== undefined) return h("strong", null, ...inline(it.bold));
  if (it.leant !== undefined) return h("em", null, ...inline(it.leant));
  if (it.struck !== undefined) return h("del", null, ...inline(it.struck));
  if (it.plain !== undefined) return it.plain;
  const href = it.link ?? it.href;
  // No `javascript:` and its like.
  if (!/^(https?:\/\/|mailto:)/i.test(href)) return whole;
  const label = it.label === undefined ? [href] : inline(it.label);
  return h("a", { href, target: "_blank", rel: "noopener noreferrer" }, ...label);
}

const FENCE = /^ {0,3}(```+|~~~+)\s*([\w+#.-]*)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}([-*_])( *\1){2,} *$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])\s+/;
const DIVIDER = /^ *\|? *:?-+:? *(\| *:?-+:? *)*\|? *$/;

/** Nodes of a whole text. */
export function markdown(text) {
  return blocks(text.replace(/\r\n?/g, "\n").split("\n"));
}

function blocks(lines) {
  const nodes = [];
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) {
      at += 1;
      continue;
    }
    const [node, next] = block(lines, at);
    nodes.push(node);
    at = next;
  }
  return nodes;
}

/** The block at a line, and the line behind it. */
function block(lines, at) {
  const line = lines[at];
  const heading = HEADING.exec(line);
  if (FENCE.test(line)) return fence(lines, at);
  if (heading) return [h(`h${Math.min(heading[1].length, 4)}`, null, ...inline(heading[2])), at + 1];
  if (RULE.test(line)) return [h("hr"), at + 1];
  if (QUOTE.test(line)) return quote(lines, at);
  if (ITEM.test(line)) return list(lines, at);
  if (line.includes("|") && DIVIDER.test(lines[at + 1] ?? "") && lines[at + 1].includes("-")) {
    return table(lines, at);
  }
  const end = until(lines, at + 1, (it) =>
    !it.trim() || FENCE.test(it) || HEADING.test(it) || RULE.test(it) || QUOTE.test(it) || ITEM.test(it));
  return [h("p", null, ...broken(lines.slice(at, end))), end];
}

/** The first line from `at` for which `ends` holds. */
function until(lines, at, ends) {
  while (at < lines.length && !ends(lines[at])) at += 1;
  return at;
}

/** Lines of a paragraph; models mean their line breaks. */
function broken(lines) {
  const nodes = inline(lines.map((it) => it.trim()).join("\n"));
  return nodes.flatMap((it) => typeof it !== "string"
    ? [it] : it.split("\n").flatMap((part, i) => (i ? [h("br"), part] : [part])));
}

function fence(lines, at) {
  const [, mark, language] = FENCE.exec(lines[at]);
  const end = until(lines, at + 1, (it) => it.trim().startsWith(mark) && !it.trim().slice(mark.length).trim());
  const text = lines.slice(at + 1, end).join("\n");
  const copy = h("button", { type: "button", class: "small", "data-copy": "code" }, "Copy");
  const head = h("div", null, h("span", null, language), copy);
  return [h("div", { class: "code" }, head, h("pre", { tabindex: "0" }, h("code", null, text))), end + 1];
}

function quote(lines, at) {
  const end = until(lines, at, (it) => !QUOTE.test(it));
  const inner = lines.slice(at, end).map((it) => it.replace(QUOTE, ""));
  return [h("blockquote", null, ...blocks(inner)), end];
}

function list(lines, at) {
  const [, indent, mark] = ITEM.exec(lines[at]);
  const ordered = /\d/.test(mark);
  const node = ordered ? h("ol", { start: parseInt(mark, 10) }) : h("ul");
  while (at < lines.length) {
    const item = ITEM.exec(lines[at]);
    if (!item || item[1].length > indent.length + 1 || /\d/.test(item[2]) !== ordered) break;
    // What is indented further belongs to the item; so does text right below it.
    const belongs = (it, i) => it.search(/\S/) > indent.length
      || (!it.trim() && (lines[i + 1] ?? "").search(/\S/) > indent.length);
    let end = at + 1;
    while (end < lines.length && belongs(lines[end], end)) end += 1;
    const width = item[0].length;
    const rest = lines.slice(at + 1, end).map((it) => it.slice(Math.min(width, Math.max(0, it.search(/\S/)))));
    node.append(h("li", null, ...tight(blocks([lines[at].slice(width), ...rest]))));
    const gap = until(lines, end, (it) => it.trim());
    at = ITEM.test(lines[gap] ?? "") ? gap : end;
  }
  return [node, at];
}

/** A lone first paragraph of an item needs no paragraph. */
function tight(nodes) {
  if (nodes[0]?.tagName !== "P") return nodes;
  return [...nodes[0].childNodes, ...nodes.slice(1)];
}

function table(lines, at) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((it) => it.trim());
  const sides = cells(lines[at + 1]).map((it) =>
    it.endsWith(":") ? (it.startsWith(":") ? "centre" : "right") : "left");
  const row = (line, tag) => h("tr", null,
    ...cells(line).slice(0, sides.length).map((it, i) => h(tag, { class: sides[i] }, ...inline(it))));
  const end = until(lines, at + 2, (it) => !it.includes("|"));
  const body = lines.slice(at + 2, end).map((it) => row(it, "td"));
  const node = h("table", null, h("thead", null, row(lines[at], "th")), h("tbody", null, ...body));
  return [h("div", { class: "table", tabindex: "0" }, node), end];
}
