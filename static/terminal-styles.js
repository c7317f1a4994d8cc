// xterm.js writes styles in two ways that our policy forbids. Both get a way that it allows, on this page alone:
// its <style> elements carry the page's nonce, and a style attribute is set through the CSSOM, which needs no permission.
// See docs/decisions/0009-a-terminal-under-the-strict-policy.md.
export function allowStyles(nonce) {
  const createElement = document.createElement;
  document.createElement = function (name, ...rest) {
    const element = createElement.call(document, name, ...rest);
    if (String(name).toLowerCase() === "style") element.nonce = nonce;
    return element;
  };
  const setAttribute = HTMLElement.prototype.setAttribute;
  HTMLElement.prototype.setAttribute = function (name, value) {
    if (name === "style") this.style.cssText = value;
    else setAttribute.call(this, name, value);
  };
}
