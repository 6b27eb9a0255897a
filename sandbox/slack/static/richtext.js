// rich_text blocks: sections, lists, quotes and preformatted text with styled runs.

import { h } from "./dom.js";
import { emojiText, withEmoji } from "./emoji.js";
import { channelLink, link, mention } from "./mrkdwn.js";
import { worldNow } from "./store.js";
import { dateToken } from "./time.js";

function styled(node, style = {}) {
  let wrapped = node;
  if (style.code) wrapped = h("code", null, wrapped);
  if (style.bold) wrapped = h("strong", null, wrapped);
  if (style.italic) wrapped = h("em", null, wrapped);
  if (style.strike) wrapped = h("s", null, wrapped);
  if (style.underline) wrapped = h("u", null, wrapped);
  return wrapped;
}

const words = (text) => String(text).split("\n").flatMap((line, i) => (i ? [h("br"), withEmoji(line)] : [withEmoji(line)]));

function run(part) {
  switch (part.type) {
    case "text": return styled(h("span", null, words(part.text)), part.style);
    case "link": return styled(link(part.url, withEmoji(part.text || part.url)), part.style);
    case "user": return mention(part.user_id);
    case "channel": return channelLink(part.channel_id);
    case "usergroup": return h("span.mention", null, `@${part.usergroup_id}`);
    case "broadcast": return h("span.mention.mine", null, `@${part.range}`);
    case "emoji": return document.createTextNode(emojiText(part.name));
    case "date": return h("time", null, dateToken(String(part.timestamp), part.format, part.fallback, worldNow()));
    case "color": return h("code", null, part.value);
    default: return h("span.unknown", null, `[${part.type}]`);
  }
}

const runs = (node) => (node.elements ?? []).map(run);

function part(node) {
  switch (node.type) {
    case "rich_text_section": return h("p", null, runs(node));
    case "rich_text_quote": return h("blockquote", null, runs(node));
    case "rich_text_preformatted": return h("pre", null, h("code", null, runs(node)));
    case "rich_text_list": {
      const items = node.elements.map((entry) => h("li", { "data-depth": node.indent || null }, runs(entry)));
      return node.style === "ordered" ? h("ol", { start: (node.offset ?? 0) + 1 }, items) : h("ul", null, items);
    }
    default: return h("div.unknown", null, `Not drawn here: ${node.type}`);
  }
}

/** A rich_text block, or text where a string stands in its place. */
export function richText(block) {
  if (!block) return null;
  if (typeof block === "string") return h("div.mrkdwn", null, h("p", null, words(block)));
  return h("div.mrkdwn", null, (block.elements ?? []).map(part));
}
