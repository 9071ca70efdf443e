/** The element with an id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Makes an element; what is in it is text or elements, never markup: messages are anybody's. */
export function make(tag, { className, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  Object.assign(element, properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Changes a text only when it is another one: screen readers read what changes. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
