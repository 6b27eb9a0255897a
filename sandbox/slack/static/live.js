// What the server pushes, put into the store. Reconnects by itself and then reads everything again.

import { isReply, loadMessages, loadThread, merge, state } from "./store.js";

const FIRST_RETRY_MS = 500;
const SLOWEST_RETRY_MS = 8000;

/** Keep a websocket open for `state.me`; `on(event)` hears each event, `again()` each reconnect. */
export function listen({ on, again, away }) {
  let socket = null;
  let wait = FIRST_RETRY_MS;
  let timer = 0;
  let lost = false;
  const connect = () => {
    clearTimeout(timer);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const mine = new WebSocket(`${scheme}://${location.host}/ui/ws?user=${encodeURIComponent(state.me)}`);
    socket = mine;
    mine.onopen = () => { wait = FIRST_RETRY_MS; away(false); if (lost) again(); lost = false; };
    mine.onmessage = (frame) => on(JSON.parse(frame.data));
    mine.onclose = () => {
      if (socket !== mine) return;
      lost = true;
      away(true);
      timer = setTimeout(connect, wait);
      wait = Math.min(wait * 2, SLOWEST_RETRY_MS);
    };
  };
  connect();
  return { reconnect() { const old = socket; socket = null; old?.close(); lost = false; connect(); } };
}

/** Put a posted or changed message where it is shown; true when it is a new one. */
export function takeMessage(channel, message) {
  const here = channel === state.channel;
  const top = state.messages.get(channel) ?? (here ? [] : null);
  const fresh = ![...(top ?? []), ...(here ? state.replies : [])].some((m) => m.ts === message.ts);
  const root = isReply(message) ? message.thread_ts : message.ts;
  if (here && state.thread === root) state.replies = merge(state.replies, [message]);
  const inChannel = !isReply(message) || message.subtype === "thread_broadcast";
  if (top && inChannel && !beforeFirst(channel, top, message)) state.messages.set(channel, merge(top, [message]));
  return fresh;
}

/** A message older than the oldest one loaded; it comes with its page, else there would be a gap. */
const beforeFirst = (channel, top, message) =>
  top.length > 0 && !state.complete.has(channel) && Number(message.ts) < Number(top[0].ts);

/** Forget a deleted message. */
export function dropMessage(channel, ts) {
  const without = (list) => list.filter((m) => m.ts !== ts);
  if (state.messages.has(channel)) state.messages.set(channel, without(state.messages.get(channel)));
  if (channel === state.channel) state.replies = without(state.replies);
}

export function takeReactions(channel, ts, reactions) {
  const change = (list) => list.map((m) => (m.ts === ts ? { ...m, reactions } : m));
  if (state.messages.has(channel)) state.messages.set(channel, change(state.messages.get(channel)));
  if (channel === state.channel) state.replies = change(state.replies);
}

/** Read again what is on the screen. */
export async function reload() {
  const { channel, thread } = state;
  state.complete.delete(channel);
  await Promise.all([loadMessages(channel), thread ? loadThread(channel, thread) : null]);
}
