// Standard Markdown (the `markdown` block and streamed text) as DOM nodes:
// headings, lists, task items, fenced code, tables, quotes, rules, links, emphasis.

import { h } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { link, token, unescape } from "./mrkdwn.js";

const INLINE = new RegExp(
  [
    "(?<code>``.+?``|`[^`\\n]+`)",
    "!?\\[(?<label>[^\\]\\n]*)\\]\\((?<url>[^()\\s]+(?:\\([^()\\s]*\\)[^()\\s]*)*)(?:\\s+\"[^\"]*\")?\\)",
    "(?<token><(?:[@#!][^<>\\n]+|https?:[^<>\\s]+)>)",
    "\\\\(?<escaped>[\\\\`*_{}\\[\\]()#+.!~>|-])",
    "\\*\\*(?<bold>[^\\s*](?:.*?[^\\s])?)\\*\\*",
    "(?<![\\p{L}\\p{N}])__(?<bold2>[^\\s_](?:.*?[^\\s])?)__(?![\\p{L}\\p{N}])",
    "~~(?<strike>[^\\s~](?:.*?[^\\s])?)~~",
    "\\*(?<italic>[^\\s*](?:[^*\\n]*[^\\s*])?)\\*",
    "(?<![\\p{L}\\p{N}])_(?<italic2>[^\\s_](?:[^_\\n]*[^\\s_])?)_(?![\\p{L}\\p{N}])",
    "(?<bare>https?://[^\\s<>()]+[^\\s<>().,;:!?'\"])",
  ].join("|"),
  "gu",
);

/** Inline Markdown as a list of nodes. */
export function inline(text) {
  const nodes = [];
  let from = 0;
  const plain = (until) => {
    if (until > from) nodes.push(document.createTextNode(withEmoji(unescape(text.slice(from, until)))));
  };
  for (const match of text.matchAll(INLINE)) {
    plain(match.index);
    from = match.index + match[0].length;
    nodes.push(span(match.groups));
  }
  plain(text.length);
  return nodes;
}

function span(g) {
  if (g.code) return h("code", null, unescape(g.code.replace(/^(`+) ?(.*?) ?\1$/, "$2")));
  if (g.url) return link(g.url, inline(g.label || g.url));
  if (g.token) return token(g.token.slice(1, -1));
  if (g.escaped) return document.createTextNode(g.escaped);
  if (g.bold || g.bold2) return h("strong", null, inline(g.bold ?? g.bold2));
  if (g.strike) return h("s", null, inline(g.strike));
  if (g.italic || g.italic2) return h("em", null, inline(g.italic ?? g.italic2));
  return link(g.bare);
}

const RULE = /^\s*([-*_])(\s*\1){2,}\s*$/;
const FENCE = /^\s*(```+|~~~+)\s*(\S*)/;
const ITEM = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;
const DIVIDER = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/** A whole Markdown text. */
export function markdown(source) {
  const root = h("div.markdown.mrkdwn");
  blocks(root, String(source ?? "").replace(/\r\n?/g, "\n").split("\n"));
  return root;
}

function blocks(root, rows) {
  let at = 0;
  while (at < rows.length) {
    const row = rows[at];
    if (!row.trim()) at += 1;
    else if (FENCE.test(row)) at = fence(root, rows, at);
    else if (/^#{1,6}\s+/.test(row)) at = heading(root, row, at);
    else if (RULE.test(row)) at = rule(root, at);
    else if (/^\s*>/.test(row)) at = quote(root, rows, at);
    else if (ITEM.test(row)) at = list(root, rows, at);
    else if (row.includes("|") && DIVIDER.test(rows[at + 1] ?? "")) at = table(root, rows, at);
    else at = paragraph(root, rows, at);
  }
}

function fence(root, rows, at) {
  const [, mark] = rows[at].match(FENCE);
  let end = at + 1;
  while (end < rows.length && !rows[end].trim().startsWith(mark)) end += 1;
  root.append(h("pre", null, h("code", null, unescape(rows.slice(at + 1, end).join("\n")))));
  return end + 1;
}

function heading(root, row, at) {
  const [, marks, text] = row.match(/^(#{1,6})\s+(.*?)\s*#*$/);
  root.append(h("div.heading", { role: "heading", "aria-level": marks.length, class: `h${marks.length}` }, inline(text)));
  return at + 1;
}

function rule(root, at) {
  root.append(h("hr"));
  return at + 1;
}

function quote(root, rows, at) {
  let end = at;
  while (end < rows.length && /^\s*>/.test(rows[end])) end += 1;
  const inner = h("blockquote");
  blocks(inner, rows.slice(at, end).map((row) => row.replace(/^\s*>\s?/, "")));
  root.append(inner);
  return end;
}

function list(root, rows, at) {
  const [, indent, mark] = rows[at].match(ITEM);
  const ordered = /\d/.test(mark);
  const first = ordered ? Number.parseInt(mark, 10) : 1;
  const node = h(ordered ? "ol" : "ul", { start: first > 1 ? first : null });
  while (at < rows.length) {
    const found = rows[at].match(ITEM);
    if (!found || found[1].length !== indent.length || /\d/.test(found[2]) !== ordered) break;
    const inside = [];
    let end = at + 1;
    while (end < rows.length && (/^\s+\S/.test(rows[end]) && rows[end].search(/\S/) > indent.length)) inside.push(rows[end++]);
    node.append(item(found[3], inside));
    at = end;
    if (!rows[at]?.trim() && rows[at + 1]?.match(ITEM)?.[1].length === indent.length) at += 1;
  }
  root.append(node);
  return at;
}

function item(text, inside) {
  const task = text.match(/^\[([ xX])\]\s+(.*)$/);
  const node = h("li", { class: task ? "task-item" : "" });
  if (task) node.append(h("input", { type: "checkbox", disabled: true, checked: task[1] !== " " }), " ");
  node.append(...inline(task ? task[2] : text));
  const margin = Math.min(...inside.map((row) => row.search(/\S/)));
  if (inside.length) blocks(node, inside.map((row) => row.slice(margin)));
  return node;
}

const cells = (row) =>
  row.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, "|"));

function table(root, rows, at) {
  const sides = cells(rows[at + 1]).map((mark) => (mark.endsWith(":") ? (mark.startsWith(":") ? "center" : "right") : "left"));
  const line = (row, tag) =>
    h("tr", null, cells(row).map((cell, i) => h(tag, { class: `align-${sides[i] ?? "left"}` }, inline(cell))));
  let end = at + 2;
  while (end < rows.length && rows[end].includes("|") && rows[end].trim()) end += 1;
  const body = rows.slice(at + 2, end).map((row) => line(row, "td"));
  root.append(h("div.table-scroll", { tabindex: 0, role: "region", "aria-label": "Table" },
    h("table", null, h("thead", null, line(rows[at], "th")), h("tbody", null, body))));
  return end;
}

function paragraph(root, rows, at) {
  let end = at + 1;
  const stops = (row) => !row.trim() || FENCE.test(row) || /^#{1,6}\s/.test(row) || /^\s*>/.test(row) || ITEM.test(row) || RULE.test(row);
  while (end < rows.length && !stops(rows[end]) && !DIVIDER.test(rows[end + 1] ?? "x")) end += 1;
  const texts = rows.slice(at, end).map((row) => row.trimEnd());
  root.append(h("p", null, texts.flatMap((text, i) => (i ? [h("br"), ...inline(text)] : inline(text)))));
  return end;
}
