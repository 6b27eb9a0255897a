// One message: face, name, time, content, tasks, reactions, replies, and what can be done with it.

import { blocks, picture, plan } from "./blocks.js";
import { append, h, icon } from "./dom.js";
import { emojiText, QUICK_REACTIONS } from "./emoji.js";
import { markdown } from "./markdown.js";
import { link, mrkdwn } from "./mrkdwn.js";
import { author, avatar } from "./people.js";
import { menu, toast, warning } from "./popover.js";
import { currentChannel, isReply, key, nameOf, post, state, worldNow } from "./store.js";
import { ago, clockTime, fullDate } from "./time.js";

/** What the message pane calls when somebody opens a thread; set by main.js. */
export const doors = { openThread: () => {} };

/** Build a message. `compact` leaves out face and name; `where` is "channel" or "thread". */
export function messageNode(message, { compact, where }) {
  const from = author(message);
  const time = h("time.stamp", { datetime: new Date(message.ts * 1000).toISOString(), title: fullDate(message.ts) }, clockTime(message.ts));
  const head = h("div.message-head", null, h("span.author", null, from.name), from.bot && h("span.badge", null, "BOT"), time,
    where === "thread" || !isReply(message) ? null : h("span.note", null, "replied in a thread"));
  const body = h("div.message-body", { "data-testid": "message-body" }, content(message));
  if (message.streaming) caret(body);
  if (message.edited) append(body.lastElementChild?.matches(".mrkdwn") ? body.lastElementChild.lastElementChild ?? body : body, h("span.edited", { title: fullDate(message.edited.ts) }, " (edited)"));
  const node = h("article.message", {
    class: [compact ? "compact" : "", message.ephemeral ? "ephemeral" : "", message.streaming ? "streaming" : ""].join(" "),
    "data-testid": "message", "data-ts": message.ts, tabindex: 0,
    "aria-label": `${from.name}, ${clockTime(message.ts)}`, "aria-busy": message.streaming ? "true" : null,
  },
  h("div.gutter", null, compact ? time.cloneNode(true) : avatar(from.id)),
  h("div.message-main", null,
    message.ephemeral && h("div.only-you", null, icon("eye"), "Only visible to you"),
    compact ? null : head, body, reactions(message), where === "channel" && replies(message)),
  message.ephemeral || message.subtype === "tombstone" ? null : toolbar(message, where));
  warn(node, message);
  return node;
}

function content(message) {
  if (message.subtype === "tombstone") return h("p.muted", null, "This message was deleted.");
  const place = { send: (blockId, action, node) => press(message, blockId, action, node) };
  const named = message.tasks?.length ? message.blocks?.find((b) => b.type === "plan" && !b.tasks?.length) : null;
  const tasks = message.tasks?.length ? plan(named?.title ?? (message.streaming ? "Working on it" : "What I looked at"), message.tasks) : null;
  const rest = (message.blocks ?? []).filter((b) => b !== named);
  const shown = rest.length ? blocks(rest, place) : words(message);
  return [tasks, shown, (message.attachments ?? []).map((one) => attachment(one, place)), (message.files ?? []).map(file)];
}

function words(message) {
  if (!message.text) return [];
  return [message.streaming || message.tasks?.length ? markdown(message.text) : mrkdwn(message.text)];
}

async function press(message, blockId, action, node) {
  for (const name of [...state.warnings.keys()]) if (name.startsWith(`${key(state.channel, message.ts)}:`)) state.warnings.delete(name);
  node?.closest(".message")?.querySelectorAll(".ack-failed").forEach((old) => old.remove());
  node?.classList.add("busy");
  const answer = await post("action", {
    channel: state.channel, message_ts: message.ts, container: message.ephemeral ? "ephemeral" : "message",
    block_id: action.block_id ?? blockId, action: { ...action, block_id: action.block_id ?? blockId },
  });
  setTimeout(() => node?.classList.remove("busy"), 250);
  if (answer.ok === false) toast(answer.error ?? "The click did not reach the app.", "warn");
}

function attachment(one, place) {
  const bar = /^#?[0-9a-f]{6}$/i.test(one.color ?? "") ? `#${one.color.replace("#", "")}` : "";
  return h("div.attachment", { style: bar ? { "--bar": bar } : {} },
    one.pretext && mrkdwn(one.pretext), one.title && h("strong", null, one.title_link ? link(one.title_link, one.title) : one.title),
    one.blocks ? blocks(one.blocks, place) : one.text && mrkdwn(one.text),
    one.fields && h("div.fields", null, one.fields.map((f) => h("div.field", null, h("strong", null, f.title), mrkdwn(f.value)))),
    one.image_url && picture({ image_url: one.image_url, alt_text: one.fallback ?? "" }, "image-block"),
    one.footer && h("div.context", null, one.footer));
}

function file(one) {
  if (!one.mimetype?.startsWith("image/")) {
    return h("div.block.file", { "data-testid": "file" }, icon("file"), link(one.url_private ?? `/files/${one.id}/${one.name}`, one.title || one.name));
  }
  const spec = { image_url: one.url_private ?? `/files/${one.id}/${encodeURIComponent(one.name)}`, alt_text: one.alt_txt || one.title || one.name };
  return h("figure.block.image", null, h("figcaption", null, one.title || one.name), picture(spec, "image-block", one.title));
}

