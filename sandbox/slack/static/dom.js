// Elements from plain values: the only way this page makes DOM.
//
//   h("button.primary", {onclick, "data-testid": "send"}, "Send")
//
// Strings always become text nodes, so nothing a message says can become markup.

/** Build one element. `spec` is "tag.class.class"; children may be nested, null or false. */
export function h(spec, props, ...children) {
  const [tag, ...classes] = spec.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(props ?? {})) assign(node, name, value);
  append(node, children);
  return node;
}

function assign(node, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else if (name === "style") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
  else if (name === "class") node.classList.add(...value.split(" ").filter(Boolean));
  else if (name in node && ["value", "checked", "disabled", "selected", "open", "hidden"].includes(name)) {
    node[name] = value;
  } else node.setAttribute(name, value === true ? "" : String(value));
}

/** Append strings, nodes and nested lists of them. */
export function append(node, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

/** Replace everything inside a node. */
export function fill(node, ...children) {
  node.replaceChildren();
  return append(node, ...children);
}

/** The element with this data-testid. */
export function byTestId(id, root = document) {
  return root.querySelector(`[data-testid="${CSS.escape(id)}"]`);
}

const SVG = "http://www.w3.org/2000/svg";

// Line icons drawn for this page on a 20 × 20 grid.
const ICONS = {
  hash: "M7 3 5.5 17M14.5 3 13 17M3.5 7.5h14M2.5 12.5h14",
  thread: "M3 4.5h14v9H9l-4 3.5v-3.5H3z",
  smile: "M10 2.5a7.5 7.5 0 1 1 0 15a7.5 7.5 0 1 1 0-15M7 12c1.5 2 4.5 2 6 0M7.5 7.8v.4M12.5 7.8v.4",
  more: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  close: "M5 5l10 10M15 5 5 15",
  menu: "M3 5.5h14M3 10h14M3 14.5h14",
  back: "M12.5 4 6.5 10l6 6",
  send: "M3 10 17 3.5 12.5 17 9.8 11.2zM9.8 11.2 17 3.5",
  at: "M13 10a3 3 0 1 1-6 0a3 3 0 1 1 6 0v1.2a2 2 0 0 0 4 0V10a7 7 0 1 0-3 5.7",
  slash: "M12.5 3.5l-5 13",
  check: "M4.5 10.5l3.7 3.7L15.5 6.5",
  cross: "M6 6l8 8M14 6l-8 8",
  clock: "M10 3a7 7 0 1 1 0 14a7 7 0 1 1 0-14M10 6.2V10l2.6 1.8",
  warn: "M10 3.2 18 16.5H2zM10 8v4M10 14.3v.01",
  info: "M10 3a7 7 0 1 1 0 14a7 7 0 1 1 0-14M10 9v4.5M10 6.4v.01",
  up: "M6.5 9v7.5H3.5V9zM6.5 9 9.5 3c1.6 0 2.2 1.2 1.8 2.6L10.700 8h4.800c1 0 1.700.9 1.500 1.900l-1.100 5.200c-.2.900-.9 1.400-1.700 1.400H6.500",
  down: "M6.5 11V3.500H3.500V11zM6.500 11 9.500 17c1.600 0 2.200-1.200 1.800-2.600L10.700 12h4.800c1 0 1.700-.9 1.500-1.900l-1.100-5.200c-.2-.9-.9-1.400-1.700-1.400H6.500",
  chevron: "M5.500 8l4.500 4.500L14.500 8",
  eye: "M2 10s3-5.500 8-5.500S18 10 18 10s-3 5.500-8 5.500S2 10 2 10zM10 7.700a2.300 2.300 0 1 1 0 4.600a2.300 2.300 0 1 1 0-4.600",
  file: "M5 2.500h6.500L15.500 6.500v11H5zM11.500 2.500v4h4",
  home: "M3 9.500 10 3.500l7 6V17h-4.500v-4.500h-5V17H3z",
  trash: "M4 6h12M8 6V3.500h4V6M5.500 6l.8 11h7.400l.8-11",
  spark: "M10 2.500l1.700 5.800 5.800 1.700-5.800 1.700L10 17.500l-1.700-5.800L2.500 10l5.800-1.700z",
};

/** A line icon; decorative unless a label is given. */
export function icon(name, label) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", `icon icon-${name}`);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] ?? ICONS.info);
  svg.append(path);
  return svg;
}
