// Times as people read them: the ts of a message, Slack's <!date^…> tokens, the world clock.

const format = (options) => (seconds) =>
  new Intl.DateTimeFormat(undefined, options).format(new Date(Number(seconds) * 1000));

export const clockTime = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
export const clockSeconds = format({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
export const longDate = format({ weekday: "long", day: "numeric", month: "long" });
export const fullDate = format({ dateStyle: "medium", timeStyle: "medium" });
const dayKey = format({ year: "numeric", month: "2-digit", day: "2-digit" });

export const sameDay = (a, b) => dayKey(a) === dayKey(b);

/** "Today", "Yesterday" or the weekday and date, seen from world time `now`. */
export function dayName(seconds, now) {
  if (sameDay(seconds, now)) return "Today";
  if (sameDay(seconds, now - 86400)) return "Yesterday";
  return longDate(seconds);
}

export function ago(seconds, now) {
  const past = Math.max(0, now - Number(seconds));
  if (past < 60) return "just now";
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  if (past < 86400) return `${Math.floor(past / 3600)} h ago`;
  return `${Math.floor(past / 86400)} d ago`;
}

const TOKENS = {
  date_num: format({ year: "numeric", month: "2-digit", day: "2-digit" }),
  date: format({ year: "numeric", month: "long", day: "numeric" }),
  date_short: format({ year: "numeric", month: "short", day: "numeric" }),
  date_long: format({ weekday: "long", year: "numeric", month: "long", day: "numeric" }),
  time: clockTime,
  time_secs: clockSeconds,
};

/** The text of <!date^seconds^pattern^…|fallback>. */
export function dateToken(seconds, pattern, fallback, now) {
  if (!/^\d+$/.test(seconds)) return fallback || seconds;
  return pattern.replace(/\{(\w+)\}/g, (whole, name) => {
    if (name === "ago") return ago(seconds, now);
    if (name.endsWith("_pretty")) {
      const near = dayName(seconds, now);
      if (near === "Today" || near === "Yesterday") return near.toLowerCase();
    }
    const base = name.replace(/_pretty$/, "");
    return TOKENS[base] ? TOKENS[base](seconds) : whole;
  });
}
