// A scrolling list of messages. Unchanged messages keep their DOM, so focus, selections and
// opened details survive; the list stays at its end while the reader is there.

import { h } from "./dom.js";
import { messageNode } from "./message.js";
import { author } from "./people.js";
import { key, state, worldNow } from "./store.js";
import { dayName, sameDay } from "./time.js";

const GROUP_SECONDS = 300;
const NEAR_END_PIXELS = 80;

/** Make a list inside `scroller`; returns {draw, toEnd, focusOn}. */
export function messageList(scroller, where, { jump } = {}) {
  const inner = h("div.list-inner");
  scroller.append(inner);
  const known = new Map();
  let atEnd = true;
  const toEnd = () => { atEnd = true; scroller.scrollTop = scroller.scrollHeight; };
  const follow = () => { if (atEnd) scroller.scrollTop = scroller.scrollHeight; };
  new ResizeObserver(follow).observe(inner);
  new ResizeObserver(follow).observe(scroller);
  scroller.addEventListener("scroll", () => {
    atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PIXELS;
    if (jump) jump.hidden = atEnd;
  });
  jump?.addEventListener("click", toEnd);

  const draw = (messages, { before = [], after = [] } = {}) => {
    const height = scroller.scrollHeight;
    const nodes = [];
    messages.forEach((message, index) => {
      const previous = messages[index - 1];
      nodes.push(...between(previous, message, index, messages, where));
      const compact = grouped(previous, message, where, index);
      nodes.push(reuse(known, message, { compact, where }));
    });
    const kept = new Set(messages.map((m) => m.ts));
    for (const ts of known.keys()) if (!kept.has(ts)) known.delete(ts);
    patch(inner, [...before, ...nodes, ...after]);
    if (atEnd) toEnd();
    else if (before.length) scroller.scrollTop += scroller.scrollHeight - height;
  };
  const focusOn = (ts) => {
    const node = inner.querySelector(`[data-ts="${CSS.escape(ts)}"]`);
    if (node) { atEnd = false; node.scrollIntoView({ block: "center" }); node.classList.add("found"); }
  };
  return { draw, toEnd, focusOn };
}

function reuse(known, message, options) {
  const warnings = [...state.warnings].filter(([name]) => name.startsWith(key(state.channel, message.ts)));
  const status = state.statuses.get(key(state.channel, message.ts)) ?? "";
  const print = JSON.stringify([message, options, warnings, status, state.me, state.channel]);
  const old = known.get(message.ts);
  if (old?.print === print) return old.node;
  const node = messageNode(message, options);
  if (old) keepDetails(old.node, node);
  known.set(message.ts, { print, node });
  return node;
}

function keepDetails(old, fresh) {
  const before = old.querySelectorAll("details");
  fresh.querySelectorAll("details").forEach((one, i) => { if (before[i]) one.open = before[i].open; });
}

/** Same children in the same order, touching only what differs. */
function patch(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, i) => { if (parent.childNodes[i] !== node) parent.insertBefore(node, parent.childNodes[i] ?? null); });
}

function grouped(previous, message, where, index) {
  if (!previous || previous.ephemeral || message.ephemeral || (where === "thread" && index < 2)) return false;
  const [a, b] = [author(previous), author(message)];
  if (b.bot) return false; // cards of the app stand apart
  return a.id === b.id && a.name === b.name && message.ts - previous.ts < GROUP_SECONDS && sameDay(previous.ts, message.ts);
}

function between(previous, message, index, messages, where) {
  if (where === "thread") {
    if (index !== 1) return [];
    const count = messages.filter((m, i) => i && !m.ephemeral).length;
    if (!count) return [];
    return [h("div.reply-rule", { role: "separator" }, `${count} ${count === 1 ? "reply" : "replies"}`)];
  }
  if (previous && sameDay(previous.ts, message.ts)) return [];
  return [h("div.day-rule", { role: "separator" }, h("span", null, dayName(message.ts, worldNow())))];
}