/** The blinking end of a text that is still being written. */
function caret(body) {
  let last = body;
  const inside = ".markdown, .mrkdwn, .block, p, ul, ol, li, blockquote, .heading";
  while (last.lastElementChild?.matches(inside) && !last.lastElementChild.matches(".plan, .actions")) last = last.lastElementChild;
  last.append(h("span.caret", { "data-testid": "caret", role: "img", "aria-label": "still writing" }));
}

function reactions(message) {
  if (!message.reactions?.length) return null;
  const chips = message.reactions.map((one) => {
    const mine = one.users?.includes(state.me) ?? false;
    return h("button.reaction", {
      type: "button", class: mine ? "mine" : "", "aria-pressed": String(mine), "data-testid": `reaction-${one.name}`,
      title: `${(one.users ?? []).map(nameOf).join(", ")} reacted with :${one.name}:`, onclick: () => react(message, one.name, !mine),
    }, h("span", null, emojiText(one.name)), h("span.count", null, one.count));
  });
  const add = h("button.reaction.add", { type: "button", "aria-label": "Add a reaction", "aria-haspopup": "menu", onclick: () => reactionMenu(add, message) }, icon("smile"));
  return h("div.reactions", null, chips, add);
}

async function react(message, name, add) {
  const answer = await post("reaction", { channel: state.channel, ts: message.ts, name, add });
  if (answer.ok === false) toast(`The reaction was not kept: ${answer.error}`, "warn");
}

function reactionMenu(anchor, message) {
  const mine = (name) => message.reactions?.some((one) => one.name === name && one.users?.includes(state.me));
  menu(anchor, QUICK_REACTIONS.map((name) => ({
    label: emojiText(name), name: `:${name}:`, testid: `react-${name}`, pick: () => react(message, name, !mine(name)),
  })), { grid: true, title: "React" });
}

function replies(message) {
  const status = state.statuses.get(key(state.channel, message.ts));
  if (!message.reply_count && !status) return null;
  const faces = (message.reply_users ?? []).slice(0, 3).map((id) => avatar(id, "small"));
  const count = message.reply_count ?? 0;
  return h("button.replies", { type: "button", "data-testid": "replies", onclick: () => doors.openThread(message.ts) },
    faces, count ? h("strong", null, `${count} ${count === 1 ? "reply" : "replies"}`) : h("strong", null, "Open thread"),
    status ? h("span.status-text", null, h("span.dots", { "aria-hidden": "true" }, h("i"), h("i"), h("i")), status)
      : message.latest_reply && h("span.muted", null, `Last reply ${ago(message.latest_reply, worldNow())}`));
}

function toolbar(message, where) {
  const tool = (name, text, onclick, testid) =>
    h("button.icon-btn", { type: "button", "aria-label": text, title: text, "data-testid": testid, "aria-haspopup": onclick.length ? "menu" : null, onclick: (event) => onclick(event.currentTarget) }, icon(name));
  return h("div.toolbar", { role: "toolbar", "aria-label": "Message actions" },
    tool("smile", "Add a reaction", (anchor) => reactionMenu(anchor, message), "react"),
    where === "channel" && tool("thread", "Reply in thread", () => doors.openThread(message.thread_ts ?? message.ts), "reply"),
    tool("more", "More actions", (anchor) => shortcutMenu(anchor, message, where), "more"));
}

function shortcutMenu(anchor, message, where) {
  const apps = state.shortcuts.map((one) => ({
    label: one.name, hint: state.bot.name, icon: icon("spark"), testid: `shortcut-${one.callback_id}`,
    pick: async () => {
      const answer = await post("shortcut", { callback_id: one.callback_id, channel: state.channel, message_ts: message.ts });
      if (answer.ok === false) toast(answer.error ?? "The shortcut did not reach the app.", "warn");
    },
  }));
  const copy = async (text, said) => { await navigator.clipboard?.writeText(text); toast(said); };
  const address = `${location.origin}${location.pathname}#${currentChannel()?.name || state.channel}/${message.thread_ts ?? message.ts}`;
  menu(anchor, [
    where === "channel" && { label: "Reply in thread", icon: icon("thread"), pick: () => doors.openThread(message.thread_ts ?? message.ts) },
    { label: "Add a reaction", icon: icon("smile"), pick: () => reactionMenu(anchor, message) },
    ...apps,
    { label: "Copy link", icon: icon("hash"), pick: () => copy(address, "Link copied") },
    { label: "Copy text", icon: icon("file"), pick: () => copy(message.text ?? "", "Text copied") },
  ].filter(Boolean), { testid: "message-menu" });
}

/** Put the triangle beside each pressed element whose click was not acknowledged. */
function warn(node, message) {
  const mine = `${key(state.channel, message.ts)}:`;
  for (const [name, said] of state.warnings) {
    if (!name.startsWith(mine)) continue;
    const action = name.slice(mine.length);
    const pressed = action && node.querySelector(`[data-action-id="${CSS.escape(action)}"]`);
    if (pressed) (pressed.closest(".select, .feedback") ?? pressed).after(warning(said));
    else node.querySelector(".message-body").append(warning(said));
  }
}
