export const $ = <E extends Element = HTMLElement>(selector: string): E =>
  document.querySelector(selector) as E

/** An element with children; a text for one is text, never markup. */
export function html(
  name: string,
  attributes: Record<string, string | number> = {},
  ...children: (Node | string)[]
): HTMLElement {
  return fill(document.createElement(name), attributes, children)
}

export function svg(
  name: string,
  attributes: Record<string, string | number>,
  ...children: (Node | string)[]
): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name)
  return fill(element as SVGElement, attributes, children)
}

function fill<E extends Element>(
  element: E,
  attributes: Record<string, string | number>,
  children: (Node | string)[],
): E {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, `${value}`)
  element.append(...children)
  return element
}

/** Makes the children of `parent` like these and touches only what differs: selecting and scrolling survive. */
export function update(parent: Element, children: readonly Node[]): void {
  while (parent.childNodes.length > children.length) parent.lastChild?.remove()
  children.forEach((child, i) => {
    const old = parent.childNodes[i]
    if (!old) parent.append(child)
    else if (old.nodeName !== child.nodeName) old.replaceWith(child)
    else if (old instanceof Element && child instanceof Element) change(old, child)
    else if (old.nodeValue !== child.nodeValue) old.nodeValue = child.nodeValue
  })
}

function change(old: Element, wanted: Element): void {
  for (const { name } of [...old.attributes])
    if (!wanted.hasAttribute(name)) old.removeAttribute(name)
  for (const { name, value } of wanted.attributes)
    if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  update(old, [...wanted.childNodes])
}
