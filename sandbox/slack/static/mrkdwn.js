// Slack's mrkdwn as DOM nodes: *bold* _italic_ ~strike~ `code` ```pre``` > quote, lists,
// <url|text>, <@U…>, <#C…>, <!here>, <!date^…>, :emoji:, and the escapes &amp; &lt; &gt;.

import { h } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { channelById, nameOf, state, worldNow } from "./store.js";
import { dateToken } from "./time.js";

export const unescape = (text) =>
  String(text).replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

/** A link, or its text when the address is not one a browser may follow. */
export function link(url, ...label) {
  const address = unescape(url);
  const shown = label.length ? label : [address];
  if (!/^(https?:\/\/|mailto:|\/files\/|#)/i.test(address)) return h("span", null, ...shown);
  const here = address.startsWith("#");
  return h("a.link", { href: address, target: here ? null : "_blank", rel: "noopener noreferrer" }, ...shown);
}

export function mention(id, fallback) {
  const mine = id === state.me ? "mine" : "";
  return h("span.mention", { class: mine, "data-user": id }, `@${fallback || nameOf(id)}`);
}

export function channelLink(id, fallback) {
  const channel = channelById(id);
  const name = channel?.name ?? fallback ?? id;
  return channel ? h("a.mention", { href: `#${name}` }, `#${name}`) : h("span.mention", null, `#${name}`);
}

/** One <…> token of Slack. */
export function token(inside) {
  const [target, ...rest] = inside.split("|");
  const label = rest.length ? withEmoji(unescape(rest.join("|"))) : "";
  if (target.startsWith("@")) return mention(target.slice(1), label);
  if (target.startsWith("#")) return channelLink(target.slice(1), label);
  if (target.startsWith("!date^")) {
    const [, seconds, pattern, url] = target.split("^");
    const shown = dateToken(seconds, unescape(pattern ?? "{date} {time}"), label, worldNow());
    return url ? link(url, shown) : h("time", { datetime: new Date(seconds * 1000).toJSON?.() ?? "" }, shown);
  }
  if (target.startsWith("!subteam^")) return h("span.mention", null, label || `@${target.split("^")[1]}`);
  if (target.startsWith("!")) return h("span.mention.mine", null, `@${label || target.slice(1).split("^")[0]}`);
  if (/^(https?:|mailto:)/i.test(target)) return label ? link(target, label) : link(target);
  return document.createTextNode(`<${unescape(inside)}>`);
}

const edge = String.raw`(?<![\p{L}\p{N}])`;
const INLINE = new RegExp(
  [
    "(?<code>`[^`\\n]+`)",
    "(?<token><[^<>\\n]+>)",
    String.raw`${edge}\*(?<bold>[^*\s](?:[^*\n]*[^*\s])?)\*(?![\p{L}\p{N}])`,
    String.raw`${edge}_(?<italic>[^_\s](?:[^_\n]*[^_\s])?)_(?![\p{L}\p{N}])`,
    String.raw`${edge}~(?<strike>[^~\s](?:[^~\n]*[^~\s])?)~(?![\p{L}\p{N}])`,
  ].join("|"),
  "gu",
);

/** Inline mrkdwn as a list of nodes. */
export function inline(text) {
  const nodes = [];
  let from = 0;
  const plain = (until) => {
    if (until > from) nodes.push(document.createTextNode(withEmoji(unescape(text.slice(from, until)))));
  };
  for (const match of text.matchAll(INLINE)) {
    plain(match.index);
    from = match.index + match[0].length;
    const { code, token: angle, bold, italic, strike } = match.groups;
    if (code) nodes.push(h("code", null, unescape(code.slice(1, -1))));
    else if (angle) nodes.push(token(angle.slice(1, -1)));
    else if (bold) nodes.push(h("strong", null, inline(bold)));
    else if (italic) nodes.push(h("em", null, inline(italic)));
    else nodes.push(h("s", null, inline(strike)));
  }
  plain(text.length);
  return nodes;
}

/** A whole mrkdwn text: fenced code first, then quotes, lists and lines. */
export function mrkdwn(source) {
  const root = h("div.mrkdwn");
  String(source ?? "").split(/```/).forEach((part, index, parts) => {
    const fenced = index % 2 === 1 && index < parts.length - 1;
    if (fenced) root.append(h("pre", null, h("code", null, unescape(part.replace(/^\n|\n$/g, "")))));
    else lines(root, index % 2 === 1 ? "```" + part : part);
  });
  return root;
}

const kindOf = (line) => {
  if (/^(&gt;|>)\s?/.test(line)) return "quote";
  if (/^\s*[•◦▪]\s+|^\s*[-*]\s+(?=\S)/.test(line)) return "bullet";
  if (/^\s*\d+[.)]\s+/.test(line)) return "number";
  return "text";
};

function lines(root, part) {
  const groups = [];
  for (const line of part.replace(/^\n+|\n+$/g, "").split("\n")) {
    const kind = kindOf(line);
    const last = groups.at(-1);
    if (last && last.kind === kind) last.lines.push(line);
    else groups.push({ kind, lines: [line] });
  }
  for (const group of groups) root.append(...block(group));
}

function block({ kind, lines: rows }) {
  const broken = (texts) => texts.flatMap((text, i) => (i ? [h("br"), ...inline(text)] : inline(text)));
  if (kind === "quote") {
    return [h("blockquote", null, broken(rows.map((row) => row.replace(/^(&gt;|>)\s?/, ""))))];
  }
  if (kind === "bullet" || kind === "number") {
    const items = rows.map((row) => {
      const deep = Math.min(2, Math.floor((row.match(/^\s*/)[0].length + 1) / 2));
      const text = row.replace(/^\s*([•◦▪*-]|\d+[.)])\s+/, "");
      return h("li", { "data-depth": deep || null }, inline(text));
    });
    const first = Number(rows[0].trim().match(/^\d+/)?.[0] ?? 1);
    return [kind === "bullet" ? h("ul", null, items) : h("ol", { start: first > 1 ? first : null }, items)];
  }
  const paragraphs = rows.join("\n").split(/\n{2,}/).filter((text) => text.trim());
  return paragraphs.map((text) => h("p", null, broken(text.split("\n"))));
}

/** A text object of Block Kit: mrkdwn or plain_text (a bare string is mrkdwn). */
export function text(object) {
  if (object === undefined || object === null) return [];
  if (typeof object === "string") return [mrkdwn(object)];
  if (object.type === "mrkdwn") return [mrkdwn(object.text)];
  return [document.createTextNode(withEmoji(object.text))];
}

/** The same, for labels that stay on one line. */
export function label(object) {
  if (object === undefined || object === null) return [];
  if (typeof object === "string" || object.type === "mrkdwn") return inline(object.text ?? object);
  return [document.createTextNode(withEmoji(object.text))];
}
