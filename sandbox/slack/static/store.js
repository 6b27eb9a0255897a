// What the page knows, and the calls that ask the server for it.
//
//   people · channels · messages by channel · open thread · views
//
// The server is the record: everything here is fetched again after a reload.

export const state = {
  team: { id: "", name: "", domain: "" }, me: "", people: [], bot: { connected: false, name: "" },
  channels: [], commands: [], shortcuts: [],
  channel: "", thread: "", tab: "messages", home: null,
  messages: new Map(), // channel id → top-level messages, oldest first
  replies: [], // the open thread: parent first
  statuses: new Map(), prompts: new Map(), warnings: new Map(), drafts: new Map(),
  complete: new Set(), // channels whose oldest message is here
  clock: { now: Date.now() / 1000, speed: 1, at: performance.now() },
};

/** World time in seconds, which runs faster than the wall when the sandbox does. */
export function worldNow() {
  const { now, speed, at } = state.clock;
  return now + ((performance.now() - at) / 1000) * speed;
}

export function setClock(now, speed) {
  state.clock = { now, speed: speed || 1, at: performance.now() };
}

export const key = (channel, ts) => `${channel}:${ts ?? ""}`;
export const channelById = (id) => state.channels.find((c) => c.id === id || c.name === id);
export const currentChannel = () => channelById(state.channel);
export const isBot = (id) => id === state.bot.user_id || id === state.bot.id;

/** Display name of a user or bot id. */
export function nameOf(id) {
  if (isBot(id)) return state.bot.name;
  const person = state.people.find((p) => p.id === id);
  return person ? person.real_name || person.name : id;
}

async function ask(path, options) {
  const failed = (why) => ({ ok: false, error: why });
  try {
    const response = await fetch(path, options);
    const body = await response.json().catch(() => null);
    return body ?? failed(`the local Slack answered ${response.status}`);
  } catch {
    return failed("the local Slack does not answer; is `make demo` still running?");
  }
}

export function get(path, query = {}) {
  const wanted = Object.entries(query).filter(([, value]) => value);
  return ask(`/ui/${path}?${new URLSearchParams([["user", state.me], ...wanted])}`);
}

export function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(`/ui/${path}`, { method: "POST", headers, body: JSON.stringify({ user: state.me, ...body }) });
}

/** Load who, where and what; keeps the old picture when the server is away. */
export async function loadState(user) {
  const query = new URLSearchParams(user ? { user } : {});
  const fresh = await ask(`/ui/state?${query}`);
  if (!fresh.people) return fresh;
  Object.assign(state, {
    team: fresh.team, people: fresh.people, bot: fresh.bot, channels: fresh.channels,
    commands: fresh.commands ?? [], shortcuts: fresh.shortcuts ?? [],
    me: typeof fresh.me === "string" ? fresh.me : fresh.me?.id ?? user,
  });
  setClock(fresh.now, fresh.speed);
  return { ok: true, home: fresh.home ?? null, views: fresh.views ?? [], statuses: fresh.statuses ?? [] };
}

const PAGE = 100;

export async function loadMessages(channel, before) {
  const answer = await get("messages", { channel, limit: PAGE, before });
  if (!answer.messages) return false;
  if (answer.messages.length < PAGE) state.complete.add(channel);
  const kept = state.messages.get(channel) ?? [];
  state.messages.set(channel, merge(before ? kept : stillGood(kept, answer.messages), answer.messages));
  return true;
}

export async function loadThread(channel, ts) {
  const answer = await get("thread", { channel, ts });
  if (!answer.messages) return false;
  const kept = state.replies.filter((m) => m.thread_ts === ts);
  state.replies = merge(stillGood(kept, answer.messages), answer.messages);
  return true;
}

/** What an answer does not know: whispers, and what was pushed while it was on its way. */
const stillGood = (kept, answer) =>
  kept.filter((m) => m.ephemeral || Number(m.ts) > Number(answer.at(-1)?.ts ?? 0));

/** Messages of both lists, the second winning, in ts order. */
export function merge(old, fresh) {
  const all = new Map(old.map((m) => [m.ts, m]));
  for (const message of fresh) all.set(message.ts, message);
  return [...all.values()].sort((a, b) => Number(a.ts) - Number(b.ts));
}

export const isReply = (m) => Boolean(m.thread_ts) && m.thread_ts !== m.ts;
