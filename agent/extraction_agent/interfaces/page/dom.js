// The document, changed only where something differs: a reader's selection and focus stay. Data is text, never markup.

export const byId = (id) => document.getElementById(id);

export function element(name, className = "", ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export function attribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

// One child per item, by key, in the items' order. make() makes a child, fill(child, item) brings it up to date.
export function list(parent, items, key, make, fill) {
  const present = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    const name = String(key(item));
    const child = present.get(name) ?? make();
    present.delete(name);
    child.dataset.key = name;
    fill(child, item);
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
  for (const gone of present.values()) gone.remove();
}

// A bar of parts, each {share, kind}: 0 to 1 of the whole. What it says is said in words beside it.
export function bar(node, parts) {
  while (node.children.length < parts.length) node.append(element("i"));
  parts.forEach(({ share, kind }, number) => {
    const part = node.children[number];
    part.className = kind;
    part.style.inlineSize = `${Math.min(Math.max(share, 0), 1) * 100}%`;
  });
}
